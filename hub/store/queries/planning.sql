-- name: insert_room(name)!
insert into rooms (name) values (:name) on conflict do nothing;

-- name: room_id_of(name)^
select room_id from rooms where name = :name;

-- name: insert_seat(room_id, label)!
insert into seats (room_id, label) values (:room_id, :label) on conflict do nothing;

-- name: unseat_unit(unit)!
update seats set unit = null where unit = :unit;

-- name: seat_unit(room_id, label, unit)!
update seats set unit = :unit where room_id = :room_id and label = :label;

-- name: seats_with_unit()
select seats.unit, seats.label as seat, rooms.name as room, seats.room_id, seats.masks
from seats join rooms using (room_id) where seats.unit is not null order by rooms.name, seats.label;

-- name: seat_of(room, label)^
select seats.room_id, seats.masks from seats join rooms using (room_id) where rooms.name = :room and seats.label = :label;

-- name: put_masks(room_id, label, masks)!
update seats set masks = :masks where room_id = :room_id and label = :label;

-- name: insert_sitting(sitting, exam, room_id, start_utc_ms, end_utc_ms, mode, rules, empty_from_utc_ms, empty_until_utc_ms, is_buzzer_allowed, may_lamp_show_alerts, profile, toilet_ms)!
insert into sittings (sitting, exam, room_id, start_utc_ms, end_utc_ms, mode, rules, empty_from_utc_ms,
    empty_until_utc_ms, is_buzzer_allowed, may_lamp_show_alerts, profile, toilet_ms)
values (:sitting, :exam, :room_id, :start_utc_ms, :end_utc_ms, :mode, :rules, :empty_from_utc_ms, :empty_until_utc_ms,
    :is_buzzer_allowed, :may_lamp_show_alerts, :profile, :toilet_ms);

-- name: insert_exam(exam)!
insert into exams (exam) values (:exam) on conflict do nothing;

-- name: sitting_by_name(sitting)^
select sittings.*, rooms.name as room from sittings join rooms using (room_id) where sitting = :sitting;

-- name: sittings_not_over(room_id, now)
-- Whoever has extra time there is not over yet.
select * from sittings t where room_id = :room_id and cancelled_utc_ms is null
    and max(end_utc_ms, coalesce((select max(e.end_utc_ms) from seat_ends e where e.sitting = t.sitting), 0)) > :now
order by start_utc_ms, sitting limit 64;

-- name: sitting_in_the_way(sitting)^
-- Another in the same room at the same time, from the time of the empty seats to the latest end.
select o.sitting, o.exam, r.name as room
from sittings t join sitting_ends te using (sitting)
    join sittings o on o.room_id = t.room_id and o.sitting <> t.sitting and o.cancelled_utc_ms is null
    join sitting_ends oe on oe.sitting = o.sitting
    join rooms r on r.room_id = t.room_id
where t.sitting = :sitting and t.cancelled_utc_ms is null
    and min(t.start_utc_ms, coalesce(t.empty_from_utc_ms, t.start_utc_ms)) < oe.end_utc_ms
    and min(o.start_utc_ms, coalesce(o.empty_from_utc_ms, o.start_utc_ms)) < te.end_utc_ms
order by o.start_utc_ms limit 1;

-- name: ends_of_seats(sitting)
select seat, end_utc_ms from seat_ends where sitting = :sitting;

-- name: pauses_of_seats(sitting)
-- A break that ended early ends there; one that runs over ends at its limit.
select seat, began_utc_ms, min(limit_utc_ms, coalesce(ended_utc_ms, limit_utc_ms)) as until_utc_ms
from breaks where sitting = :sitting order by began_utc_ms;

-- name: has_sitting_between(start, end)^
-- From the time of the empty seats on.
select exists (
    select 1 from sittings
    where cancelled_utc_ms is null and min(start_utc_ms, coalesce(empty_from_utc_ms, start_utc_ms)) < :end
        and max(end_utc_ms, coalesce((select max(e.end_utc_ms) from seat_ends e where e.sitting = sittings.sitting), 0))
            > :start) as has_sitting;

-- name: plan_of(unit)^
select number, payload from plans where unit = :unit;

-- name: save_plan(unit, number, payload)!
insert into plans (unit, number, payload) values (:unit, :number, :payload)
on conflict (unit) do update set number = excluded.number, payload = excluded.payload
where excluded.number > plans.number;

-- name: planned_units()
select unit from plans order by unit;

-- name: heartbeats_all()
select unit, heartbeat, heartbeat_utc_ms from presence where heartbeat is not null;

-- name: holds_of_unit(unit)
-- What of this unit's recording is held, as stretches of sittings (`hold_stretches`): what it recorded itself, and what
-- was or may be recorded at the held seat while it stands, or stood last, there.
select distinct h.sitting, h.began as from_utc_ms, h.ended as until_utc_ms
from hold_stretches h
where h.boot is null and h.sitting <> '' and (
    h.unit = :unit
    or (h.seat is not null and exists (
        select 1 from segments s where s.sitting = h.sitting and s.seat in (h.seat, '') and s.unit = :unit))
    or (h.unit is null and h.seat is null and exists (
        select 1 from segments s where s.sitting = h.sitting and s.unit = :unit))
    or exists (
        select 1 from sittings t join seats using (room_id) where t.sitting = h.sitting and seats.unit = :unit
            and (seats.label = h.seat or (h.unit is null and h.seat is null)))
    or exists (
        select 1 from seatings g join seat_names n using (seat_id) join sittings t using (room_id)
        where g.unit = :unit and t.sitting = h.sitting and (n.label = h.seat or (h.unit is null and h.seat is null))
            and g.from_utc_ms < t.end_utc_ms and coalesce(g.until_utc_ms, t.end_utc_ms) > t.start_utc_ms)
    or exists (
        select 1 from units u join rooms r on r.name = u.last_room join sittings t using (room_id)
        where u.unit = :unit and t.sitting = h.sitting
            and (u.last_seat = h.seat or (h.unit is null and h.seat is null))))
order by 1, 2;

-- name: wishes_of_unit(unit)
select sitting, from_utc_ms, until_utc_ms from wishes where unit = :unit and done_utc_ms is null order by wish_id;
