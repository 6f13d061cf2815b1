-- name: rooms_watched(now)
-- Rooms in which a sitting runs whose incidents machines may open, with how many seats have a desk.
select t.sitting, r.room_id, r.name as room, (select count(*) from seats s where s.room_id = r.room_id and s.unit is not null) as desks
from sittings t join rooms r using (room_id)
where t.start_utc_ms <= :now and :now < t.end_utc_ms and t.cancelled_utc_ms is null and t.closed_utc_ms is null
    and t.mode <> 'manual'
order by t.start_utc_ms, t.sitting;

-- name: room_alerts(since)
-- Empty seats of late, and those that still are: of unfinished incidents that no person took out of a room incident.
select a.unit, a.began_utc_ms, a.raised_utc_ms, a.cleared_utc_ms, a.received_utc_ms, i.incident_id, i.room, i.seat, i.part_of
from incidents i join alerts a using (incident_id)
where i.state <> 'closed' and i.kind = 'seat_empty' and i.is_drill = 0
    and (a.cleared_utc_ms is null or a.received_utc_ms > :since)
    and not exists (
        select 1 from incident_events e where e.incident_id = i.incident_id and e.action = 'taken_out');

-- name: room_faults(since)
select f.unit, f.fault, f.kind, f.began_utc_ms, f.raised_utc_ms, f.cleared_utc_ms, f.received_utc_ms, r.name as room, s.label as seat
from faults f join seats s on s.unit = f.unit join rooms r using (room_id)
where f.state <> 'cleared' or f.received_utc_ms > :since;

-- name: room_presence()
select s.unit, s.label as seat, r.name as room, p.is_online, p.status_utc_ms, p.heartbeat_utc_ms
from seats s join rooms r using (room_id) join presence p on p.unit = s.unit;

-- name: room_incidents_standing()
select incident_id, kind, room, state, began_utc_ms, cleared_utc_ms, version from incidents
where state <> 'closed' and kind in ('room_emptied', 'room_gone', 'room_faults') order by incident_id;

-- name: room_equipment(since)
-- Every desk's part in a room incident, closed ones and what was taken out included: none opens another one.
select m.incident_id, m.unit, m.seat, m.what, m.at_utc_ms, m.taken_out_utc_ms, i.state
from room_members m join incidents i using (incident_id)
where i.state <> 'closed' or m.at_utc_ms > :since;

-- name: open_room_incident(unit, kind, sitting, room, now, began)<!
insert into incidents (unit, kind, sitting, room, seat, opened_utc_ms, began_utc_ms)
values (:unit, :kind, :sitting, :room, '', :now, :began);

-- name: add_room_member(incident_id, unit, seat, what, at)!
insert into room_members (incident_id, unit, seat, what, at_utc_ms) values (:incident_id, :unit, :seat, :what, :at)
on conflict (incident_id, unit, what) do update set at_utc_ms = max(at_utc_ms, excluded.at_utc_ms)
where taken_out_utc_ms is null;

-- name: set_part_of(incident_id, part_of)!
update incidents set part_of = :part_of, version = version + 1
where incident_id = :incident_id and state <> 'closed' and part_of is not :part_of
    and not exists (select 1 from incident_events e where e.incident_id = :incident_id and e.action = 'taken_out');

-- name: touch_room_incident(incident_id, cleared)!
update incidents set cleared_utc_ms = :cleared, version = version + 1 where incident_id = :incident_id;

-- name: take_out_member(incident_id, unit, what, now, who)!
update room_members set taken_out_utc_ms = :now, taken_out_by = :who
where incident_id = :incident_id and unit = :unit and what = :what and taken_out_utc_ms is null;

-- name: room_incident_members(incident_id)
-- Members that are incidents of their own; `is_untouched`: no person has worked on it.
select m.incident_id, m.unit, m.seat, m.kind as what, m.state, m.verdict, m.began_utc_ms as at_utc_ms, m.cleared_utc_ms, m.acknowledged_by, m.version,
    (select count(*) from incident_events e where e.incident_id = m.incident_id) as event_count,
    m.state = 'open' and not exists (
        select 1 from incident_events e where e.incident_id = m.incident_id and e.who <> 'desk') as is_untouched
from incidents m where m.part_of = :incident_id and m.merged_into is null order by m.incident_id;

-- name: room_equipment_of(incident_id)
select unit, seat, what, at_utc_ms from room_members
where incident_id = :incident_id and taken_out_utc_ms is null order by at_utc_ms, seat;

-- name: close_member(incident_id, verdict, who, now)!
update incidents set state = 'closed', verdict = :verdict, closed_utc_ms = :now,
    acknowledged_utc_ms = coalesce(acknowledged_utc_ms, :now), acknowledged_by = coalesce(acknowledged_by, :who),
    version = version + 1
where incident_id = :incident_id and state = 'open';

-- name: count_room_incidents()
select kind, count(*) as total, sum(state <> 'closed') as standing from incidents
where kind in ('room_emptied', 'room_gone', 'room_faults') group by kind;
