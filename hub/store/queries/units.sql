-- name: unit_by_name(unit)^
select unit, public_key, first_seen_utc_ms, is_revoked from units where unit = :unit;

-- name: units_all()
select unit, public_key, first_seen_utc_ms, is_revoked from units order by unit;

-- name: add_unit(unit, public_key, now)!
insert into units (unit, public_key, first_seen_utc_ms) values (:unit, :public_key, :now);
