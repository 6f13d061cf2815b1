-- Technicians keep units alive: SQLite changes a check only with the whole table.
create table users_now (
    user_id integer primary key,
    name text not null unique collate nocase check (length(name) between 1 and 100),
    role text not null check (role in ('admin', 'proctor', 'technician')),
    password_hash text not null, -- argon2id, encoded
    is_active integer not null default 1 check (is_active in (0, 1)),
    epoch integer not null default 1, -- raised by a new password or a changed role: older log-ins end
    created_utc_ms integer not null
) strict;
insert into users_now select user_id, name, role, password_hash, is_active, epoch, created_utc_ms from users;
drop table users;
alter table users_now rename to users;

-- What an enrolled unit said of its machine, and who cut it off, when and why.
alter table units add column serial text not null default '';
alter table units add column model text not null default '';
alter table units add column revoked_utc_ms integer;
alter table units add column revoked_by text not null default '';
alter table units add column revoked_why text not null default '';

-- Requests of units at the door: to be let in (a person decides) and for a new certificate (nobody needs to).
create table enrolments (
    enrolment_id integer primary key,
    kind text not null check (kind in ('enrolment', 'renewal')),
    state text not null check (state in ('waiting', 'approved', 'rejected', 'granted')), -- approved: to be signed
    public_key text not null check (length(public_key) = 64), -- of the unit's records; it signs every request
    code text not null, -- shown at the desk, compared by a person
    csr text not null, -- PEM
    serial text not null,
    model text not null,
    software text not null,
    wanted text not null, -- the name it proposes
    replaces text not null, -- the unit whose place it takes
    address text not null, -- where it called from
    asked_utc_ms integer not null,
    heard_utc_ms integer not null, -- its newest call
    decided_utc_ms integer,
    decided_by text not null default '',
    reason text not null default '' check (length(reason) <= 2000), -- of a rejection
    unit text references units, -- once approved
    certificate text, -- once granted: PEM, leaf first
    check ((state in ('approved', 'granted')) <= (unit is not null)),
    check ((state = 'granted') = (certificate is not null))
) strict;
create unique index enrolments_pending on enrolments (public_key) where state in ('waiting', 'approved');
create index enrolments_of_key on enrolments (public_key, enrolment_id);

-- Every certificate that was issued to a unit: what the list of revoked ones is made of.
create table certificates (
    serial_number text primary key, -- hexadecimal
    unit text not null references units,
    issuer text not null, -- fingerprint of the issuing authority's certificate
    not_before_utc_ms integer not null,
    not_after_utc_ms integer not null,
    issued_utc_ms integer not null,
    revoked_utc_ms integer
) strict;
create index certificates_of_unit on certificates (unit);

-- Two machines that speak with one identity, and other things that only a copied card or an intruder brings about.
-- `seen_utc_ms` is set when a person has looked at it.
create table security_events (
    event_id integer primary key,
    unit text not null,
    kind text not null check (kind in ('two_machines', 'boot_went_back', 'revoked_unit_speaks')),
    detail text not null,
    first_utc_ms integer not null,
    last_utc_ms integer not null,
    count integer not null default 1,
    seen_utc_ms integer,
    seen_by text not null default ''
) strict;
create index security_events_open on security_events (unit, kind) where seen_utc_ms is null;
