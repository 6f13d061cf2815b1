-- The room's map: a grid of cells, 0-based, on which each seat has one. Null: not placed yet, and shown after those that are.
alter table rooms add column map_columns integer not null default 0 check (map_columns between 0 and 60);
alter table rooms add column map_rows integer not null default 0 check (map_rows between 0 and 60);
alter table seats add column map_x integer check (map_x between 0 and 59);
alter table seats add column map_y integer check (map_y between 0 and 59);

-- How an exam is watched: hub.core.profiles.Profile, by its name. A sitting copies what its desks need when it is planned.
create table profiles (
    profile text primary key check (length(profile) between 1 and 100),
    body text not null check (json_valid(body))
) strict;

-- The paper and day of an exam, and the zone in which its times were written: the hub's own shows everything.
alter table exams add column paper text not null default '' check (length(paper) <= 200);
alter table exams add column day text not null default '' check (day = '' or length(day) = 10); -- ISO 8601 date
alter table exams add column zone text not null default '';
alter table exams add column profile text not null default '';

-- Opened and closed by a person. Desks record by the plan whether or not anybody has opened the sitting; a cancelled one
-- is in no plan.
alter table sittings add column profile text not null default '';
alter table sittings add column is_buzzer_allowed integer not null default 0 check (is_buzzer_allowed in (0, 1));
alter table sittings add column may_lamp_show_alerts integer not null default 1 check (may_lamp_show_alerts in (0, 1));
alter table sittings add column opened_utc_ms integer;
alter table sittings add column opened_by text not null default '';
alter table sittings add column closed_utc_ms integer;
alter table sittings add column closed_by text not null default '';
alter table sittings add column cancelled_utc_ms integer;
alter table sittings add column cancelled_by text not null default '';

-- Who is examined in a sitting, and at which seat (its label) now. A no-show's seat is free for a walk-in. `extra_ms` comes
-- on top of the sitting's end at this seat; `break_ms` is how long rest breaks may be in all.
create table candidates (
    candidate_id integer primary key autoincrement,
    sitting text not null references sittings,
    number text not null check (length(number) between 1 and 64),
    name text not null default '' check (length(name) <= 200),
    seat text not null check (length(seat) between 1 and 200),
    extra_ms integer not null default 0 check (extra_ms between 0 and 86400000),
    break_ms integer not null default 0 check (break_ms between 0 and 86400000),
    is_walk_in integer not null default 0 check (is_walk_in in (0, 1)),
    no_show_utc_ms integer, -- when a person said so
    version integer not null default 1, -- raised by every change
    unique (sitting, number)
) strict;
create unique index candidates_at_seat on candidates (sitting, seat) where no_show_utc_ms is null;

-- Who sat where when, hub time: one row for each stay, the last one open. From null: since before the sitting began.
create table stays (
    stay_id integer primary key autoincrement,
    candidate_id integer not null references candidates,
    sitting text not null references sittings,
    seat text not null,
    from_utc_ms integer,
    until_utc_ms integer
) strict;
create index stays_of_seat on stays (sitting, seat);
create index stays_of_candidate on stays (candidate_id);

-- When the sitting ends at each of its seats that has an end of its own. A seat without a row ends with the sitting.
create view seat_ends as
select t.sitting, c.seat, t.end_utc_ms + c.extra_ms as end_utc_ms
from candidates c join sittings t using (sitting) where c.extra_ms > 0 and c.no_show_utc_ms is null;

-- Breaks of the person at a seat: the rules about an absent person are suspended until `limit_utc_ms`, then back.
create table breaks (
    break_id integer primary key autoincrement,
    sitting text not null references sittings,
    seat text not null,
    candidate_id integer references candidates,
    kind text not null check (kind in ('toilet', 'rest')),
    began_utc_ms integer not null,
    limit_utc_ms integer not null check (limit_utc_ms > began_utc_ms),
    ended_utc_ms integer check (ended_utc_ms >= began_utc_ms),
    given_by text not null,
    ended_by text not null default ''
) strict;
create index breaks_of_seat on breaks (sitting, seat, began_utc_ms);
create unique index breaks_on on breaks (sitting, seat) where ended_utc_ms is null;

