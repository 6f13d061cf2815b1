-- name: count_security_event(unit, kind, detail, now)!
-- The newest one that nobody has looked at yet.
update security_events set count = count + 1, last_utc_ms = :now, detail = :detail
where event_id = (
    select max(event_id) from security_events where unit = :unit and kind = :kind and seen_utc_ms is null);

-- name: insert_security_event(unit, kind, detail, now)!
insert into security_events (unit, kind, detail, first_utc_ms, last_utc_ms) values (:unit, :kind, :detail, :now, :now);

-- name: security_unseen()
select event_id, unit, kind, detail, first_utc_ms, last_utc_ms, count from security_events
where seen_utc_ms is null order by first_utc_ms, event_id;

-- name: security_of_unit(unit, limit)
select event_id, unit, kind, detail, first_utc_ms, last_utc_ms, count, seen_utc_ms, seen_by from security_events
where unit = :unit order by last_utc_ms desc, event_id desc limit :limit;

-- name: security_event(event_id)^
select event_id, unit, kind, seen_utc_ms, seen_by from security_events where event_id = :event_id;

-- name: see_security_event(event_id, who, now)!
update security_events set seen_utc_ms = :now, seen_by = :who where event_id = :event_id and seen_utc_ms is null;
