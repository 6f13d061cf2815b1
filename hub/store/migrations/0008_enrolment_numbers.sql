-- A request's number is never used again: SQLite reuses the highest one after a delete, unless it is told not to.
create table enrolments_now (
    enrolment_id integer primary key autoincrement,
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
insert into enrolments_now select * from enrolments;
drop table enrolments;
alter table enrolments_now rename to enrolments;
create unique index enrolments_pending on enrolments (public_key) where state in ('waiting', 'approved');
create index enrolments_of_key on enrolments (public_key, enrolment_id);
