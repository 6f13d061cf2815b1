-- Film that the hub has collected. Files are known by their content: two equal segments share one, and it goes when the
-- last one that needs it is purged.
create table blobs (
    sha256 text primary key check (length(sha256) = 64),
    size_bytes integer not null check (size_bytes >= 0),
    stored_utc_ms integer not null
) strict;

-- Files that are no longer needed and not removed yet: written in the transaction that purges, deleted after the file is.
create table garbage (
    sha256 text primary key check (length(sha256) = 64),
    since_utc_ms integer not null
) strict;

-- The seat stands in the records of newer desks; for older ones it is where the hub has put the unit.
alter table segments add column seat text not null default '';
alter table segments add column stored_utc_ms integer; -- when its file was confirmed; null: the hub has not got it
alter table segments add column purged_utc_ms integer; -- when its file was removed by rule
alter table segments add column purge_number integer; -- the certificate that lists it
create index segments_of_time on segments (unit, began_utc_ms);
create index segments_of_blob on segments (sha256) where stored_utc_ms is not null and purged_utc_ms is null;
create index segments_of_record on segments (unit, boot, seq);
alter table gaps add column seat text not null default '';
alter table gaps add column received_utc_ms integer; -- when the hub was told; null: not known
create index gaps_of_sitting on gaps (sitting, unit, began_utc_ms);
update segments set seat = (select label from seats where seats.unit = segments.unit)
where exists (select 1 from seats where seats.unit = segments.unit);
update gaps set seat = (select label from seats where seats.unit = gaps.unit)
where exists (select 1 from seats where seats.unit = gaps.unit);

-- Film that somebody waits for: the desk's plan says so, and it is sent before all else.
create table wishes (
    wish_id integer primary key autoincrement,
    unit text not null references units,
    sitting text not null,
    from_utc_ms integer not null,
    until_utc_ms integer not null check (until_utc_ms > from_utc_ms),
    asked_by text not null,
    asked_utc_ms integer not null,
    done_utc_ms integer -- when all of it had come, or there was nothing more to come
) strict;
create index wishes_open on wishes (unit) where done_utc_ms is null;

-- Holds: what they cover is never removed, by rule, by hand or by a full disk. Exactly one of: an incident, a seat of a
-- sitting (its label), a whole sitting. A released one stays in the list, with who released it and why.
create table holds (
    hold_id integer primary key autoincrement,
    incident_id integer references incidents,
    sitting text,
    seat text,
    reason text not null check (length(reason) between 1 and 2000),
    placed_by text not null,
    placed_utc_ms integer not null,
    released_by text,
    released_utc_ms integer,
    released_why text,
    check ((incident_id is null) <> (sitting is null)),
    check (seat is null or sitting is not null),
    check ((released_utc_ms is null) = (released_by is null))
) strict;
create index holds_standing on holds (hold_id) where released_utc_ms is null;
create trigger holds_remain before delete on holds
    begin select raise(abort, 'a hold is released, never deleted'); end;

-- Exams, by the name that sittings carry: how long what was recorded for them is kept. No rule: for ever.
create table exams (
    exam text primary key,
    retention text check (retention is null or json_valid(retention)), -- hub.core.retention.Rule
    results_utc_ms integer -- when the results were given out; null: not known yet
) strict;
insert into exams (exam) select distinct exam from sittings;

-- Work that takes longer than a request, done by the worker. `done` of `total` (0: not known yet) is what people see.
create table jobs (
    job_id integer primary key autoincrement,
    kind text not null,
    wish text not null check (json_valid(wish)),
    asked_by text not null,
    asked_utc_ms integer not null,
    state text not null default 'waiting' check (state in ('waiting', 'running', 'done', 'failed', 'cancelled')),
    is_cancel_wanted integer not null default 0 check (is_cancel_wanted in (0, 1)),
    done integer not null default 0,
    total integer not null default 0,
    note text not null default '', -- what it is about just now, or why it failed
    result text check (result is null or json_valid(result)),
    started_utc_ms integer,
    ended_utc_ms integer,
    check ((state in ('done', 'failed', 'cancelled')) = (ended_utc_ms is not null))
) strict;
create index jobs_open on jobs (job_id) where state in ('waiting', 'running');

-- Every look at evidence, and everything that changes what becomes of it: appended in one chain, never changed. `hash` is
-- made by hub.core.audit over the row and the hash of the row before; numbers have no holes.
create table audit (
    audit_id integer primary key check (audit_id > 0),
    at_utc_ms integer not null,
    who text not null,
    role text not null,
    deed text not null,
    object text not null,
    detail text not null check (json_valid(detail)),
    address text not null,
    prev text not null check (length(prev) = 64),
    hash text not null unique check (length(hash) = 64)
) strict;
create index audit_of_object on audit (object, audit_id);
create index audit_of_person on audit (who, audit_id);
create trigger audit_stays before update on audit
    begin select raise(abort, 'the audit log is never changed'); end;
create trigger audit_remains before delete on audit
    begin select raise(abort, 'the audit log is never shortened'); end;
create trigger audit_grows_by_one before insert on audit
    when new.audit_id <> coalesce((select max(audit_id) from audit), 0) + 1
        or new.prev <> coalesce((select hash from audit order by audit_id desc limit 1), printf('%064d', 0))
    begin select raise(abort, 'an entry of the audit log must follow the last one'); end;

-- Auditors read only: SQLite changes a check only with the whole table.
create table users_now (
    user_id integer primary key,
    name text not null unique collate nocase check (length(name) between 1 and 100),
    role text not null check (role in ('admin', 'proctor', 'technician', 'auditor')),
    password_hash text not null, -- argon2id, encoded
    is_active integer not null default 1 check (is_active in (0, 1)),
    epoch integer not null default 1, -- raised by a new password or a changed role: older log-ins end
    created_utc_ms integer not null
) strict;
insert into users_now select user_id, name, role, password_hash, is_active, epoch, created_utc_ms from users;
drop table users;
alter table users_now rename to users;

-- Something that only an intruder, a failing card or a mended clock brings about is kept with its kind; the kinds are the
-- program's to name.
create table security_events_now (
    event_id integer primary key,
    unit text not null,
    kind text not null check (length(kind) between 1 and 40),
    detail text not null,
    first_utc_ms integer not null,
    last_utc_ms integer not null,
    count integer not null default 1,
    seen_utc_ms integer,
    seen_by text not null default ''
) strict;
insert into security_events_now select * from security_events;
drop table security_events;
alter table security_events_now rename to security_events;
create index security_events_open on security_events (unit, kind) where seen_utc_ms is null;
