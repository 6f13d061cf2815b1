-- name: segment_of_record(unit, boot, seq)^
-- What the record (unit, boot, seq) says of a segment, and what has become of the segment of that name. `told_*` are null
-- where the body was erased by rule.
select records.kind, json_extract(records.body, '$.name') as told_name,
    json_extract(records.body, '$.size_bytes') as told_size_bytes, json_extract(records.body, '$.sha256') as told_sha256,
    segments.name, segments.size_bytes, segments.sha256, segments.stored_utc_ms, segments.purged_utc_ms
from records left join segments on segments.unit = records.unit
    and segments.name = coalesce(json_extract(records.body, '$.name'), (
        select own.name from segments own
        where own.unit = records.unit and own.boot = records.boot and own.seq = records.seq))
where records.unit = :unit and records.boot = :boot and records.seq = :seq;

-- name: segment_to_store(unit, name)^
select sha256, size_bytes, stored_utc_ms, purged_utc_ms,
    exists (select 1 from garbage where garbage.sha256 = segments.sha256) as is_garbage
from segments where unit = :unit and name = :name;

-- name: insert_blob(sha256, size_bytes, now)!
insert into blobs (sha256, size_bytes, stored_utc_ms) values (:sha256, :size_bytes, :now) on conflict do nothing;

-- name: mark_stored(unit, name, now)!
update segments set stored_utc_ms = coalesce(stored_utc_ms, :now) where unit = :unit and name = :name;

-- name: mark_not_stored(unit, name, sha256)!
update segments set stored_utc_ms = null
where unit = :unit and name = :name and sha256 = :sha256 and purged_utc_ms is null;

-- name: forget_unneeded_blob(sha256)!
delete from blobs where sha256 = :sha256 and not exists (
    select 1 from segments where segments.sha256 = blobs.sha256 and stored_utc_ms is not null and purged_utc_ms is null);

-- name: leave_to_purge(sha256, now)!
-- A file that was put and that nobody needs: purge takes it away as it does any other.
insert into garbage (sha256, since_utc_ms)
select :sha256, :now where not exists (select 1 from blobs where blobs.sha256 = :sha256)
on conflict do nothing;
