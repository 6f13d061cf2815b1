-- name: units_known()
select unit, public_key, is_revoked, revoked_utc_ms from units;

-- name: insert_unit(unit, public_key, now)!
insert into units (unit, public_key, first_seen_utc_ms) values (:unit, :public_key, :now) on conflict do nothing;

-- name: insert_records(unit, boot, seq, kind, header, body, signature, hash, now)*!
insert into records (unit, boot, seq, kind, header, body, signature, hash, received_utc_ms)
values (:unit, :boot, :seq, :kind, :header, :body, :signature, :hash, :now)
on conflict (unit, boot, seq) do nothing;

-- name: record_hashes(names)
-- `names` is a JSON list of [unit, boot, seq]. A cross join, so that the names are gone through and not the records.
select records.unit, records.boot, records.seq, records.hash
from json_each(:names) as name cross join records
    on records.unit = json_extract(name.value, '$[0]') and records.boot = json_extract(name.value, '$[1]')
    and records.seq = json_extract(name.value, '$[2]');

-- name: conflicts_of_unit(unit)^
select count(*) as held from conflicts where unit = :unit;

-- name: conflict_known(unit, boot, seq, reason, payload)^
select 1 from conflicts
where unit = :unit and boot is :boot and seq is :seq and reason = :reason and payload = :payload;

-- name: insert_conflict(unit, boot, seq, reason, payload, now)!
insert into conflicts (unit, boot, seq, reason, payload, received_utc_ms)
values (:unit, :boot, :seq, :reason, :payload, :now);

-- name: trim_conflicts(keep)!
delete from conflicts where conflict_id <= (select max(conflict_id) from conflicts) - :keep;

-- name: insert_rejected(topic, reason, size_bytes, payload, now)!
insert into rejected (topic, reason, size_bytes, payload, received_utc_ms)
values (:topic, :reason, :size_bytes, :payload, :now);

-- name: trim_rejected(keep)!
delete from rejected where rejected_id <= (select max(rejected_id) from rejected) - :keep;

-- name: insert_still(unit, sha256, boot, seq, utc_ms, up_ms, jpeg, now)!
insert into stills (unit, sha256, boot, seq, utc_ms, up_ms, jpeg, received_utc_ms)
values (:unit, :sha256, :boot, :seq, :utc_ms, :up_ms, :jpeg, :now)
on conflict do nothing;

-- name: presence_of(unit)^
select is_online, status_utc_ms, boot, heartbeat, heartbeat_utc_ms, machine, os_boot, births
from presence where unit = :unit;

-- name: save_presence(unit, is_online, status_utc_ms, boot, heartbeat, heartbeat_utc_ms, machine, os_boot, births)!
insert into presence (unit, is_online, status_utc_ms, boot, heartbeat, heartbeat_utc_ms, machine, os_boot, births)
values (:unit, :is_online, :status_utc_ms, :boot, :heartbeat, :heartbeat_utc_ms, :machine, :os_boot, :births)
on conflict (unit) do update set
    is_online = excluded.is_online, status_utc_ms = excluded.status_utc_ms, boot = excluded.boot,
    heartbeat = excluded.heartbeat, heartbeat_utc_ms = excluded.heartbeat_utc_ms,
    machine = excluded.machine, os_boot = excluded.os_boot, births = excluded.births;

-- name: place_at(unit, at)^
-- Where the unit stood at that moment, hub time, or came to stand next.
select rooms.name as room, seats.label as seat
from seatings join seats using (seat_id) join rooms using (room_id)
where seatings.unit = :unit and (until_utc_ms is null or until_utc_ms > :at) order by from_utc_ms limit 1;

-- name: room_where_stood(unit, seat)^
-- The room of the seat with that label at which the unit stood last.
select n.room from seatings join seat_names n using (seat_id)
where seatings.unit = :unit and n.label = :seat order by from_utc_ms desc limit 1;

-- name: place_of_unit(unit)^
select rooms.name as room, seats.label as seat from seats join rooms using (room_id) where seats.unit = :unit;

-- name: room_of_sitting(sitting)^
select rooms.name as room from sittings join rooms using (room_id) where sittings.sitting = :sitting;

-- name: alert_of(unit, alert)^
select * from alerts where unit = :unit and alert = :alert;

