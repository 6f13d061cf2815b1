-- name: rooms_all(now)
-- Every room, how many seats and desk units it has, and whether a sitting is on there.
select r.room_id, r.name, count(s.seat_id) as seats, count(s.unit) as units,
    coalesce(sum(p.is_online), 0) as online,
    exists (select 1 from room_sittings t where t.room_id = r.room_id and t.began_utc_ms <= :now and t.over_utc_ms > :now)
        as is_on
from rooms r left join seats s using (room_id) left join presence p on p.unit = s.unit
group by r.room_id;

-- name: room_by_id(room_id)^
select room_id, name, map_columns, map_rows from rooms where room_id = :room_id;

-- name: room_named(name)^
-- The room that has the name, or had it: then `until_utc_ms` says until when, and `now_name` what it is called now.
select room_id, null as until_utc_ms, name as now_name from rooms where name = :name
union all
select f.room_id, f.until_utc_ms, r.name from former_names f join rooms r using (room_id) where f.name = :name;

-- name: room_sitting_on(room_id, now)^
select sitting, exam from room_sittings where room_id = :room_id and began_utc_ms <= :now and over_utc_ms > :now
order by began_utc_ms limit 1;

-- name: room_is_used(room_id)^
-- Whether anything names the room: a sitting, or what desks have recorded.
select exists (select 1 from sittings where room_id = :room_id)
    or exists (select 1 from alerts where room = r.name) or exists (select 1 from incidents where room = r.name)
    or exists (select 1 from signals where room = r.name) or exists (select 1 from attended where room = r.name)
    or exists (select 1 from units where last_room = r.name)
    or exists (select 1 from former_names f where f.room_id = r.room_id) as is_used
from rooms r where room_id = :room_id;

-- name: add_room(name)<!
insert into rooms (name) values (:name);

-- name: name_room(room_id, name)!
update rooms set name = :name where room_id = :room_id;

-- name: keep_former_name(room_id, name, now)!
insert into former_names (room_id, name, until_utc_ms) values (:room_id, :name, :now);

-- name: drop_former_name(room_id, name)!
delete from former_names where room_id = :room_id and name = :name;

-- name: delete_room(room_id)!
delete from rooms where room_id = :room_id;

-- name: size_room(room_id, columns, rows)!
update rooms set map_columns = :columns, map_rows = :rows where room_id = :room_id;

-- name: room_seats(room_id)
select s.seat_id, s.label, s.unit, s.map_x, s.map_y, s.masks, p.is_online, p.status_utc_ms, p.heartbeat,
    p.heartbeat_utc_ms
from seats s left join presence p on p.unit = s.unit where s.room_id = :room_id;

-- name: seat_in_room(room_id, seat_id)^
select s.seat_id, s.room_id, s.label, s.unit, s.map_x, s.map_y, s.masks, r.name as room
from seats s join rooms r using (room_id) where s.room_id = :room_id and s.seat_id = :seat_id;

-- name: seat_by_label(room, label)^
select s.seat_id, s.room_id, s.label, s.unit, s.map_x, s.map_y, s.masks, r.name as room
from seats s join rooms r using (room_id) where r.name = :room and s.label = :label;

-- name: add_seat(room_id, label, x, y)!
insert into seats (room_id, label, map_x, map_y) values (:room_id, :label, :x, :y);

-- name: place_seat(seat_id, x, y)!
update seats set map_x = :x, map_y = :y where seat_id = :seat_id;

-- name: label_seat(seat_id, label)!
update seats set label = :label where seat_id = :seat_id;

-- name: keep_former_label(seat_id, room_id, label, now)!
insert into former_labels (seat_id, room_id, label, until_utc_ms) values (:seat_id, :room_id, :label, :now);

-- name: drop_former_label(seat_id, label)!
delete from former_labels where seat_id = :seat_id and label = :label;

-- name: former_labels(room_id)
select seat_id, label, until_utc_ms from former_labels where room_id = :room_id;

-- name: former_names(room_id)
select name, until_utc_ms from former_names where room_id = :room_id order by until_utc_ms;

-- name: seat_is_used(seat_id)^
-- Whether anything was recorded or written of the seat, under any of its names.
select exists (select 1 from seat_names n join alerts a on a.room = n.room and a.seat = n.label where n.seat_id = :seat_id)
    or exists (select 1 from seat_names n join incidents i on i.room = n.room and i.seat = n.label
        where n.seat_id = :seat_id)
    or exists (select 1 from seat_names n join signals i on i.room = n.room and i.seat = n.label
        where n.seat_id = :seat_id)
    or exists (select 1 from seat_names n join sittings t using (room_id)
        where n.seat_id = :seat_id and (
            exists (select 1 from segments g where g.sitting = t.sitting and g.seat = n.label)
            or exists (select 1 from gaps g where g.sitting = t.sitting and g.seat = n.label)
            or exists (select 1 from candidates c where c.sitting = t.sitting and c.seat = n.label)
            or exists (select 1 from stays c where c.sitting = t.sitting and c.seat = n.label)
            or exists (select 1 from breaks b where b.sitting = t.sitting and b.seat = n.label)
            or exists (select 1 from bookmarks b where b.sitting = t.sitting and b.seat = n.label)
            or exists (select 1 from attended e where e.sitting = t.sitting and e.seat = n.label)
            or exists (select 1 from holds h where h.sitting = t.sitting and h.seat = n.label))) as is_used;

-- name: seat_is_awaited(seat_id, now)^
-- The sitting, not over yet, on whose roster the seat is.
select t.sitting, t.exam from seats s join room_sittings t using (room_id) join candidates c using (sitting)
where s.seat_id = :seat_id and c.seat = s.label and c.no_show_utc_ms is null and t.over_utc_ms > :now limit 1;

-- name: delete_seat(seat_id)!
delete from seats where seat_id = :seat_id;

-- name: spare_units()
-- Enrolled units that stand nowhere, each with its newest word and where it stood last.
select u.unit, u.model, r.name as last_room, s.label as last_seat, p.is_online, p.status_utc_ms, p.heartbeat,
    p.heartbeat_utc_ms
from units u left join presence p on p.unit = u.unit
    left join seatings g on g.seating_id = (select max(seating_id) from seatings where unit = u.unit)
    left join seats s using (seat_id) left join rooms r using (room_id)
where u.is_revoked = 0 and not exists (select 1 from seats s where s.unit = u.unit);

-- name: seat_of_unit(unit)^
select s.seat_id, s.label, r.name as room from seats s join rooms r using (room_id) where s.unit = :unit;

-- name: empty_seat(seat_id)!
update seats set unit = null where seat_id = :seat_id;
