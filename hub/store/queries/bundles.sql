-- name: bundle_units(sitting, seat)
-- The units that recorded at a seat of a sitting.
select distinct told.unit, units.public_key from (
    select unit from segments where sitting = :sitting and seat = :seat
    union select unit from gaps where sitting = :sitting and seat = :seat
    union select unit from alerts where sitting = :sitting and seat = :seat
) as told join units using (unit) order by told.unit;

-- name: bundle_segments(unit, sitting, seat, since, until)
-- Of a stretch; one that a clock step turned round counts from its lower to its higher time.
select unit, name, boot, seq, sha256, size_bytes, began_utc_ms, ended_utc_ms, began_up_ms, ended_up_ms, frames,
    stored_utc_ms, purged_utc_ms, purge_number
from segments
where unit = :unit and sitting = :sitting and seat in (:seat, '')
    and min(began_utc_ms, ended_utc_ms) < :until and max(began_utc_ms, ended_utc_ms) > :since
order by boot, seq;

-- name: bundle_ends(unit, sitting, seat, since, until)^
-- The first and the last record of a unit that tell of a stretch.
with told as (
    select boot, seq from segments
    where unit = :unit and sitting = :sitting and seat in (:seat, '')
        and min(began_utc_ms, ended_utc_ms) < :until and max(began_utc_ms, ended_utc_ms) > :since
    union all
    select boot, seq from gaps
    where unit = :unit and sitting = :sitting and seat in (:seat, '')
        and min(began_utc_ms, ended_utc_ms) < :until and max(began_utc_ms, ended_utc_ms) > :since
    union all
    select boot, seq from alerts
    where unit = :unit and sitting = :sitting and seat = :seat
        and raised_utc_ms < :until and coalesce(cleared_utc_ms, raised_utc_ms) >= :since)
select * from
    (select boot as first_boot, seq as first_seq from told order by boot, seq limit 1),
    (select boot as last_boot, seq as last_seq from told order by boot desc, seq desc limit 1);

-- name: bundle_first_alert(unit, sitting, seat, since, until)^
-- The first record about an alert of the stretch: its row has only the newest.
select boot, seq from records
where unit = :unit and kind = 'alert' and body is not null
    and json_extract(body, '$.alert') in (
        select alert from alerts
        where unit = :unit and sitting = :sitting and seat = :seat
            and raised_utc_ms < :until and coalesce(cleared_utc_ms, raised_utc_ms) >= :since)
order by boot, seq limit 1;

-- name: bundle_records(unit, boot, seq, last_boot, last_seq)
select unit, boot, seq, kind, header, body, signature, hash from records
where unit = :unit and (boot, seq) >= (:boot, :seq) and (boot, seq) <= (:last_boot, :last_seq)
order by boot, seq;

-- name: bundle_still(unit, sha256)^
select jpeg from stills where unit = :unit and sha256 = :sha256;

-- name: bundle_papers(public_key)
-- What was issued for the key that signs a unit's records, the newest last.
select certificate from enrolments where public_key = :public_key and certificate is not null order by enrolment_id;

-- name: bundle_incidents(sitting, seat)
select incident_id from incidents where sitting = :sitting and seat = :seat order by incident_id;

-- name: bundle_seat_id(room, seat)^
select seat_id from seat_names where room = :room and label = :seat;

-- name: bundle_sitting(sitting, seat)^
select t.start_utc_ms, coalesce(e.end_utc_ms, t.end_utc_ms) as end_utc_ms, r.name as room
from sittings t join rooms r using (room_id) left join seat_ends e on e.sitting = t.sitting and e.seat = :seat
where t.sitting = :sitting;

-- name: bundle_purged_still(unit, sha256)^
select purge_number from purged_stills where unit = :unit and sha256 = :sha256;
