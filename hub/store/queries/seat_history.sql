-- name: seat_recorded(seat_id)^
-- Cross joins here, so that the seat is gone from and never a whole table.
-- All that was recorded at the seat, under any of its labels, by whichever unit; and what an old desk told without a seat
-- while it stood there.
select count(*) as segments, coalesce(sum(ended_utc_ms - began_utc_ms), 0) as recorded_ms,
    coalesce(sum(size_bytes), 0) as size_bytes, max(ended_utc_ms) as newest_utc_ms
from (
    select g.began_utc_ms, g.ended_utc_ms, g.size_bytes
    from seat_labels n cross join sittings t using (room_id) cross join segments g on g.sitting = t.sitting and g.seat = n.label
    where n.seat_id = :seat_id
    union all
    select g.began_utc_ms, g.ended_utc_ms, g.size_bytes
    from seats s join sittings t using (room_id) cross join segments g on g.sitting = t.sitting and g.seat = ''
        join seatings w on w.seat_id = s.seat_id and w.unit = g.unit
    where s.seat_id = :seat_id and g.began_utc_ms < coalesce(w.until_utc_ms, 9007199254740992)
        and g.ended_utc_ms > w.from_utc_ms);

-- name: history_gaps(seat_id, limit)
select g.unit, g.began_utc_ms as at_utc_ms, g.ended_utc_ms as until_utc_ms, g.cause as what, g.is_length_known, g.detail,
    g.sitting
from seat_labels n cross join sittings t using (room_id) cross join gaps g on g.sitting = t.sitting and g.seat = n.label
where n.seat_id = :seat_id order by g.began_utc_ms desc limit :limit;

-- name: history_incidents(seat_id, limit)
select i.unit, i.incident_id, i.kind as what, i.began_utc_ms as at_utc_ms, i.cleared_utc_ms as until_utc_ms, i.state,
    i.verdict, i.is_drill, i.sitting
from seat_names n cross join incidents i on i.room = n.room and i.seat = n.label
where n.seat_id = :seat_id and i.merged_into is null order by i.began_utc_ms desc limit :limit;

-- name: history_alerts(seat_id, limit)
-- Those that opened no incident: in manual mode people do.
select a.unit, a.kind as what, a.began_utc_ms as at_utc_ms, a.cleared_utc_ms as until_utc_ms, a.is_drill, a.sitting
from seat_names n cross join alerts a on a.room = n.room and a.seat = n.label
where n.seat_id = :seat_id and a.incident_id is null order by a.raised_utc_ms desc limit :limit;

-- name: history_faults(seat_id, limit)
-- Of each unit while it stood there.
select f.unit, f.kind as what, f.began_utc_ms as at_utc_ms, f.cleared_utc_ms as until_utc_ms, f.detail, f.sitting,
    w.until_utc_ms as left_utc_ms
from seatings w cross join faults f on f.unit = w.unit
where w.seat_id = :seat_id and f.began_utc_ms < coalesce(w.until_utc_ms, 9007199254740992)
    and coalesce(f.cleared_utc_ms, 9007199254740992) > w.from_utc_ms
order by f.raised_utc_ms desc limit :limit;

-- name: history_breaks(seat_id, limit)
select b.kind as what, b.began_utc_ms as at_utc_ms, b.ended_utc_ms as until_utc_ms, b.limit_utc_ms, b.given_by as who,
    b.sitting
from seat_labels n cross join sittings t using (room_id) cross join breaks b on b.sitting = t.sitting and b.seat = n.label
where n.seat_id = :seat_id order by b.began_utc_ms desc limit :limit;

-- name: history_bookmarks(seat_id, limit)
select b.unit, b.at_utc_ms, b.made_by as who, b.note as detail, b.sitting
from seat_labels n cross join sittings t using (room_id) cross join bookmarks b on b.sitting = t.sitting and b.seat = n.label
where n.seat_id = :seat_id order by b.at_utc_ms desc limit :limit;

-- name: history_signals(seat_id, limit)
select g.unit, g.given_utc_ms as at_utc_ms, g.ended_utc_ms as until_utc_ms, g.given_by as who, g.note as detail, g.sitting
from seat_names n cross join signals g on g.room = n.room and g.seat = n.label
where n.seat_id = :seat_id order by g.given_utc_ms desc limit :limit;

-- name: history_attended(seat_id, limit)
select e.unit, e.at_utc_ms, e.is_signal, e.is_drill, e.sitting
from seat_labels n cross join sittings t using (room_id) cross join attended e on e.sitting = t.sitting and e.seat = n.label
where n.seat_id = :seat_id order by e.at_utc_ms desc limit :limit;

-- name: history_desks(seat_id, limit)
select unit, from_utc_ms, until_utc_ms from seatings where seat_id = :seat_id order by from_utc_ms desc limit :limit;

-- name: history_candidates(seat_id, now)
-- Who sits there in the sitting that is on.
select c.number, c.name, c.extra_ms, t.exam, t.sitting
from seats s join room_sittings t using (room_id) join candidates c on c.sitting = t.sitting and c.seat = s.label
where s.seat_id = :seat_id and c.no_show_utc_ms is null and t.began_utc_ms <= :now and t.over_utc_ms > :now;
