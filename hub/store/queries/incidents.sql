-- name: incident_by_id(incident_id)^
select incident_id, unit, kind, sitting, room, seat, state, opened_utc_ms, began_utc_ms, cleared_utc_ms,
    acknowledged_utc_ms, acknowledged_by, closed_utc_ms, verdict, merged_into, version, is_drill, category, assigned_to,
    proposed_by, part_of,
    (select min(raised_utc_ms) from alerts a where a.incident_id = :incident_id) as raised_utc_ms
from incidents where incident_id = :incident_id;

-- name: incident_alerts(incident_id)
select unit, alert, kind, state, began_utc_ms, began_up_ms, raised_utc_ms, raised_up_ms, cleared_utc_ms, cleared_up_ms,
    boot, body, still_sha256, received_utc_ms
from alerts where incident_id = :incident_id order by raised_utc_ms, alert;

-- name: incident_thread(incident_id)
select event_id, at_utc_ms, who, action, text, verdict from incident_events
where incident_id = :incident_id order by event_id;

-- name: review_incident(incident_id, seen, state, verdict, acknowledged_utc_ms, acknowledged_by, closed_utc_ms, assigned_to, category, proposed_by, part_of)!
update incidents set state = :state, verdict = :verdict, acknowledged_utc_ms = :acknowledged_utc_ms,
    acknowledged_by = :acknowledged_by, closed_utc_ms = :closed_utc_ms, assigned_to = :assigned_to, category = :category,
    proposed_by = :proposed_by, part_of = :part_of, version = version + 1
where incident_id = :incident_id and version = :seen;

-- name: add_incident_act(incident_id, at, who, action, text, verdict)!
insert into incident_events (incident_id, at_utc_ms, who, action, text, verdict)
values (:incident_id, :at, :who, :action, :text, :verdict);

-- name: standing_alerts_of_incident(incident_id)
select unit, alert from alerts where incident_id = :incident_id and cleared_utc_ms is null;

-- name: add_web_command(unit, payload, expires)<!
insert into commands (unit, payload, expires_utc_ms) values (:unit, :payload, :expires);

-- name: set_web_command_payload(number, payload)!
update commands set payload = :payload where number = :number;

-- name: evidence_still(unit, sha256)^
select jpeg, utc_ms from stills where unit = :unit and sha256 = :sha256;
