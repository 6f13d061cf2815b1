-- name: board_seats()
-- Every seat with its unit's newest word, and every unit that has no seat yet (seat_id null).
select s.seat_id, s.label, r.name as room, s.unit, p.is_online, p.status_utc_ms, p.heartbeat, p.heartbeat_utc_ms
from seats s join rooms r using (room_id) left join presence p on p.unit = s.unit
union all
select null, u.unit, '', u.unit, p.is_online, p.status_utc_ms, p.heartbeat, p.heartbeat_utc_ms
from units u left join presence p on p.unit = u.unit
where u.is_revoked = 0 and not exists (select 1 from seats s where s.unit = u.unit);

-- name: board_alerts()
-- What stands where its unit stands. A desk that was taken away, or put elsewhere, cannot clear what it saw here.
select a.unit, a.alert, a.kind, a.began_utc_ms, a.incident_id, a.is_drill, coalesce(i.state, 'open') as incident_state
from alerts a left join incidents i using (incident_id)
where a.cleared_utc_ms is null and coalesce(i.state, 'open') <> 'closed' and exists (
    select 1 from seats s join seat_names n using (seat_id)
    where s.unit = a.unit and n.label = a.seat and a.room in (n.room, ''));

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
        else 0 end as member_count,
    case when i.kind = 'by_hand' then (
        select who from incident_events e where e.incident_id = i.incident_id and e.action = 'opened_by_hand' limit 1)
    end as opened_by
from incidents i
where i.state <> 'closed' and (
    i.part_of is null or (select r.state from incidents r where r.incident_id = i.part_of) = 'closed')
order by i.opened_utc_ms, i.incident_id;

-- name: board_sittings(now)
-- `last_utc_ms`: when its last seat ends, of those with extra time.
select t.sitting, t.exam, r.name as room, t.start_utc_ms, t.end_utc_ms, t.mode, e.end_utc_ms as last_utc_ms
from sittings t join rooms r using (room_id) join sitting_ends e using (sitting)
where t.cancelled_utc_ms is null and e.end_utc_ms > :now order by t.start_utc_ms, t.sitting;

-- name: board_newest_event()^
select coalesce(max(event_id), 0) from incident_events;

-- name: board_touched(after)
-- Not by an index of incidents, which would be gone through whole: the newest events are the last rows.
select distinct incident_id from incident_events not indexed where event_id > :after;

-- name: board_newest_incident()^
select max(opened_utc_ms) from incidents where is_drill = 0;

-- name: board_units_due()^
-- What waits for who lets units in: requests, and security events that nobody has looked at.
select (select count(*) from enrolments where state = 'waiting')
    + (select count(*) from security_events where seen_utc_ms is null);

-- name: seat_by_id(seat_id)^
select s.seat_id, s.room_id, s.label, r.name as room, s.unit, p.is_online, p.status_utc_ms, p.heartbeat,
    p.heartbeat_utc_ms
from seats s join rooms r using (room_id) left join presence p on p.unit = s.unit where s.seat_id = :seat_id;

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