-- name: save_alert(unit, alert, kind, state, sitting, room, seat, began_utc_ms, began_up_ms, raised_utc_ms, raised_up_ms, cleared_utc_ms, cleared_up_ms, boot, seq, body, still_sha256, is_drill, now, incident_id)!
insert into alerts (
    unit, alert, kind, state, sitting, room, seat, began_utc_ms, began_up_ms, raised_utc_ms, raised_up_ms,
    cleared_utc_ms, cleared_up_ms, boot, seq, body, still_sha256, is_drill, received_utc_ms, incident_id)
values (
    :unit, :alert, :kind, :state, :sitting, :room, :seat, :began_utc_ms, :began_up_ms, :raised_utc_ms, :raised_up_ms,
    :cleared_utc_ms, :cleared_up_ms, :boot, :seq, :body, :still_sha256, :is_drill, :now, :incident_id)
on conflict (unit, alert) do update set
    kind = excluded.kind, state = excluded.state, sitting = excluded.sitting,
    began_utc_ms = excluded.began_utc_ms, began_up_ms = excluded.began_up_ms,
    raised_utc_ms = excluded.raised_utc_ms, raised_up_ms = excluded.raised_up_ms,
    cleared_utc_ms = excluded.cleared_utc_ms, cleared_up_ms = excluded.cleared_up_ms,
    boot = excluded.boot, seq = excluded.seq, body = excluded.body, still_sha256 = excluded.still_sha256,
    is_drill = excluded.is_drill;

-- name: is_superseded(unit, kind, is_drill, began)^
select exists (
    select 1 from alerts where unit = :unit and kind = :kind and is_drill = :is_drill and began_utc_ms > :began) as is_superseded;

-- name: alerts_touching(unit, kind, is_drill, began, ended, within, own)
-- The alerts of every unfinished incident that this stretch of time touches, and of the alert's own. Whether people
-- worked on an incident is asked once for each, not for each of its alerts: a flapping one has hundreds.
with near as materialized (
    select i.incident_id, i.state <> 'open' or exists (
        select 1 from incident_events e where e.incident_id = i.incident_id and e.who <> 'desk') as is_anchored
    from incidents i
    where i.unit = :unit and i.kind = :kind and i.state <> 'closed'
        and (i.incident_id = :own or (i.is_drill = :is_drill and i.began_utc_ms - :within <= :ended
            and (i.cleared_utc_ms is null or i.cleared_utc_ms + :within >= :began))))
select alerts.*, near.is_anchored,
    exists (
        select 1 from alerts later where later.unit = alerts.unit and later.kind = alerts.kind
            and later.is_drill = alerts.is_drill and later.began_utc_ms > alerts.began_utc_ms) as is_superseded
from near join alerts using (incident_id);

-- name: alerts_in_incident(incident_id)
select * from alerts where incident_id = :incident_id;

-- name: incident_of(incident_id)^
select * from incidents where incident_id = :incident_id;

-- name: open_incident(unit, kind, sitting, room, seat, is_drill, now, began_utc_ms, cleared_utc_ms)<!
insert into incidents (unit, kind, sitting, room, seat, is_drill, opened_utc_ms, began_utc_ms, cleared_utc_ms)
values (:unit, :kind, :sitting, :room, :seat, :is_drill, :now, :began_utc_ms, :cleared_utc_ms);

-- name: regroup_incident(incident_id, sitting, room, seat, is_drill, began_utc_ms, cleared_utc_ms)!
update incidents set sitting = :sitting, room = :room, seat = :seat, is_drill = :is_drill,
    began_utc_ms = :began_utc_ms, cleared_utc_ms = :cleared_utc_ms, version = version + 1
where incident_id = :incident_id;

-- name: merge_incident(incident_id, merged_into, now)!
update incidents set state = 'closed', closed_utc_ms = :now, merged_into = :merged_into, version = version + 1
where incident_id = :incident_id;

-- name: put_alert_in_incident(unit, alert, incident_id)!
update alerts set incident_id = :incident_id where unit = :unit and alert = :alert;

-- name: add_desk_event(incident_id, now, action, text)!
insert into incident_events (incident_id, at_utc_ms, who, action, text) values (:incident_id, :now, 'desk', :action, :text);

