-- What is held, as stretches of time: of an incident half a minute before it began to a quarter after it cleared, open
-- ended while it stands; of an incident that was merged into another both its own time and that one's. `unit` null: any
-- unit; `seat` null beside it: any seat. With `boot` it is a stretch of that machine's boot time, which no clock step
-- moves; else of the wall clock.
create view hold_stretches as
with recursive followed (hold_id, incident_id) as (
    select hold_id, incident_id from holds where released_utc_ms is null and incident_id is not null
    union
    select f.hold_id, i.merged_into from followed f join incidents i using (incident_id) where i.merged_into is not null
)
select f.hold_id, i.incident_id, i.sitting, i.unit, nullif(i.seat, '') as seat,
    null as boot, max(min(i.began_utc_ms, coalesce(i.cleared_utc_ms, i.began_utc_ms)) - 30000, 0) as began,
    case when i.cleared_utc_ms is null and i.merged_into is null then 9007199254740992
        else max(i.began_utc_ms, coalesce(i.cleared_utc_ms, i.began_utc_ms)) + 15000 end as ended
from followed f join incidents i using (incident_id)
union all
select f.hold_id, a.incident_id, a.sitting, a.unit, null, a.boot, max(a.began_up_ms - 30000, 0),
    coalesce(a.cleared_up_ms + 15000, 9007199254740992)
from followed f join alerts a using (incident_id)
union all
select hold_id, null, sitting, null, seat, null, 0, 9007199254740992
from holds where released_utc_ms is null and sitting is not null;

-- Every segment under a standing hold, once for each hold. Where nobody knows whose seat a segment is of, every hold on a
-- seat of its sitting covers it. A segment that a clock step turned round counts from its lower to its higher time.
-- Each of the four ways has a branch of its own: SQLite then looks each up by an index.
create index segments_of_seat on segments (sitting, seat, unit);
create view held_segments as
select h.hold_id, s.rowid as segment, s.sitting, s.unit
from hold_stretches h join segments s on s.sitting = h.sitting and s.unit = h.unit
    and case when h.boot is null
        then min(s.began_utc_ms, s.ended_utc_ms) <= h.ended and max(s.began_utc_ms, s.ended_utc_ms) >= h.began
        else h.boot = s.boot and s.began_up_ms <= h.ended and s.ended_up_ms >= h.began end
union
select h.hold_id, s.rowid, s.sitting, s.unit
from hold_stretches h join segments s on s.sitting = h.sitting and s.seat in (h.seat, '')
    and case when h.boot is null
        then min(s.began_utc_ms, s.ended_utc_ms) <= h.ended and max(s.began_utc_ms, s.ended_utc_ms) >= h.began
        else h.boot = s.boot and s.began_up_ms <= h.ended and s.ended_up_ms >= h.began end
where h.seat is not null and h.sitting <> ''
union
select h.hold_id, s.rowid, s.sitting, s.unit
from hold_stretches h join segments s on s.sitting = h.sitting
where h.unit is null and h.seat is null
union
select h.hold_id, s.rowid, s.sitting, s.unit
from hold_stretches h join segments s on s.unit = h.unit
    and case when h.boot is null
        then min(s.began_utc_ms, s.ended_utc_ms) <= h.ended and max(s.began_utc_ms, s.ended_utc_ms) >= h.began
        else h.boot = s.boot and s.began_up_ms <= h.ended and s.ended_up_ms >= h.began end
where h.sitting = '';

-- The pictures of alerts, each with the sitting and seat of its alert; and those under a standing hold.
create view placed_stills as
select p.rowid as still, p.unit, p.sha256, p.utc_ms, length(p.jpeg) as size_bytes, a.sitting, a.seat, a.incident_id
from alerts a join stills p on p.unit = a.unit and p.sha256 = a.still_sha256;
create view held_stills as
select distinct h.hold_id, p.still, p.sitting, p.unit
from hold_stretches h join placed_stills p
    on h.boot is null and (h.incident_id = p.incident_id or (
        h.sitting in (p.sitting, '')
        and (h.unit = p.unit or (h.seat is not null and p.seat in (h.seat, '')) or (h.unit is null and h.seat is null))
        and p.utc_ms between h.began and h.ended));

-- What retention would remove: looked through and kept with its exact list, so that this is removed or nothing. One part
-- for each unit and seat of a sitting, with the rule and the date of the results that it follows from. `lines` are
-- hub.core.purge_list's, deflated (zlib). A plan is written in many small transactions; before it is whole it is none.
create table purge_plans (
    plan_id integer primary key autoincrement,
    made_utc_ms integer not null,
    made_by text not null,
    digest text not null check (length(digest) = 64), -- over the parts, their lists' hashes included
    item_count integer not null check (item_count > 0),
    size_bytes integer not null,
    kept text not null check (json_valid(kept)), -- list of hub.core.purge_list.Kept
    is_whole integer not null default 0 check (is_whole in (0, 1))
) strict;
create table purge_parts (
    plan_id integer not null references purge_plans,
    part integer not null,
    exam text not null,
    sitting text not null,
    unit text not null,
    seat text not null,
    rule text not null check (json_valid(rule)),
    results_utc_ms integer,
    due_utc_ms integer not null,
    why text not null,
    item_count integer not null,
    size_bytes integer not null,
    sha256 text not null check (length(sha256) = 64),
    lines blob not null,
    primary key (plan_id, part)
) strict;

-- A purge: begun, then ended with its signed certificate. What went stands in `purge_items`, written in the transaction
-- that removed it: JSON lines, deflated (zlib), one chunk for each of those transactions.
create table purges (
    number integer primary key autoincrement,
    plan_id integer not null unique references purge_plans,
    began_utc_ms integer not null,
    began_by text not null,
    ended_utc_ms integer,
    statement text, -- the exact text that is signed; hub.core.purge_list
    signature text check (signature is null or length(signature) = 128),
    chain_pem text,
    check ((ended_utc_ms is null) = (statement is null)),
    check ((statement is null) = (signature is null)),
    check ((statement is null) = (chain_pem is null))
) strict;
create trigger purges_stay before update on purges when old.ended_utc_ms is not null
    begin select raise(abort, 'a certificate of purge is never changed'); end;
create trigger purges_remain before delete on purges
    begin select raise(abort, 'a certificate of purge is never deleted'); end;
create table purge_items (
    number integer not null references purges,
    chunk integer not null,
    item_count integer not null,
    size_bytes integer not null,
    lines blob not null,
    primary key (number, chunk)
) strict;
create trigger purge_items_stay before update on purge_items
    begin select raise(abort, 'what was purged is never changed'); end;
create trigger purge_items_remain before delete on purge_items
    begin select raise(abort, 'what was purged is never forgotten'); end;

-- Pictures of alerts that went by rule, so that pages can say so.
create table purged_stills (
    unit text not null,
    sha256 text not null check (length(sha256) = 64),
    purge_number integer not null references purges (number),
    primary key (unit, sha256)
) without rowid, strict;

create index segments_of_purge on segments (purge_number) where purge_number is not null;
create index alerts_of_still on alerts (unit, still_sha256) where still_sha256 is not null;
create index alerts_of_sitting on alerts (sitting, unit);
