-- What a person started a sitting in spite of: one row an item, appended. The words are as they were shown, in English.
create table preflight_overrides (
    override_id integer primary key autoincrement,
    sitting text not null references sittings,
    seat text not null,
    item text not null,
    level text not null check (level in ('amber', 'red')),
    words text not null,
    reason text not null check (length(reason) between 1 and 500),
    at_utc_ms integer not null,
    by text not null
) strict;
create index preflight_overrides_of on preflight_overrides (sitting, seat);
create trigger preflight_overrides_stay before update on preflight_overrides
    begin select raise(abort, 'what was overridden is never changed'); end;
create trigger preflight_overrides_remain before delete on preflight_overrides
    begin select raise(abort, 'what was overridden is never forgotten'); end;

-- Somebody looked at a desk's lamp and says that it works. A press of the button in a drill says the same by itself.
create table lamp_checks (
    unit text not null references units,
    seen_utc_ms integer not null,
    seen_by text not null,
    primary key (unit, seen_utc_ms)
) strict;

-- Drills that were asked for at the hub, to tell how long each took. `reason` is needed while a sitting is on.
create table drills (
    drill_id integer primary key autoincrement,
    unit text not null references units,
    command integer not null, -- number of the command: a desk that refuses it says so by this number
    asked_utc_ms integer not null,
    asked_by text not null,
    reason text not null default '' check (length(reason) <= 500)
) strict;
create index drills_of_unit on drills (unit, asked_utc_ms);
create index alerts_of_drills on alerts (unit, received_utc_ms) where is_drill = 1;
create index attended_in_drills on attended (unit, received_utc_ms) where is_drill = 1;
