-- name: enrolment_of(enrolment_id)^
select * from enrolments where enrolment_id = :enrolment_id;

-- name: enrolment_pending(public_key)^
select * from enrolments where public_key = :public_key and state in ('waiting', 'approved');

-- name: enrolment_newest(public_key)^
select * from enrolments where public_key = :public_key order by enrolment_id desc limit 1;

-- name: enrolment_by_code(code)^
select * from enrolments where code = :code and state = 'waiting';

-- name: enrolments_waiting()
select * from enrolments where state = 'waiting' order by enrolment_id;

-- name: enrolments_approved()
select * from enrolments where state = 'approved' order by enrolment_id;

-- name: count_waiting(address)^
select count(*) as waiting, count(*) filter (where address = :address) as of_one
from enrolments where state = 'waiting';

-- name: insert_enrolment(kind, state, public_key, code, csr, serial, model, software, wanted, replaces, address, unit, now, decided)<!
insert into enrolments (
    kind, state, public_key, code, csr, serial, model, software, wanted, replaces, address, unit,
    asked_utc_ms, heard_utc_ms, decided_utc_ms)
values (
    :kind, :state, :public_key, :code, :csr, :serial, :model, :software, :wanted, :replaces, :address, :unit,
    :now, :now, :decided);

-- name: refresh_enrolment(enrolment_id, csr, serial, model, software, wanted, replaces, address, now)!
update enrolments set csr = :csr, serial = :serial, model = :model, software = :software, wanted = :wanted,
    replaces = :replaces, address = :address, heard_utc_ms = :now
where enrolment_id = :enrolment_id and state in ('waiting', 'approved');

-- name: hear_enrolment(enrolment_id, now)!
update enrolments set heard_utc_ms = :now where enrolment_id = :enrolment_id;

-- name: forget_enrolments(before)!
delete from enrolments where state = 'waiting' and heard_utc_ms < :before;

-- name: trim_rejected_enrolments(keep)!
delete from enrolments where state = 'rejected' and enrolment_id in (
    select enrolment_id from enrolments where state = 'rejected' order by enrolment_id desc limit -1 offset :keep);

-- name: approve_enrolment(enrolment_id, unit, who, now)!
update enrolments set state = 'approved', unit = :unit, decided_by = :who, decided_utc_ms = :now
where enrolment_id = :enrolment_id and state = 'waiting';

-- name: reject_enrolment(enrolment_id, reason, who, now)!
update enrolments set state = 'rejected', reason = :reason, decided_by = :who, decided_utc_ms = :now
where enrolment_id = :enrolment_id and state in ('waiting', 'approved');

-- name: grant_enrolment(enrolment_id, csr, certificate)!
update enrolments set state = 'granted', certificate = :certificate
where enrolment_id = :enrolment_id and state = 'approved' and csr = :csr;

-- name: reject_pending_of_unit(unit, reason, who, now)!
update enrolments set state = 'rejected', reason = :reason, decided_by = :who, decided_utc_ms = :now
where unit = :unit and state = 'approved';

-- name: unit_of_key(public_key)^
select unit, public_key, first_seen_utc_ms, is_revoked from units where public_key = :public_key
order by is_revoked, unit limit 1;

-- name: describe_unit(unit, serial, model)!
update units set serial = :serial, model = :model where unit = :unit;

-- name: revoke_unit(unit, who, why, now)!
update units set is_revoked = 1, revoked_utc_ms = :now, revoked_by = :who, revoked_why = :why
where unit = :unit and is_revoked = 0;

-- name: remember_seat(unit)!
update units set last_room = r.name, last_seat = s.label
from seats s join rooms r using (room_id) where s.unit = units.unit and units.unit = :unit;

-- name: last_seat_of(unit)^
select last_room as room, last_seat as seat from units where unit = :unit and last_seat <> '';

-- name: insert_certificate(serial_number, unit, issuer, not_before_utc_ms, not_after_utc_ms, now)!
insert into certificates (serial_number, unit, issuer, not_before_utc_ms, not_after_utc_ms, issued_utc_ms)
values (:serial_number, :unit, :issuer, :not_before_utc_ms, :not_after_utc_ms, :now);

-- name: revoke_certificates(unit, now)!
update certificates set revoked_utc_ms = :now where unit = :unit and revoked_utc_ms is null;

-- name: certificates_revoked()
select serial_number, issuer, revoked_utc_ms from certificates where revoked_utc_ms is not null
order by issuer, serial_number;

-- name: count_certificates_since(unit, since, now)^
select count(*) as issued from certificates where unit = :unit and issued_utc_ms between :since and :now;

-- name: certificates_standing(now)
-- Of each unit that is not revoked, every certificate, also those that have ended; one row for a unit that has none.
select u.unit, coalesce(c.serial_number, '') as serial_number, coalesce(c.issuer, '') as issuer,
    coalesce(c.not_after_utc_ms > :now, 0) as is_in_use
from units u left join certificates c on c.unit = u.unit and c.revoked_utc_ms is null
where u.is_revoked = 0
order by u.unit, c.issued_utc_ms;

-- name: certificates_expiring(before)
-- The newest certificate of each unit that is not revoked, where it ends before then.
select c.serial_number, c.unit, c.issuer, c.not_before_utc_ms, max(c.not_after_utc_ms) as not_after_utc_ms
from certificates c join units u using (unit)
where u.is_revoked = 0 and c.revoked_utc_ms is null
group by c.unit having max(c.not_after_utc_ms) < :before
order by not_after_utc_ms, c.unit;

-- name: units_enrolled()
select u.unit, u.public_key, u.first_seen_utc_ms, u.is_revoked, u.serial, u.model, u.revoked_utc_ms, u.revoked_by,
    u.revoked_why, u.last_room, u.last_seat, r.name as room, s.label as seat, coalesce(p.is_online, 0) as is_online, p.heartbeat_utc_ms,
    (select max(not_after_utc_ms) from certificates c where c.unit = u.unit and c.revoked_utc_ms is null)
        as certificate_ends_utc_ms
from units u left join seats s on s.unit = u.unit left join rooms r using (room_id)
    left join presence p on p.unit = u.unit
order by u.is_revoked, r.name is null, r.name, s.label, u.unit;

-- name: seat_holder(room, label)^
select seats.unit from seats join rooms using (room_id) where rooms.name = :room and seats.label = :label;

-- name: units_of_room(room)
select seats.unit from seats join rooms using (room_id) where rooms.name = :room and seats.unit is not null;

-- name: newest_hub_time()^
-- The latest time that this hub wrote down while it trusted its clock, 0 in an empty store. All other times in the store
-- are written whatever the clock says, and would make a wrong one of an hour last for years.
select max(
    coalesce((select max(issued_utc_ms) from certificates where is_clock_disowned = 0), 0),
    coalesce((select accepted_utc_ms from accepted_times order by accepted_id desc limit 1), 0)) as utc_ms;

-- name: insert_accepted_time(now, newest, who)!
insert into accepted_times (accepted_utc_ms, newest_utc_ms, accepted_by) values (:now, :newest, :who);

-- name: disown_clock_after(now)!
update certificates set is_clock_disowned = 1 where issued_utc_ms > :now and is_clock_disowned = 0;
