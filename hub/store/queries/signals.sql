-- name: signal_place_of_seat(seat_id)^
select s.unit, s.label as seat, r.name as room, s.room_id
from seats s join rooms r using (room_id) where s.seat_id = :seat_id;

-- name: signal_place_of_unit(unit)^
select u.unit, coalesce(s.label, '') as seat, coalesce(r.name, '') as room, s.room_id
from units u left join seats s on s.unit = u.unit left join rooms r using (room_id)
where u.unit = :unit and u.is_revoked = 0;

-- name: signal_presence_of(unit)^
select is_online, status_utc_ms, heartbeat_utc_ms from presence where unit = :unit;

-- name: insert_signal(unit, sitting, room, seat, now, by, note)<!
insert into signals (unit, sitting, room, seat, given_utc_ms, given_by, note)
values (:unit, :sitting, :room, :seat, :now, :by, :note);

-- name: signals_standing(since)
-- Those given at `since` or later: what is older the desk shows no longer.
select signal_id, unit, sitting, room, seat, given_utc_ms, given_by, note
from signals where ended_utc_ms is null and given_utc_ms > :since order by given_utc_ms, signal_id;

-- name: has_lapsed_signals(since)^
select exists (select 1 from signals where ended_utc_ms is null and given_utc_ms <= :since) as has_any;

-- name: signals_lapsing(since)
select unit from signals where ended_utc_ms is null and given_utc_ms <= :since;

-- name: lapse_signals(since, shown)!
update signals set ended_utc_ms = given_utc_ms + :shown, ended_by = 'time'
where ended_utc_ms is null and given_utc_ms <= :since;

-- name: end_signals_of(unit, given_until, now, by)!
update signals set ended_utc_ms = max(:now, given_utc_ms), ended_by = :by
where unit = :unit and ended_utc_ms is null and given_utc_ms <= :given_until;

-- name: insert_attended(unit, boot, seq, sitting, room, seat, at, now, is_signal, is_drill, alerts)!
insert into attended
    (unit, boot, seq, sitting, room, seat, at_utc_ms, received_utc_ms, is_signal, is_drill, alerts)
values (:unit, :boot, :seq, :sitting, :room, :seat, :at, :now, :is_signal, :is_drill, :alerts)
on conflict do nothing;

-- name: incidents_with_alerts(unit, alerts)
-- Those not closed that hold one of the unit's alerts in the JSON list `alerts`.
select distinct i.incident_id
from json_each(:alerts) as name join alerts a on a.unit = :unit and a.alert = name.value
    join incidents i using (incident_id)
where i.state <> 'closed' order by i.incident_id;

-- name: presses_for_alert(unit, alert)^
-- How many presses of the unit's button named this alert.
select count(*) as presses from attended where unit = :unit
    and exists (select 1 from json_each(attended.alerts) as name where name.value = :alert);
