-- name: board_seats()
-- Every seat with its unit's newest word, and every unit that has no seat yet (seat_id null).
select s.seat_id, s.label, r.name as room, s.unit, p.is_online, p.status_utc_ms, p.heartbeat, p.heartbeat_utc_ms
from seats s join rooms r using (room_id) left join presence p on p.unit = s.unit
union all
select null, u.unit, '', u.unit, p.is_online, p.status_utc_ms, p.heartbeat, p.heartbeat_utc_ms
from units u left join presence p on p.unit = u.unit
where u.is_revoked = 0 and not exists (select 1 from seats s where s.unit = u.unit);

-- name: board_alerts()
select a.unit, a.alert, a.kind, a.began_utc_ms, a.incident_id, a.is_drill, coalesce(i.state, 'open') as incident_state
from alerts a left join incidents i using (incident_id)
where a.cleared_utc_ms is null and coalesce(i.state, 'open') <> 'closed';

-- name: board_faults()
select unit, fault, kind, began_utc_ms, detail from faults where state <> 'cleared';

-- name: board_incidents()
-- Members of a room incident that nobody has closed are worked on there; the room incident says how many they are.
select i.incident_id, i.unit, i.kind, i.room, i.seat, i.state, i.opened_utc_ms, i.began_utc_ms, i.cleared_utc_ms,
    i.acknowledged_by, i.version, i.is_drill, i.assigned_to, i.proposed_by, case when i.seat = '' then (
        select count(distinct seat) from (
            select m.seat from incidents m where m.part_of = i.incident_id
            union all
            select m.seat from room_members m where m.incident_id = i.incident_id and m.taken_out_utc_ms is null))
        else 0 end as member_count
from incidents i
where i.state <> 'closed' and (
    i.part_of is null or (select r.state from incidents r where r.incident_id = i.part_of) = 'closed')
order by i.opened_utc_ms, i.incident_id;

-- name: board_sittings(now)
select sitting, exam, name as room, start_utc_ms, end_utc_ms, mode
from sittings join rooms using (room_id) where end_utc_ms > :now order by start_utc_ms, sitting;

-- name: board_newest_event()^
select coalesce(max(event_id), 0) from incident_events;

-- name: board_touched(after)
select distinct incident_id from incident_events where event_id > :after;

-- name: board_newest_incident()^
select max(opened_utc_ms) from incidents where is_drill = 0;

-- name: board_units_due()^
-- What waits for who lets units in: requests, and security events that nobody has looked at.
select (select count(*) from enrolments where state = 'waiting')
    + (select count(*) from security_events where seen_utc_ms is null);

-- name: seat_by_id(seat_id)^
select s.seat_id, s.label, r.name as room, s.unit, p.is_online, p.status_utc_ms, p.heartbeat, p.heartbeat_utc_ms
from seats s join rooms r using (room_id) left join presence p on p.unit = s.unit where s.seat_id = :seat_id;

-- name: seat_recorded(unit)^
select count(*) as segments, coalesce(sum(ended_up_ms - began_up_ms), 0) as recorded_ms,
    coalesce(sum(size_bytes), 0) as size_bytes, max(ended_utc_ms) as newest_utc_ms
from segments where unit = :unit;

-- name: seat_gaps(unit, limit)
select began_utc_ms, ended_utc_ms, cause, is_length_known, detail, sitting
from gaps where unit = :unit order by began_utc_ms desc limit :limit;

-- name: seat_alerts(unit, limit)
select alert, kind, state, began_utc_ms, raised_utc_ms, cleared_utc_ms, incident_id, is_drill
from alerts where unit = :unit order by raised_utc_ms desc limit :limit;

-- name: seat_faults(unit, limit)
select fault, kind, state, began_utc_ms, raised_utc_ms, cleared_utc_ms, detail
from faults where unit = :unit order by raised_utc_ms desc limit :limit;

-- name: count_alerts_by_kind()
select kind, count(*) as total, coalesce(sum(cleared_utc_ms is null), 0) as standing
from alerts where is_drill = 0 group by kind;

-- name: count_faults_by_kind()
select kind, count(*) as total, coalesce(sum(state <> 'cleared'), 0) as standing from faults group by kind;

-- name: count_incidents_by_state()
select state, count(*) as total from incidents i
where is_drill = 0 and (
    i.part_of is null or (select r.state from incidents r where r.incident_id = i.part_of) = 'closed') group by state;

-- name: count_records()
select (select count(*) from rejected) as rejected, (select count(*) from conflicts) as conflicts;
