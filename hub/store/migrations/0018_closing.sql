-- The review queue: what nobody has looked at first, the oldest first. One index gives the order to page by, the other
-- answers all counts of the page from itself.
alter table incidents add column review_rank integer generated always as
    (case state when 'open' then 0 when 'acknowledged' then 1 else 2 end) virtual;
create index incidents_to_review on incidents (review_rank, opened_utc_ms, incident_id);
create index incidents_counted on incidents
    (state, kind, verdict, category, is_drill, assigned_to, sitting, room, seat, began_utc_ms, part_of);

-- Film and records of a desk that is gone: a person said that nobody waits for them any more, and why.
create table write_offs (
    write_off_id integer primary key autoincrement,
    sitting text not null references sittings,
    unit text not null references units,
    reason text not null check (length(reason) between 1 and 2000),
    segments integer not null, -- that were known and not collected then
    length_ms integer not null,
    by_whom text not null,
    at_utc_ms integer not null,
    unique (sitting, unit)
) strict;

-- Each closing of a sitting, with the list as it was then and the reasons given (hub.core.closing); appended, and ended
-- by a reopening. `newest_record`: records with a higher number came later.
create table closings (
    closing_id integer primary key autoincrement,
    sitting text not null references sittings,
    closed_utc_ms integer not null,
    closed_by text not null,
    items text not null check (json_valid(items)),
    newest_record integer not null,
    reopened_utc_ms integer,
    reopened_by text not null default '',
    reopened_why text not null default '' check (length(reopened_why) <= 2000)
) strict;
create index closings_of_sitting on closings (sitting, closing_id);
create unique index closings_standing on closings (sitting) where reopened_utc_ms is null;

-- The signed report of a closing (hub.evidence.sitting_report): the exact text that is signed.
create table sitting_reports (
    closing_id integer primary key references closings,
    made_utc_ms integer not null,
    statement text not null check (json_valid(statement)),
    signature text not null check (length(signature) = 128),
    chain_pem text not null
) strict;
create trigger sitting_reports_stay before update on sitting_reports
    begin select raise(abort, 'a signed report is never changed'); end;
create trigger sitting_reports_remain before delete on sitting_reports
    begin select raise(abort, 'a signed report is never deleted'); end;

-- Screens that show the wall, each by a token of its own that only reads it. The token itself is kept nowhere.
create table wall_tokens (
    wall_id integer primary key autoincrement,
    name text not null check (length(name) between 1 and 100),
    token_sha256 text not null unique check (length(token_sha256) = 64),
    room text not null default '', -- '': every room with a sitting
    may_show_pictures integer not null default 0 check (may_show_pictures in (0, 1)),
    made_utc_ms integer not null,
    made_by text not null,
    last_seen_utc_ms integer,
    revoked_utc_ms integer,
    revoked_by text not null default ''
) strict;
create unique index wall_tokens_named on wall_tokens (name) where revoked_utc_ms is null;
