-- name: audit_last()^
select audit_id, hash from audit order by audit_id desc limit 1;

-- name: add_audit(audit_id, at_utc_ms, who, role, deed, object, detail, address, prev, hash)!
insert into audit (audit_id, at_utc_ms, who, role, deed, object, detail, address, prev, hash)
values (:audit_id, :at_utc_ms, :who, :role, :deed, :object, :detail, :address, :prev, :hash);

-- name: audit_page(below, what, who, deed, since, until, limit)
-- `what` is a whole object, or its first words: `incident` finds `incident 12`.
select * from audit
where (:below = 0 or audit_id < :below)
    and (:what = '' or object = :what or substr(object, 1, length(:what) + 1) = :what || ' ')
    and (:who = '' or who = :who) and (:deed = '' or deed = :deed)
    and (:since = 0 or at_utc_ms >= :since) and (:until = 0 or at_utc_ms < :until)
order by audit_id desc limit :limit;

-- name: audit_export(above, upto, what, who, deed, since, until, limit)
select * from audit
where audit_id > :above and audit_id <= :upto
    and (:what = '' or object = :what or substr(object, 1, length(:what) + 1) = :what || ' ')
    and (:who = '' or who = :who) and (:deed = '' or deed = :deed)
    and (:since = 0 or at_utc_ms >= :since) and (:until = 0 or at_utc_ms < :until)
order by audit_id limit :limit;

-- name: audit_people()
select distinct who from audit order by who collate nocase;

-- name: audit_entry(audit_id)^
select * from audit where audit_id = :audit_id;

-- name: audit_of_objects(names)
select * from audit where object in (select value from json_each(:names)) order by audit_id;

-- name: audit_walk(after, limit)
select * from audit where audit_id > :after order by audit_id limit :limit;
