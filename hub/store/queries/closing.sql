-- name: closing_sitting(sitting)^
select t.sitting, t.exam, r.name as room, t.room_id, t.start_utc_ms, t.end_utc_ms, t.mode, t.profile, t.opened_utc_ms,
    t.opened_by, t.closed_utc_ms, t.closed_by, t.cancelled_utc_ms, t.cancelled_by,
    max(t.end_utc_ms, coalesce((select max(e.end_utc_ms) from seat_ends e where e.sitting = t.sitting), 0)) as last_end_utc_ms
from sittings t join rooms r using (room_id) where t.sitting = :sitting;

-- name: closing_units(sitting, room_id)
-- The units that recorded it or stand in its room, with their seat (what they recorded goes before where they stand), and
-- what the hub has not got of them.
with seen as (
    select unit, max(seat) as seat, 0 as rank from segments
    where sitting = :sitting and seat <> '' group by unit
    union all select unit, max(seat), 1 from gaps where sitting = :sitting and seat <> '' group by unit
    union all select unit, label, 2 from seats where room_id = :room_id and unit is not null
    union all select distinct unit, '', 3 from segments where sitting = :sitting),
placed as (select unit, seat, min(rank) from seen group by unit),
waiting as (
    select unit, count(*) as pending, sum(ended_up_ms - began_up_ms) as pending_ms from segments
    where sitting = :sitting and stored_utc_ms is null and purged_utc_ms is null group by unit)
select p.unit, p.seat, h.is_online, h.status_utc_ms, h.heartbeat, h.heartbeat_utc_ms, coalesce(w.pending, 0) as pending,
    coalesce(w.pending_ms, 0) as pending_ms, coalesce(o.reason, '') as write_off
from placed p left join presence h using (unit) left join waiting w using (unit)
    left join write_offs o on o.unit = p.unit and o.sitting = :sitting
order by p.seat, p.unit;

-- name: closing_incidents(sitting)
select incident_id, seat, kind, state from incidents
where sitting = :sitting and state <> 'closed' and is_drill = 0 order by opened_utc_ms, incident_id;

-- name: closing_breaks(sitting)
select seat, kind, began_utc_ms as since_utc_ms from breaks where sitting = :sitting and ended_utc_ms is null order by seat;

-- name: closing_signals(sitting)
select seat, unit as kind, given_utc_ms as since_utc_ms from signals
where sitting = :sitting and ended_utc_ms is null order by seat;

-- name: closing_holds(sitting)
select coalesce(h.seat, i.seat, '') as seat, cast(h.hold_id as text) as kind, h.placed_utc_ms as since_utc_ms
from holds h left join incidents i using (incident_id)
where h.released_utc_ms is null and coalesce(h.sitting, i.sitting) = :sitting order by h.hold_id;

-- name: closing_candidates(sitting)
select number, seat from candidates where sitting = :sitting and no_show_utc_ms is null order by number;

-- name: closing_seen(units, since, until)
-- Of these units, those that saw anybody at their seat in that time; each is looked at up to the first record that did.
select u.value as unit from json_each(:units) u
where exists (select 1 from records r where r.kind = 'observed' and r.unit = u.value
    and r.received_utc_ms >= :since and json_extract(r.body, '$.began[0]') < :until
    and (instr(r.body, '"face"') > 0 or instr(r.body, '"somebody"') > 0));

-- name: closing_newest_record()^
select coalesce(max(record_id), 0) from records;

-- name: closing_late(sitting, newest)^
-- What came after that record and is about this sitting.
select
    (select count(*) from segments s join records r using (unit, boot, seq)
        where s.sitting = :sitting and r.record_id > :newest)
    + (select count(*) from gaps s join records r using (unit, boot, seq)
        where s.sitting = :sitting and r.record_id > :newest)
    + (select count(*) from alerts s join records r using (unit, boot, seq)
        where s.sitting = :sitting and r.record_id > :newest)
    + (select count(*) from attended s join records r using (unit, boot, seq)
        where s.sitting = :sitting and r.record_id > :newest) as late;

-- name: closing_add(sitting, now, who, items, newest)<!
insert into closings (sitting, closed_utc_ms, closed_by, items, newest_record)
values (:sitting, :now, :who, :items, :newest);

-- name: closing_mark(sitting, now, who)!
update sittings set closed_utc_ms = :now, closed_by = :who where sitting = :sitting;

-- name: closing_standing(sitting)^
select * from closings where sitting = :sitting and reopened_utc_ms is null;

-- name: closings_all(sitting)
select c.*, r.made_utc_ms from closings c left join sitting_reports r using (closing_id)
where c.sitting = :sitting order by c.closing_id;

-- name: closing_reopen(closing_id, now, who, why)!
update closings set reopened_utc_ms = :now, reopened_by = :who, reopened_why = :why
where closing_id = :closing_id and reopened_utc_ms is null;

-- name: closing_unit_at(sitting, unit)^
select count(*) as pending, coalesce(sum(ended_up_ms - began_up_ms), 0) as pending_ms from segments
where sitting = :sitting and unit = :unit and stored_utc_ms is null and purged_utc_ms is null;

-- name: write_off_add(sitting, unit, reason, segments, length_ms, who, now)!
insert into write_offs (sitting, unit, reason, segments, length_ms, by_whom, at_utc_ms)
values (:sitting, :unit, :reason, :segments, :length_ms, :who, :now) on conflict do nothing;

-- name: write_offs_of(sitting)
select unit, reason, segments, length_ms, by_whom, at_utc_ms from write_offs where sitting = :sitting order by unit;
