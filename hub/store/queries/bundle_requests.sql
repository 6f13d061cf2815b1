-- name: request_sittings(seat_id, now, limit)
-- Sittings in the seat's room that have begun, newest first.
select s.sitting, s.exam, s.start_utc_ms, coalesce(e.end_utc_ms, s.end_utc_ms) as end_utc_ms
from sittings s join seats t using (room_id) left join seat_ends e on e.sitting = s.sitting and e.seat = t.label
where t.seat_id = :seat_id and s.cancelled_utc_ms is null and s.start_utc_ms <= :now
order by s.start_utc_ms desc, s.sitting limit :limit;

-- name: request_sitting(seat_id, sitting)^
select s.sitting, s.exam, s.start_utc_ms, coalesce(e.end_utc_ms, s.end_utc_ms) as end_utc_ms
from sittings s join seats t using (room_id) left join seat_ends e on e.sitting = s.sitting and e.seat = t.label
where t.seat_id = :seat_id and s.sitting = :sitting;

-- name: request_seat(seat_id)^
select t.seat_id, t.label, r.name as room from seats t join rooms r using (room_id) where t.seat_id = :seat_id;

-- name: request_label(seat_id, sitting)^
-- What the seat was called when the sitting began: what was recorded carries that.
select coalesce((
    select f.label from former_labels f where f.seat_id = s.seat_id and f.until_utc_ms > t.start_utc_ms
    order by f.until_utc_ms limit 1), s.label) as label
from seats s join sittings t using (room_id) where s.seat_id = :seat_id and t.sitting = :sitting;

-- name: requests_open()^
select count(*) from jobs where kind = 'bundle' and state in ('waiting', 'running');

-- name: request_list(below, limit)
select j.*, coalesce(i.seat, t.label) as seat, coalesce(i.room, r.name) as room, i.kind as alert_kind, s.exam
from jobs j
left join incidents i on i.incident_id = json_extract(j.wish, '$.incident_id')
left join seats t on t.seat_id = json_extract(j.wish, '$.seat_id')
left join rooms r on r.room_id = t.room_id
left join sittings s on s.sitting = coalesce(json_extract(j.wish, '$.sitting'), i.sitting)
where j.kind = 'bundle' and (:below = 0 or j.job_id < :below)
order by j.job_id desc limit :limit;
