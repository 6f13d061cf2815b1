-- name: audit_last()^
select audit_id, hash from audit order by audit_id desc limit 1;

-- name: add_audit(audit_id, at_utc_ms, who, role, deed, object, detail, address, prev, hash)!
insert into audit (audit_id, at_utc_ms, who, role, deed, object, detail, address, prev, hash)
values (:audit_id, :at_utc_ms, :who, :role, :deed, :object, :detail, :address, :prev, :hash);

-- name: audit_page(since, what, who, deed, limit)
select * from audit
where (:since = 0 or audit_id < :since) and (:what = '' or object = :what) and (:who = '' or who = :who)
    and (:deed = '' or deed = :deed)
order by audit_id desc limit :limit;

-- name: audit_of_objects(names)
select * from audit where object in (select value from json_each(:names)) order by audit_id;

-- name: audit_walk(after, limit)
select * from audit where audit_id > :after order by audit_id limit :limit;