-- A person's mark on a moment, of one seat ('': of the whole room). Appended, never changed.
create table bookmarks (
    bookmark_id integer primary key autoincrement,
    sitting text not null references sittings,
    seat text not null default '',
    unit text references units, -- that stood there
    at_utc_ms integer not null, -- the moment marked
    made_utc_ms integer not null,
    made_by text not null,
    note text not null default '' check (length(note) <= 2000)
) strict;
create index bookmarks_of_sitting on bookmarks (sitting, seat, at_utc_ms);
create trigger bookmarks_stay before update on bookmarks
    begin select raise(abort, 'a bookmark is never changed'); end;

-- Presses of the desks' buttons (wire.Attended), and what proctors asked of desks.
create table attended (
    unit text not null references units,
    boot integer not null,
    seq integer not null,
    sitting text not null,
    room text not null,
    seat text not null,
    at_utc_ms integer not null,
    received_utc_ms integer not null, -- hub time
    is_signal integer not null check (is_signal in (0, 1)),
    is_drill integer not null check (is_drill in (0, 1)),
    alerts text not null check (json_valid(alerts)), -- list of the desk's names for its alerts
    primary key (unit, boot, seq)
) strict;
create index attended_of_sitting on attended (sitting, seat);
create table signals (
    signal_id integer primary key autoincrement,
    unit text not null references units,
    sitting text not null,
    room text not null,
    seat text not null,
    given_utc_ms integer not null,
    given_by text not null,
    note text not null default '' check (length(note) <= 2000),
    ended_utc_ms integer,
    ended_by text not null default '' -- a person's name, 'desk' for the button, 'time' when nobody came
) strict;
create index signals_on on signals (unit) where ended_utc_ms is null;

-- What people work on can be assigned, sorted, and part of something that struck a whole room. `part_of`: the room incident
-- that it is a member of. Of a room incident `unit` is its first member's, and `seat` is ''. `proposed_by`: who proposed
-- "confirmed by the centre", which a second person must confirm.
alter table incidents add column category text not null default '' check (length(category) <= 100);
alter table incidents add column assigned_to text;
alter table incidents add column proposed_by text;
alter table incidents add column part_of integer references incidents;
create index incidents_of_sitting on incidents (sitting, seat);
create index incidents_part_of on incidents (part_of) where part_of is not null;
create index incidents_not_closed on incidents (opened_utc_ms) where state <> 'closed';

-- Members of a room incident that are no incidents of their own: equipment that failed together.
create table room_members (
    incident_id integer not null references incidents,
    unit text not null references units,
    seat text not null,
    what text not null, -- wire.FaultKind, or 'offline', 'desk_not_answering'
    at_utc_ms integer not null,
    primary key (incident_id, unit, what)
) strict;

-- The actions of an incident's thread are the program's to name: SQLite changes a check only with the whole table.
create table incident_events_now (
    event_id integer primary key,
    incident_id integer not null references incidents,
    at_utc_ms integer not null,
    who text not null,
    action text not null check (length(action) between 1 and 40),
    text text not null default '' check (length(text) <= 4000),
    verdict text check (verdict in ('no_concern', 'refer', 'confirmed_by_centre')), -- stays when it is reopened
    check ((action = 'closed') = (verdict is not null))
) strict;
insert into incident_events_now select event_id, incident_id, at_utc_ms, who, action, text, verdict from incident_events;
drop table incident_events;
alter table incident_events_now rename to incident_events;
create index incident_events_of on incident_events (incident_id, event_id);
create trigger incident_events_stay before update on incident_events
    begin select raise(abort, 'what was done about an incident is never changed'); end;
create trigger incident_events_remain before delete on incident_events
    begin select raise(abort, 'what was done about an incident is never deleted'); end;
