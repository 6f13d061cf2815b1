-- name: count_security_event(unit, kind, detail, now)!
-- The newest one that nobody has looked at yet.
update security_events set count = count + 1, last_utc_ms = :now, detail = :detail
where event_id = (
    select max(event_id) from security_events where unit = :unit and kind = :kind and seen_utc_ms is null);

-- name: insert_security_event(unit, kind, detail, now)!
insert into security_events (unit, kind, detail, first_utc_ms, last_utc_ms) values (:unit, :kind, :detail, :now, :now);
