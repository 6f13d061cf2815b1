-- name: insert_hold(incident_id, sitting, seat, reason, who, now)<!
insert into holds (incident_id, sitting, seat, reason, placed_by, placed_utc_ms)
values (:incident_id, :sitting, :seat, :reason, :who, :now);

-- name: release_hold(hold_id, who, why, now)!
update holds set released_by = :who, released_utc_ms = :now, released_why = :why
where hold_id = :hold_id and released_utc_ms is null;

-- name: hold_by_id(hold_id)^
select holds.*, i.sitting as incident_sitting, i.seat as incident_seat, i.kind as incident_kind, i.merged_into
from holds left join incidents i using (incident_id) where hold_id = :hold_id;

-- name: holds_all(is_standing, limit)
select holds.*, i.sitting as incident_sitting, i.seat as incident_seat, i.kind as incident_kind, i.merged_into
from holds left join incidents i using (incident_id)
where not :is_standing or released_utc_ms is null
order by released_utc_ms is not null, hold_id desc limit :limit;

-- name: holds_over_incident(incident_id)
-- Its own, those of incidents that were merged into it, of the room incident it is part of, and those on its seat and
-- sitting.
with recursive earlier (incident_id) as (
    values (:incident_id)
    union select i.incident_id from incidents i join earlier e on i.merged_into = e.incident_id
    union select i.part_of from incidents i join earlier e on i.incident_id = e.incident_id where i.part_of is not null
)
select h.*, i.sitting as incident_sitting, i.seat as incident_seat, i.kind as incident_kind, i.merged_into
from holds h left join incidents i using (incident_id)
where h.released_utc_ms is null and (
    h.incident_id in (select incident_id from earlier)
    or exists (
        select 1 from incidents own where own.incident_id = :incident_id and own.sitting = h.sitting
            and (h.seat is null or h.seat = own.seat)))
order by hold_id;

-- name: holds_over_segment(unit, name)
select h.hold_id from held_segments h join segments s on s.rowid = h.segment
where s.unit = :unit and s.name = :name order by h.hold_id;

-- name: held_counts()
-- What each standing hold covers of what the hub has.
select h.hold_id, count(*) as segments, sum(s.size_bytes) as size_bytes
from held_segments h join segments s on s.rowid = h.segment
where s.stored_utc_ms is not null and s.purged_utc_ms is null group by h.hold_id;

-- name: held_files(after, limit)
-- Every segment under a hold that the hub ought to have: it confirmed it, and it was not purged.
select s.rowid as segment, s.unit, s.name, s.sitting, s.seat, s.sha256, s.size_bytes, min(h.hold_id) as hold_id
from held_segments h join segments s on s.rowid = h.segment
where s.stored_utc_ms is not null and s.purged_utc_ms is null and s.rowid > :after
group by s.rowid order by s.rowid limit :limit;

-- name: segment_records_without_row()
-- Signed records of segments whose row somebody removed; `name` and `sitting` are what the record itself says.
select r.unit, r.boot, r.seq, json_extract(r.body, '$.name') as name, json_extract(r.body, '$.sitting') as sitting,
    coalesce(json_extract(r.body, '$.seat'), '') as seat, json_extract(r.body, '$.sha256') as sha256
from records r
where r.kind = 'segment_closed' and r.body is not null
    and not exists (select 1 from segments s where s.unit = r.unit and s.name = json_extract(r.body, '$.name'))
order by r.unit, r.boot, r.seq;

-- name: has_place(sitting, seat)^
-- Whether the sitting is known, and the seat in it: by its room, or by what was recorded there.
select exists (select 1 from sittings where sitting = :sitting)
        or exists (select 1 from segments where sitting = :sitting) as has_sitting,
    :seat is null or exists (
        select 1 from sittings join seats using (room_id) where sitting = :sitting and seats.label = :seat)
        or exists (select 1 from segments where sitting = :sitting and seat = :seat) as has_seat;

-- name: holdable_sittings(limit)
select t.sitting, t.exam, rooms.name as room from sittings t join rooms using (room_id)
order by t.start_utc_ms desc, t.sitting limit :limit;
