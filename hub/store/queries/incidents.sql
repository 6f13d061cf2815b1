-- name: incident_list(state, room, kind, drills, assigned, since, limit)
-- Members of a room incident that nobody has closed are worked on there: they stand in no list of what is to be done.
select i.incident_id, i.unit, i.kind, i.sitting, i.room, i.seat, i.state, i.opened_utc_ms, i.began_utc_ms, i.cleared_utc_ms,
    i.acknowledged_utc_ms, i.acknowledged_by, i.closed_utc_ms, i.verdict, i.merged_into, i.version, i.is_drill, i.category,
    i.assigned_to, i.proposed_by, i.part_of, (
        select count(distinct seat) from (
            select m.seat from incidents m where m.part_of = i.incident_id
            union all select m.seat from room_members m where m.incident_id = i.incident_id and m.taken_out_utc_ms is null)
    ) as member_count
from incidents i
where (:state = '' or i.state = :state or (:state = 'unfinished' and i.state <> 'closed'))
    and (:state not in ('open', 'unfinished') or i.part_of is null
        or (select r.state from incidents r where r.incident_id = i.part_of) = 'closed')
    and (:room = '' or i.room = :room)
    and (:kind = '' or i.kind = :kind)
    and (:assigned = '' or i.assigned_to = :assigned)
    and (:drills = '' or i.is_drill = (:drills = 'only'))
    and (:since = 0 or i.incident_id < :since)
order by i.incident_id desc limit :limit;

-- name: incident_count(state, room, kind, drills, assigned)^
select count(*), coalesce(sum(i.is_drill), 0) from incidents i
where (:state = '' or i.state = :state or (:state = 'unfinished' and i.state <> 'closed'))
    and (:state not in ('open', 'unfinished') or i.part_of is null
        or (select r.state from incidents r where r.incident_id = i.part_of) = 'closed')
    and (:room = '' or i.room = :room)
    and (:kind = '' or i.kind = :kind)
    and (:assigned = '' or i.assigned_to = :assigned)
    and (:drills = '' or i.is_drill = (:drills = 'only'));

-- name: incident_newest()^
select max(opened_utc_ms) from incidents where is_drill = 0;

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

-- name: incident_rooms()
select name from rooms order by name;

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
