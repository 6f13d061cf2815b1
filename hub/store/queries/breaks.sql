-- name: seat_sitting(seat_id, now)^
-- The sitting that is on at the seat, with the seat's own end, and who is expected there.
select t.sitting, t.exam, s.label as seat, r.name as room, s.room_id, s.unit, t.start_utc_ms,
    coalesce(e.end_utc_ms, t.end_utc_ms) as end_utc_ms, t.profile, t.toilet_ms, c.candidate_id, c.break_ms
from seats s join rooms r using (room_id) join sittings t using (room_id)
    left join seat_ends e on e.sitting = t.sitting and e.seat = s.label
    left join candidates c on c.sitting = t.sitting and c.seat = s.label and c.no_show_utc_ms is null
where s.seat_id = :seat_id and t.cancelled_utc_ms is null and t.start_utc_ms <= :now
    and coalesce(e.end_utc_ms, t.end_utc_ms) > :now
order by t.start_utc_ms desc, t.sitting limit 1;

-- name: breaks_at(sitting, seat)
select break_id, kind, began_utc_ms, limit_utc_ms, ended_utc_ms, given_by, ended_by, candidate_id
from breaks where sitting = :sitting and seat = :seat order by began_utc_ms, break_id;

-- name: break_by_id(break_id)^
-- With the room of its sitting: labels are told apart by it.
select b.break_id, b.kind, b.began_utc_ms, b.limit_utc_ms, b.ended_utc_ms, b.given_by, b.ended_by, b.sitting, b.seat, t.room_id
from breaks b join sittings t using (sitting) where b.break_id = :break_id;

-- name: insert_break(sitting, seat, candidate_id, kind, began, limit_utc_ms, by)<!
insert into breaks (sitting, seat, candidate_id, kind, began_utc_ms, limit_utc_ms, given_by)
values (:sitting, :seat, :candidate_id, :kind, :began, :limit_utc_ms, :by);

-- name: end_break(break_id, now, by)!
update breaks set ended_utc_ms = max(:now, began_utc_ms), ended_by = :by
where break_id = :break_id and ended_utc_ms is null;

-- name: resume_break(break_id)!
update breaks set ended_utc_ms = null, ended_by = '' where break_id = :break_id;

-- name: lengthen_break(break_id, limit_utc_ms)!
update breaks set limit_utc_ms = :limit_utc_ms where break_id = :break_id and ended_utc_ms is null;

-- name: insert_bookmark(sitting, seat, unit, at, now, by, note)<!
insert into bookmarks (sitting, seat, unit, at_utc_ms, made_utc_ms, made_by, note)
values (:sitting, :seat, :unit, :at, :now, :by, :note);

-- name: room_sitting(room, now)^
-- The sitting that is on in the room, until its last seat has ended.
select t.sitting, t.exam, r.name as room, t.start_utc_ms
from rooms r join sittings t using (room_id) join sitting_ends e using (sitting)
where r.name = :room and t.cancelled_utc_ms is null and t.start_utc_ms <= :now and e.end_utc_ms > :now
order by t.start_utc_ms desc, t.sitting limit 1;

-- name: bookmarks_newest(sitting, seat, limit)
select bookmark_id, at_utc_ms, made_by, note from bookmarks where sitting = :sitting and seat = :seat
order by at_utc_ms desc, bookmark_id desc limit :limit;

-- name: open_by_hand(unit, kind, sitting, room, seat, now, at)<!
-- A moment, over as soon as it was: its film ends a quarter of a minute later.
insert into incidents (unit, kind, sitting, room, seat, opened_utc_ms, began_utc_ms, cleared_utc_ms)
values (:unit, :kind, :sitting, :room, :seat, :now, :at, :at);
