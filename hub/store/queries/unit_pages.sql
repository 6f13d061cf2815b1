-- name: units_told(most)
-- What there is of each unit besides its own row: its newest word, its seat, its newest certificate that holds, and the
-- rate of its newest recordings.
select u.unit, s.seat_id, p.is_online, p.status_utc_ms, p.heartbeat, p.heartbeat_utc_ms,
    c.not_before_utc_ms, c.not_after_utc_ms, r.recorded_bytes, r.recorded_ms
from units u left join seats s on s.unit = u.unit left join presence p on p.unit = u.unit
    left join (
        select unit, not_before_utc_ms, max(not_after_utc_ms) as not_after_utc_ms
        from certificates where revoked_utc_ms is null group by unit) c on c.unit = u.unit
    left join (
        select s.unit, sum(s.size_bytes) as recorded_bytes, sum(s.ended_up_ms - s.began_up_ms) as recorded_ms
        from units each cross join segments s
            on s.unit = each.unit and s.name >= coalesce((
                select x.name from segments x where x.unit = each.unit order by x.name desc limit 1 offset :most), '')
        group by s.unit) r on r.unit = u.unit;

-- name: places()
select s.seat_id, r.name as room, s.label, s.unit from seats s join rooms r using (room_id) order by r.name, s.label;

-- name: seat_by_number(seat_id)^
select r.name as room, s.label from seats s join rooms r using (room_id) where s.seat_id = :seat_id;

-- name: enrolments_decided(since)
select enrolment_id, state, code, unit, decided_by, decided_utc_ms, reason, serial from enrolments
where kind = 'enrolment' and decided_utc_ms >= :since order by decided_utc_ms desc limit 20;

-- name: enrolments_of_unit(unit, limit)
select enrolment_id, kind, state, code, serial, model, software, replaces, address, asked_utc_ms, decided_utc_ms,
    decided_by, reason
from enrolments where unit = :unit order by enrolment_id desc limit :limit;

-- name: certificates_of_unit(unit, limit)
select serial_number, not_before_utc_ms, not_after_utc_ms, issued_utc_ms, revoked_utc_ms
from certificates where unit = :unit order by issued_utc_ms desc, serial_number limit :limit;
