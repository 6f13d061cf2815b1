-- name: film_seat(seat_id)^
select s.seat_id, s.room_id, s.label, s.unit, r.name as room from seats s join rooms r using (room_id)
where s.seat_id = :seat_id;

-- name: film_seat_named(room, label)^
-- By the names that room and seat have, or had.
select s.seat_id, s.room_id, s.label, s.unit, r.name as room
from seat_names n join seats s using (seat_id) join rooms r on r.room_id = s.room_id
where n.room = :room and n.label = :label;

-- name: film_segments(room_id, seat_id, since, until)
-- Of sittings in the seat's room; what an old desk told without a seat counts for the seat at which it stood.
select g.unit, g.boot, g.seq, g.name, g.sitting, g.began_utc_ms, g.ended_utc_ms, g.began_up_ms, g.ended_up_ms, g.frames,
    g.size_bytes, g.sha256, g.stored_utc_ms, g.purged_utc_ms, g.purge_number
from sittings t join sitting_ends e using (sitting) join segments g using (sitting)
where t.room_id = :room_id and t.start_utc_ms - 3600000 < :until and e.end_utc_ms + 3600000 > :since
    and (g.seat in (select label from seat_labels where seat_id = :seat_id) or (g.seat = '' and exists (
        select 1 from seatings w where w.seat_id = :seat_id and w.unit = g.unit and w.from_utc_ms < g.ended_utc_ms
            and (w.until_utc_ms is null or w.until_utc_ms > g.began_utc_ms))))
    and g.began_utc_ms < :until and g.ended_utc_ms > :since
order by g.began_utc_ms;

-- name: film_gaps(room_id, seat_id, since, until)
select g.unit, g.began_utc_ms, g.ended_utc_ms, g.cause, g.is_length_known, g.detail, g.received_utc_ms
from sittings t join sitting_ends e using (sitting) join gaps g using (sitting)
where t.room_id = :room_id and t.start_utc_ms - 3600000 < :until and e.end_utc_ms + 3600000 > :since
    and (g.seat in (select label from seat_labels where seat_id = :seat_id) or (g.seat = '' and exists (
        select 1 from seatings w where w.seat_id = :seat_id and w.unit = g.unit and w.from_utc_ms < g.ended_utc_ms
            and (w.until_utc_ms is null or w.until_utc_ms > g.began_utc_ms))))
    and g.began_utc_ms < :until and g.ended_utc_ms > :since
order by g.began_utc_ms;

-- name: film_sittings(room_id, label)
-- Each with its end at this seat.
select t.sitting, t.exam, t.start_utc_ms, coalesce(e.end_utc_ms, t.end_utc_ms) as end_utc_ms
from sittings t left join seat_ends e on e.sitting = t.sitting and e.seat = :label
where t.room_id = :room_id and t.cancelled_utc_ms is null order by t.start_utc_ms desc limit 50;

-- name: film_sittings_at(room_id, label, since, until)
select t.sitting, t.exam, t.start_utc_ms, coalesce(e.end_utc_ms, t.end_utc_ms) as end_utc_ms
from sittings t left join seat_ends e on e.sitting = t.sitting and e.seat = :label
where t.room_id = :room_id and t.cancelled_utc_ms is null and t.start_utc_ms < :until
    and coalesce(e.end_utc_ms, t.end_utc_ms) > :since order by t.start_utc_ms;

-- name: film_alerts(units, seat_id, since, until)
-- Not what a unit saw at another seat in that time.
select unit, kind, began_utc_ms, raised_utc_ms, cleared_utc_ms, incident_id, is_drill from alerts
where (seat = '' or seat in (select label from seat_labels where seat_id = :seat_id))
    and unit in (select value from json_each(:units)) and began_utc_ms < :until
    and coalesce(cleared_utc_ms, :until) >= :since order by began_utc_ms;

-- name: film_faults(units, since, until)
select unit, kind, began_utc_ms, raised_utc_ms, cleared_utc_ms, received_utc_ms, detail from faults
where unit in (select value from json_each(:units)) and began_utc_ms < :until
    and coalesce(cleared_utc_ms, :until) >= :since order by began_utc_ms;

-- name: film_observed(units, since, until)
-- A record tells of a minute, and comes soon after it or, from a desk that was away, up to a week later.
select body from records
where kind = 'observed' and unit in (select value from json_each(:units)) and body is not null
    and received_utc_ms between :since - 3600000 and :until + 604800000
    and json_extract(body, '$.began[0]') < :until and json_extract(body, '$.ended[0]') > :since
order by json_extract(body, '$.began[0]') limit 5000;

-- name: film_presence(unit)^
select is_online, status_utc_ms, heartbeat, heartbeat_utc_ms from presence where unit = :unit;

-- name: film_incident(incident_id)^
select incident_id, unit, kind, sitting, room, seat, began_utc_ms, cleared_utc_ms, is_drill,
    (select min(raised_utc_ms) from alerts a where a.incident_id = :incident_id) as raised_utc_ms
from incidents where incident_id = :incident_id;

-- name: add_wish(unit, sitting, since, until, who, now)!
insert into wishes (unit, sitting, from_utc_ms, until_utc_ms, asked_by, asked_utc_ms)
select :unit, :sitting, :since, :until, :who, :now
where not exists (
    select 1 from wishes where unit = :unit and sitting = :sitting and done_utc_ms is null
        and from_utc_ms <= :since and until_utc_ms >= :until);

-- name: wishes_standing(units, since, until)
select wish_id, unit, sitting, from_utc_ms, until_utc_ms, asked_by, asked_utc_ms from wishes
where done_utc_ms is null and unit in (select value from json_each(:units))
    and from_utc_ms < :until and until_utc_ms > :since order by wish_id;

-- name: wishes_settled(now)
-- All that the desk has told of the stretch is here, and it has told of all of it; or nothing more can come: the unit is
-- revoked, or the sitting has been over for a day without a word.
select w.wish_id from wishes w join units u using (unit)
where w.done_utc_ms is null and (
    u.is_revoked = 1
    or not exists (
        select 1 from segments g where g.sitting = w.sitting and g.unit = w.unit and g.began_utc_ms < w.until_utc_ms
            and g.ended_utc_ms > w.from_utc_ms and g.stored_utc_ms is null and g.purged_utc_ms is null)
    and (exists (
            select 1 from segments g where g.sitting = w.sitting and g.unit = w.unit and g.ended_utc_ms >= w.until_utc_ms)
        or exists (
            select 1 from gaps g where g.sitting = w.sitting and g.unit = w.unit and g.ended_utc_ms >= w.until_utc_ms)
        or exists (select 1 from sitting_ends t where t.sitting = w.sitting and t.end_utc_ms + 86400000 < :now)
        or exists (
            select 1 from sitting_ends t join presence p on p.unit = w.unit where t.sitting = w.sitting
                and max(t.end_utc_ms, w.until_utc_ms) + 60000 < p.heartbeat_utc_ms
                and json_extract(p.heartbeat, '$.spool') = 0)));

-- name: end_wish(wish_id, now)!
update wishes set done_utc_ms = :now where wish_id = :wish_id and done_utc_ms is null;