-- name: save_fault(unit, fault, kind, state, sitting, began_utc_ms, raised_utc_ms, cleared_utc_ms, detail, boot, seq, now)!
insert into faults (
    unit, fault, kind, state, sitting, began_utc_ms, raised_utc_ms, cleared_utc_ms, detail, boot, seq, received_utc_ms)
values (
    :unit, :fault, :kind, :state, :sitting, :began_utc_ms, :raised_utc_ms, :cleared_utc_ms, :detail, :boot, :seq, :now)
on conflict (unit, fault) do update set
    kind = excluded.kind, state = excluded.state, sitting = excluded.sitting, began_utc_ms = excluded.began_utc_ms,
    raised_utc_ms = excluded.raised_utc_ms, cleared_utc_ms = excluded.cleared_utc_ms, detail = excluded.detail,
    boot = excluded.boot, seq = excluded.seq
where (excluded.boot, excluded.seq) > (faults.boot, faults.seq);

-- name: save_segments(unit, name, sitting, began_utc_ms, began_up_ms, ended_utc_ms, ended_up_ms, frames, size_bytes, sha256, is_cut, boot, seq, seat)*!
-- A file that is told again, by a desk that lost its records say: the newest record counts, in whatever order they come,
-- but only until the hub has the film. What it has stays what and where it is: nobody may move it to another sitting, seat
-- or time by telling it again, from under a hold for one. A desk that lost its records no longer knows the seat of its
-- files: then the seat that was told first stands.
insert into segments (
    unit, name, sitting, began_utc_ms, began_up_ms, ended_utc_ms, ended_up_ms, frames, size_bytes, sha256, is_cut,
    boot, seq, seat)
values (
    :unit, :name, :sitting, :began_utc_ms, :began_up_ms, :ended_utc_ms, :ended_up_ms, :frames, :size_bytes, :sha256,
    :is_cut, :boot, :seq, coalesce(nullif(:seat, ''), (
        select label from seatings join seats using (seat_id)
        where seatings.unit = :unit and (until_utc_ms is null or until_utc_ms > :began_utc_ms)
        order by from_utc_ms limit 1), ''))
on conflict (unit, name) do update set
    seat = coalesce(nullif(:seat, ''), nullif(segments.seat, ''), excluded.seat),
    sitting = excluded.sitting, began_utc_ms = excluded.began_utc_ms, began_up_ms = excluded.began_up_ms,
    ended_utc_ms = excluded.ended_utc_ms, ended_up_ms = excluded.ended_up_ms, frames = excluded.frames,
    size_bytes = excluded.size_bytes, sha256 = excluded.sha256, is_cut = excluded.is_cut,
    boot = excluded.boot, seq = excluded.seq
where (excluded.boot, excluded.seq) > (segments.boot, segments.seq)
    and segments.stored_utc_ms is null and segments.purged_utc_ms is null;

-- name: insert_gap(unit, boot, seq, sitting, began_utc_ms, ended_utc_ms, cause, is_length_known, detail, seat, received)!
insert into gaps
    (unit, boot, seq, sitting, began_utc_ms, ended_utc_ms, cause, is_length_known, detail, seat, received_utc_ms)
values (
    :unit, :boot, :seq, :sitting, :began_utc_ms, :ended_utc_ms, :cause, :is_length_known, :detail,
    coalesce(nullif(:seat, ''), (
        select label from seatings join seats using (seat_id)
        where seatings.unit = :unit and (until_utc_ms is null or until_utc_ms > :began_utc_ms)
        order by from_utc_ms limit 1), ''), :received)
on conflict do nothing;

-- name: plans_all()
select unit, number, payload, sent_number from plans order by unit;

-- name: plans_unsent()
select unit, number, payload, sent_number from plans where number > sent_number order by unit;

-- name: mark_plan_sent(unit, number)!
update plans set sent_number = :number where unit = :unit and sent_number < :number;

-- name: commands_unsent(now)
select number, unit, payload, expires_utc_ms from commands
where sent_utc_ms is null and expires_utc_ms > :now order by number;

-- name: mark_command_sent(number, now)!
update commands set sent_utc_ms = :now where number = :number and sent_utc_ms is null;
