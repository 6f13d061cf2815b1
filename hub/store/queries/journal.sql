-- name: journal_record_hash(key)^
select hash from records where record_id = :key;

-- name: journal_audit_hash(key)^
select hash from audit where audit_id = :key;

-- name: journal_holds()
select h.*, i.unit as of_unit, i.kind as of_kind, i.sitting as of_sitting, i.seat as of_seat,
    i.began_utc_ms as of_began_utc_ms
from holds h left join incidents i using (incident_id) where h.released_utc_ms is null order by h.hold_id;

-- name: journal_incident(unit, kind, began)^
select coalesce(merged_into, incident_id) as incident_id from incidents
where unit = :unit and kind = :kind and began_utc_ms = :began order by incident_id limit 1;

-- name: journal_hold_stands(incident_id, sitting, seat, reason, placed_by, placed_utc_ms)^
select 1 from holds where incident_id is :incident_id and sitting is :sitting and seat is :seat and reason = :reason
    and placed_by = :placed_by and placed_utc_ms = :placed_utc_ms;

-- name: journal_place_hold(incident_id, sitting, seat, reason, placed_by, placed_utc_ms)!
insert into holds (incident_id, sitting, seat, reason, placed_by, placed_utc_ms)
values (:incident_id, :sitting, :seat, :reason, :placed_by, :placed_utc_ms);

-- name: journal_segments(names)
-- `names` is a JSON list of [unit, name]; of those that are not purged yet, their rowids.
select s.rowid as rowid from json_each(:names) as n cross join segments s
    on s.unit = json_extract(n.value, '$[0]') and s.name = json_extract(n.value, '$[1]')
where s.purged_utc_ms is null;

-- name: journal_had_film(things, now)!
-- `things` is a JSON list of rowids.
update segments set stored_utc_ms = coalesce(stored_utc_ms, :now) where rowid in (select value from json_each(:things));

-- name: journal_plan_taken(plan_id, digest)^
select exists (select 1 from purge_plans where plan_id = :plan_id and digest <> :digest) as is_taken;

-- name: journal_purge_here(number, plan_id, digest, began, who)^
select exists (
    select 1 from purges g join purge_plans p using (plan_id)
    where g.number = :number and g.plan_id = :plan_id and p.digest = :digest and g.began_utc_ms = :began
        and g.began_by = :who) as is_here;

-- name: journal_exams()
select exam, retention, results_utc_ms from exams;
