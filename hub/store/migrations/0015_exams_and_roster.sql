-- Two people may have the same page open: what they save names the version that they saw.
alter table exams add column version integer not null default 1;
alter table profiles add column version integer not null default 1;
alter table sittings add column version integer not null default 1;

-- How long a toilet break may last unless who gives it says otherwise; copied from the profile, as the rules are.
alter table sittings add column toilet_ms integer not null default 600000 check (toilet_ms between 60000 and 7200000);

-- Why the times of a running sitting were changed by a person.
alter table sittings add column change_reason text not null default '' check (length(change_reason) <= 2000);

-- Who changed a candidate's entry last, when and how: what a second person with the same page open is shown.
alter table candidates add column changed_utc_ms integer;
alter table candidates add column changed_by text not null default '';
alter table candidates add column changed text not null default '' check (length(changed) <= 1000);

-- A roster file that somebody is looking at and has not confirmed: nothing of it counts. One for each person and sitting.
create table roster_drafts (
    sitting text not null references sittings,
    who text not null,
    digest text not null check (length(digest) = 64), -- SHA-256 of the file
    file_name text not null default '' check (length(file_name) <= 200),
    encoding text not null default '', -- '': recognise it
    content blob not null,
    made_utc_ms integer not null,
    primary key (sitting, who)
) strict;

-- When all of a sitting is over: extra time included.
create view sitting_ends as
select t.sitting, max(t.end_utc_ms, coalesce((select max(e.end_utc_ms) from seat_ends e where e.sitting = t.sitting), 0))
    as end_utc_ms
from sittings t;
