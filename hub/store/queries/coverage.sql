-- name: coverage_sittings(before, limit)
select t.sitting, t.exam, r.name as room, t.room_id, t.start_utc_ms, t.end_utc_ms, e.end_utc_ms as latest_end_utc_ms,
    t.cancelled_utc_ms
from sittings t join rooms r using (room_id) join sitting_ends e using (sitting) where :before = 0 or t.start_utc_ms < :before
order by t.start_utc_ms desc, t.sitting limit :limit;

-- name: coverage_sitting(sitting)^
select t.sitting, t.exam, r.name as room, t.room_id, t.start_utc_ms, t.end_utc_ms, e.end_utc_ms as latest_end_utc_ms,
    t.cancelled_utc_ms
from sittings t join rooms r using (room_id) join sitting_ends e using (sitting) where t.sitting = :sitting;

-- name: coverage_recorded(sitting, closing)
-- Where a recorded stretch begins, by seat, and how far all before it at that seat had reached; segments that follow each
-- other within `closing` ms are one stretch. One pass over an index in its order, whatever the number of units at a seat.
select seat, began_utc_ms, reached from (
    select seat, began_utc_ms, max(ended_utc_ms) over (
        partition by seat order by began_utc_ms, ended_utc_ms rows between unbounded preceding and 1 preceding) as reached
    from segments where sitting = :sitting)
where reached is null or began_utc_ms - reached >= :closing
order by seat, began_utc_ms;

-- name: coverage_reached(sitting)
select seat, max(ended_utc_ms) as reached from segments where sitting = :sitting group by seat;

-- name: coverage_gaps(sitting)
select seat, unit, began_utc_ms, ended_utc_ms, cause, is_length_known, detail, received_utc_ms
from gaps where sitting = :sitting order by seat, began_utc_ms;

-- name: coverage_units(sitting, room_id, start, end)
-- Which units were at which seat: by what they recorded, and by where they stood then.
select distinct seat, unit from (
    select seat, unit from gaps where sitting = :sitting
    union select coalesce((
            select f.label from former_labels f where f.seat_id = s.seat_id and f.until_utc_ms > :start
            order by f.until_utc_ms limit 1), s.label), g.unit
        from seats s join seatings g using (seat_id)
        where s.room_id = :room_id and g.from_utc_ms < :end and coalesce(g.until_utc_ms, :end) > :start
    union select seat, unit from segments where sitting = :sitting group by seat, unit);

-- name: coverage_seats(room_id, start)
-- By the labels that they had when the sitting began.
select seat_id, coalesce((
    select f.label from former_labels f where f.seat_id = seats.seat_id and f.until_utc_ms > :start
    order by f.until_utc_ms limit 1), label) as label
from seats where room_id = :room_id;

-- name: coverage_faults(units, since, until)
select unit, kind, began_utc_ms, raised_utc_ms, cleared_utc_ms, received_utc_ms from faults
where unit in (select value from json_each(:units)) and began_utc_ms < :until
    and (cleared_utc_ms is null or cleared_utc_ms >= :since);

-- name: coverage_absences(units, since, until, now)
-- And of a desk that has been silent since its newest word.
select unit, from_utc_ms, until_utc_ms from absences
where unit in (select value from json_each(:units)) and from_utc_ms < :until
    and (until_utc_ms is null or until_utc_ms >= :since)
union all
select unit, heartbeat_utc_ms + 3500, null from presence
where unit in (select value from json_each(:units)) and heartbeat_utc_ms + 3500 < min(:until, :now);

-- name: coverage_heard(units)
-- Until when each unit has told all it had to tell: its newest word with nothing waiting, or the last word that it had.
select unit, heartbeat_utc_ms, coalesce(json_extract(heartbeat, '$.spool'), 0) as spool from presence
where unit in (select value from json_each(:units));

-- name: coverage_size(sitting)^
-- Two numbers that change whenever the report of a sitting that is over changes.
select (select count(*) from segments where sitting = :sitting) as segments,
    (select count(*) from gaps where sitting = :sitting) as gaps;
