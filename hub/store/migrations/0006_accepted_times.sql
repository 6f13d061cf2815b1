-- A clock that was once in the future: a person says that the present time is right, and what was issued by the wrong one
-- no longer tells what time it has been.
alter table certificates add column is_clock_disowned integer not null default 0 check (is_clock_disowned in (0, 1));
create table accepted_times (
    accepted_id integer primary key,
    accepted_utc_ms integer not null, -- the time that was accepted, and when
    newest_utc_ms integer not null, -- what the store had seen until then
    accepted_by text not null
) strict;
