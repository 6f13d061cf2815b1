-- name: card_others()^
-- What is called as a desk's tables and is none: of a table the rows alone are read, and nothing in it runs.
select count(*) as others from sqlite_schema
where name in ('records', 'stills') and (type <> 'table' or sql like 'create virtual%');

-- name: card_records(after, limit)
-- Of a desk's own database, as `card_stills` is.
select rowid, boot, seq, header, body, signature from records where rowid > :after order by rowid limit :limit;

-- name: card_records_back(after, before, limit)
select rowid, boot, seq, header, body, signature from records
where rowid > :after and rowid < :before order by rowid desc limit :limit;

-- name: card_stills(after, limit)
select rowid, boot, seq, sha256, utc_ms, up_ms, jpeg from stills where rowid > :after order by rowid limit :limit;

-- name: card_stills_back(after, before, limit)
select rowid, boot, seq, sha256, utc_ms, up_ms, jpeg from stills
where rowid > :after and rowid < :before order by rowid desc limit :limit;

-- name: segments_named(units, name)
-- `units` is a JSON list. A cross join, so that the units are gone through and not the segments.
select s.unit, s.name, s.sitting, s.seat, s.began_utc_ms, s.ended_utc_ms, s.sha256, s.size_bytes,
    s.stored_utc_ms is not null as is_stored, s.purged_utc_ms is not null as is_purged
from json_each(:units) as one cross join segments s on s.unit = one.value and s.name = :name;

-- name: is_still_told(unit, sha256)^
-- Whether a signed record of the unit carries the hash of this picture, and whether it is here already, or was and went by rule.
select exists (select 1 from alerts where unit = :unit and still_sha256 = :sha256) or exists (
        select 1 from records where unit = :unit and kind = 'alert' and json_extract(body, '$.still_sha256') = :sha256)
        as is_told,
    exists (select 1 from stills where unit = :unit and sha256 = :sha256)
        or exists (select 1 from purged_stills where unit = :unit and sha256 = :sha256) as is_here;
