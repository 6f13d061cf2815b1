-- name: records_after(unit, boot, seq, most)
-- A unit's own records, oldest first. A segment counts as stored when its file was confirmed by name and content, under
-- whichever record it came; one that was purged is not wanted again, which is the same to the desk.
select boot, seq, header, body, signature, exists (
    select 1 from segments
    where segments.unit = records.unit and segments.name = json_extract(records.body, '$.name')
    and segments.sha256 = json_extract(records.body, '$.sha256')
    and (segments.stored_utc_ms is not null or segments.purged_utc_ms is not null)
) as is_stored
from records
where unit = :unit and (boot, seq) > (:boot, :seq)
order by boot, seq
limit :most;
