-- name: segments_walk(unit, name, limit)
select unit, name, sitting, seat, began_utc_ms, ended_utc_ms, sha256, size_bytes, stored_utc_ms is not null as is_stored,
    purged_utc_ms is not null as is_purged
from segments where (unit, name) > (:unit, :name) order by unit, name limit :limit;

-- name: segment_for_check(unit, name)^
select unit, name, sitting, seat, began_utc_ms, ended_utc_ms, sha256, size_bytes, stored_utc_ms is not null as is_stored,
    purged_utc_ms is not null as is_purged
from segments where unit = :unit and name = :name;

-- name: blobs_all()
select sha256, size_bytes from blobs;

-- name: garbage_all()
select sha256, since_utc_ms from garbage;

-- name: is_file_named(sha256)^
select exists (select 1 from segments where sha256 = :sha256) as is_named,
    exists (select 1 from segments where sha256 = :sha256 and stored_utc_ms is not null and purged_utc_ms is null)
        as is_needed,
    exists (select 1 from segments where sha256 = :sha256 and purged_utc_ms is null) as is_wanted;

-- name: has_film()^
select exists (select 1 from blobs) as has_film;

-- name: is_segment_held(unit, name)^
select exists (
    select 1 from held_segments h join segments s on s.rowid = h.segment where s.unit = :unit and s.name = :name) as is_held;

-- name: take_blob(sha256, size_bytes, now)!
insert into blobs (sha256, size_bytes, stored_utc_ms) values (:sha256, :size_bytes, :now) on conflict do nothing;

-- name: take_segment(unit, name, sha256, now)!
update segments set stored_utc_ms = coalesce(stored_utc_ms, :now)
where unit = :unit and name = :name and sha256 = :sha256 and purged_utc_ms is null;

-- name: lose_segment(unit, name, sha256)!
update segments set stored_utc_ms = null
where unit = :unit and name = :name and sha256 = :sha256 and purged_utc_ms is null;

-- name: drop_blob_in_vain(sha256)!
delete from blobs where sha256 = :sha256 and not exists (
    select 1 from segments where segments.sha256 = blobs.sha256 and stored_utc_ms is not null and purged_utc_ms is null);

-- name: throw_away(sha256, now)!
insert into garbage (sha256, since_utc_ms)
select :sha256, :now where not exists (
    select 1 from segments where segments.sha256 = :sha256 and purged_utc_ms is null)
on conflict do nothing;

-- name: keep_needed_garbage()!
delete from garbage where exists (
    select 1 from segments s where s.sha256 = garbage.sha256 and s.stored_utc_ms is not null and s.purged_utc_ms is null);

-- name: wish_again(unit, sitting, from_utc_ms, until_utc_ms, who, now)!
-- Nothing twice: a wish that is open covers it already.
insert into wishes (unit, sitting, from_utc_ms, until_utc_ms, asked_by, asked_utc_ms)
select :unit, :sitting, :from_utc_ms, :until_utc_ms, :who, :now where not exists (
    select 1 from wishes w where w.unit = :unit and w.sitting = :sitting and w.done_utc_ms is null
        and w.from_utc_ms <= :from_utc_ms and w.until_utc_ms >= :until_utc_ms);

-- name: take_many(things, now)!
-- `things` is a JSON list of hashes whose files the storage has, each with its bytes: [hash, bytes].
update segments set stored_utc_ms = :now where stored_utc_ms is null and purged_utc_ms is null and (sha256, size_bytes) in (
    select json_extract(value, '$[0]'), json_extract(value, '$[1]') from json_each(:things));

-- name: take_many_blobs(things, now)!
insert into blobs (sha256, size_bytes, stored_utc_ms)
select distinct s.sha256, s.size_bytes, :now from json_each(:things) as t
    join segments s on s.sha256 = json_extract(t.value, '$[0]') and s.size_bytes = json_extract(t.value, '$[1]')
where s.stored_utc_ms is not null and s.purged_utc_ms is null on conflict do nothing;
