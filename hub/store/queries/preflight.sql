-- name: preflight_sitting(sitting)^
select t.sitting, t.exam, r.name as room, t.room_id, r.map_columns, r.map_rows, t.start_utc_ms, t.end_utc_ms, t.empty_from_utc_ms,
    t.empty_until_utc_ms, t.opened_utc_ms, t.opened_by, t.closed_utc_ms, t.cancelled_utc_ms,
    max(t.end_utc_ms, coalesce((select max(e.end_utc_ms) from seat_ends e where e.sitting = t.sitting), 0)) as latest_end_utc_ms
from sittings t join rooms r using (room_id) where t.sitting = :sitting;

-- name: preflight_seats(sitting)
-- Each seat of the room with its unit's newest word, plan, drill and lamp. A drill counts from when the hub heard of it.
select s.seat_id, s.label, s.unit, s.map_x, s.map_y, p.is_online, p.status_utc_ms, p.heartbeat, p.heartbeat_utc_ms, n.number as plan,
    coalesce(e.end_utc_ms, t.end_utc_ms) as end_utc_ms,
    (select max(a.received_utc_ms) from alerts a where a.unit = s.unit and a.is_drill = 1) as drill_utc_ms,
    (select max(seen) from (
        select max(d.received_utc_ms) as seen from attended d where d.unit = s.unit and d.is_drill = 1
        union all select max(l.seen_utc_ms) from lamp_checks l where l.unit = s.unit)) as lamp_seen_utc_ms
from seats s join sittings t on t.room_id = s.room_id and t.sitting = :sitting
    left join presence p on p.unit = s.unit left join plans n on n.unit = s.unit
    left join seat_ends e on e.sitting = t.sitting and e.seat = s.label;

-- name: preflight_faults(sitting)
select f.unit, f.kind, f.began_utc_ms, f.detail from faults f
where f.state <> 'cleared' and f.unit in (
    select s.unit from seats s join sittings t using (room_id) where t.sitting = :sitting);

-- name: preflight_open(sitting, now, by)!
update sittings set opened_utc_ms = :now, opened_by = :by,
    empty_from_utc_ms = case when start_utc_ms > :now and empty_from_utc_ms >= :now then null else empty_from_utc_ms end,
    empty_until_utc_ms = case when start_utc_ms > :now and empty_from_utc_ms >= :now then null
        when start_utc_ms > :now then min(empty_until_utc_ms, :now) else empty_until_utc_ms end,
    start_utc_ms = min(start_utc_ms, :now)
where sitting = :sitting and opened_utc_ms is null;

-- name: preflight_override(sitting, seat, item, level, words, reason, now, by)!
insert into preflight_overrides (sitting, seat, item, level, words, reason, at_utc_ms, by)
values (:sitting, :seat, :item, :level, :words, :reason, :now, :by);

-- name: preflight_overrides_of(sitting)
select seat, item, level, words, reason, at_utc_ms, by from preflight_overrides where sitting = :sitting
order by override_id;

-- name: preflight_ask_drill(unit, command, now, by, reason)!
insert into drills (unit, command, asked_utc_ms, asked_by, reason) values (:unit, :command, :now, :by, :reason);

-- name: preflight_drills(sitting, since)
-- The newest drill that was asked of each unit of the room, with when its alert was raised at the desk and came here.
select d.unit, s.label as seat, max(d.asked_utc_ms) as asked_utc_ms, d.asked_by,
    (select min(a.received_utc_ms) from alerts a
        where a.unit = d.unit and a.is_drill = 1 and a.received_utc_ms >= d.asked_utc_ms) as came_utc_ms,
    (select min(t.received_utc_ms) from attended t
        where t.unit = d.unit and t.is_drill = 1 and t.received_utc_ms >= d.asked_utc_ms) as pressed_utc_ms,
    coalesce((select json_extract(p.heartbeat, '$.refusal') from presence p
        where p.unit = d.unit and json_extract(p.heartbeat, '$.refused_command') = d.command), '') as refusal
from drills d join seats s on s.unit = d.unit join sittings i on i.room_id = s.room_id and i.sitting = :sitting
where d.asked_utc_ms >= :since group by d.unit order by s.label;

-- name: preflight_saw_lamp(unit, now, by)!
insert into lamp_checks (unit, seen_utc_ms, seen_by) values (:unit, :now, :by) on conflict do nothing;
