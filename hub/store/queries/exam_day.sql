-- name: day_breaks(now)
-- Breaks that stand, of sittings that are on at their seat.
select s.seat_id, b.break_id, b.kind, b.began_utc_ms, b.limit_utc_ms, b.given_by
from breaks b join sittings t using (sitting) join seats s on s.room_id = t.room_id and s.label = b.seat
    left join seat_ends e on e.sitting = b.sitting and e.seat = b.seat
where b.ended_utc_ms is null and t.cancelled_utc_ms is null and coalesce(e.end_utc_ms, t.end_utc_ms) > :now;

-- name: day_expected(now)
-- Who is on the roster of a sitting that is on, by seat; of a no-show and a walk-in at one seat the walk-in.
select s.seat_id, r.name as room, c.number, c.version, c.no_show_utc_ms
from sittings t join rooms r using (room_id) join candidates c using (sitting)
    join seats s on s.room_id = t.room_id and s.label = c.seat
    left join seat_ends e on e.sitting = t.sitting and e.seat = c.seat
where t.cancelled_utc_ms is null and t.start_utc_ms <= :now and coalesce(e.end_utc_ms, t.end_utc_ms) > :now
order by c.no_show_utc_ms is null, c.candidate_id;

-- name: day_seats()
select s.seat_id, s.label, s.map_x, s.map_y, r.name as room, r.map_columns, r.map_rows
from seats s join rooms r using (room_id);

-- name: day_newest_word()^
select max(max(coalesce(heartbeat_utc_ms, 0), coalesce(status_utc_ms, 0))) as newest from presence;

-- name: day_signals(since)
-- Of each seat the newest signal of the last while, standing or attended.
select s.seat_id, g.signal_id, g.unit, g.given_utc_ms, g.given_by, g.note, g.ended_utc_ms, g.ended_by
from signals g join seats s on s.unit = g.unit where g.given_utc_ms > :since
order by g.given_utc_ms, g.signal_id;

-- name: running_sittings(now)
select t.sitting, t.room_id, t.start_utc_ms, t.end_utc_ms
from sittings t join sitting_ends e using (sitting)
where t.cancelled_utc_ms is null and t.start_utc_ms <= :now and e.end_utc_ms > :now;

-- name: newest_segment_row()^
select coalesce(max(rowid), 0) as newest from segments;

-- name: segments_after(after, until)
select sitting, seat, began_utc_ms, ended_utc_ms from segments where rowid > :after and rowid <= :until;

-- name: insert_deaf_time(since, until)!
insert into deaf_times (from_utc_ms, until_utc_ms) values (:since, :until);
