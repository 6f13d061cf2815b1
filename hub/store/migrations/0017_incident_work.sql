-- A member of a room incident that a person took out again stays in the table, so that nothing puts it back.
alter table room_members add column taken_out_utc_ms integer;
alter table room_members add column taken_out_by text not null default '';
create index room_members_of_unit on room_members (unit, what, at_utc_ms);

-- A hold on a room incident holds its members' film: those that are incidents of their own by their alerts, equipment by
-- the stretch of the room incident itself at the unit's seat.
drop view held_stills;
drop view held_segments;
drop view hold_stretches;
create view hold_stretches as
with recursive followed (hold_id, incident_id) as (
    select hold_id, incident_id from holds where released_utc_ms is null and incident_id is not null
    union
    select f.hold_id, i.merged_into from followed f join incidents i using (incident_id) where i.merged_into is not null
    union
    select f.hold_id, i.incident_id from followed f join incidents i on i.part_of = f.incident_id
)
select f.hold_id, i.incident_id, i.sitting, i.unit, nullif(i.seat, '') as seat,
    null as boot, max(min(i.began_utc_ms, coalesce(i.cleared_utc_ms, i.began_utc_ms)) - 30000, 0) as began,
    case when i.cleared_utc_ms is null and i.merged_into is null then 9007199254740992
        else max(i.began_utc_ms, coalesce(i.cleared_utc_ms, i.began_utc_ms)) + 15000 end as ended
from followed f join incidents i using (incident_id)
where i.kind not in ('room_emptied', 'room_gone', 'room_faults')
union all
select f.hold_id, a.incident_id, a.sitting, a.unit, null, a.boot, max(a.began_up_ms - 30000, 0),
    coalesce(a.cleared_up_ms + 15000, 9007199254740992)
from followed f join alerts a using (incident_id)
union all
select f.hold_id, null, i.sitting, m.unit, nullif(m.seat, ''), null, max(min(m.at_utc_ms, i.began_utc_ms) - 30000, 0),
    case when i.cleared_utc_ms is null then 9007199254740992 else max(m.at_utc_ms, i.cleared_utc_ms) + 15000 end
from followed f join incidents i using (incident_id) join room_members m using (incident_id)
where m.taken_out_utc_ms is null
union all
select hold_id, null, sitting, null, seat, null, 0, 9007199254740992
from holds where released_utc_ms is null and sitting is not null;

-- As 0011_keeping made them: SQLite cannot change a view that another one reads.
create view held_segments as
select h.hold_id, s.rowid as segment, s.sitting, s.unit
from hold_stretches h join segments s on s.sitting = h.sitting and s.unit = h.unit
    and case when h.boot is null
        then min(s.began_utc_ms, s.ended_utc_ms) <= h.ended and max(s.began_utc_ms, s.ended_utc_ms) >= h.began
        else h.boot = s.boot and s.began_up_ms <= h.ended and s.ended_up_ms >= h.began end
union
select h.hold_id, s.rowid, s.sitting, s.unit
from hold_stretches h join segments s on s.sitting = h.sitting and s.seat in (h.seat, '')
    and case when h.boot is null
        then min(s.began_utc_ms, s.ended_utc_ms) <= h.ended and max(s.began_utc_ms, s.ended_utc_ms) >= h.began
        else h.boot = s.boot and s.began_up_ms <= h.ended and s.ended_up_ms >= h.began end
where h.seat is not null and h.sitting <> ''
union
select h.hold_id, s.rowid, s.sitting, s.unit
from hold_stretches h join segments s on s.sitting = h.sitting
where h.unit is null and h.seat is null
union
select h.hold_id, s.rowid, s.sitting, s.unit
from hold_stretches h join segments s on s.unit = h.unit
    and case when h.boot is null
        then min(s.began_utc_ms, s.ended_utc_ms) <= h.ended and max(s.began_utc_ms, s.ended_utc_ms) >= h.began
        else h.boot = s.boot and s.began_up_ms <= h.ended and s.ended_up_ms >= h.began end
where h.sitting = '';
create view held_stills as
select distinct h.hold_id, p.still, p.sitting, p.unit
from hold_stretches h join placed_stills p
    on h.boot is null and (h.incident_id = p.incident_id or (
        h.sitting in (p.sitting, '')
        and (h.unit = p.unit or (h.seat is not null and p.seat in (h.seat, '')) or (h.unit is null and h.seat is null))
        and p.utc_ms between h.began and h.ended));

-- The pages over incidents: the queue and the list by state, the earlier ones of a seat, and how alerts turned out, counted
-- from the index alone.
create index incidents_of_state on incidents (state, incident_id);
create index incidents_of_place on incidents (room, seat, incident_id);
create index incidents_of_kind on incidents (kind, incident_id);
create index incidents_turned_out on incidents (
    sitting, is_drill, part_of, merged_into, room, seat, kind, state, verdict);
create index alerts_turned_out on alerts (sitting, is_drill, room, seat, kind);
create index faults_received on faults (received_utc_ms);
create index alerts_received on alerts (received_utc_ms);
