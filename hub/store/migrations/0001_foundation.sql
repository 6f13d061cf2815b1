-- The hub's store, version 1. Times are integers in milliseconds: `utc_ms` on the wall clock (a desk's where the row came
-- from a desk, the hub's in every `received_utc_ms`), `up_ms` since the desk machine's boot. Hashes and keys are lower-case
-- hexadecimal. A row that came from a desk is never changed by a person, and what people do stands in tables of its own.

-- Places. A seat keeps its history; the desk unit at it may be replaced.
create table rooms (
    room_id integer primary key,
    name text not null unique check (length(name) between 1 and 200)
) strict;

create table seats (
    seat_id integer primary key,
    room_id integer not null references rooms,
    label text not null check (length(label) between 1 and 200),
    unit text unique references units, -- the unit now at this seat; null: no unit
    unique (room_id, label)
) strict;

-- A desk unit, known by its name and the key that signs its records. A second key for the same name is never accepted.
create table units (
    unit text primary key check (unit glob '*.*'),
    public_key text not null check (length(public_key) = 64),
    first_seen_utc_ms integer not null,
    is_revoked integer not null default 0 check (is_revoked in (0, 1))
) strict;

-- That exam in one room, start to end.
create table sittings (
    sitting text primary key check (length(sitting) between 1 and 64),
    exam text not null,
    room_id integer not null references rooms,
    start_utc_ms integer not null,
    end_utc_ms integer not null check (end_utc_ms > start_utc_ms),
    mode text not null check (mode in ('automated', 'semi-automated', 'manual')),
    rules text not null check (json_valid(rules)) -- list of wire.Rule
) strict;

-- The newest plan of each unit. `number` rises with every change; the desk ignores an older one.
create table plans (
    unit text primary key references units,
    number integer not null check (number > 0),
    payload text not null check (json_valid(payload)), -- wire.Plan
    sent_number integer not null default 0 -- the newest number handed to the broker
) strict;

create table commands (
    number integer primary key autoincrement,
    unit text not null references units,
    payload text not null check (json_valid(payload)), -- wire.Command
    expires_utc_ms integer not null,
    sent_utc_ms integer -- null: not yet handed to the broker
) strict;
create index commands_unsent on commands (number) where sent_utc_ms is null;

-- What desks sealed, whole, as received. (unit, boot, seq) names a record for ever; a repeat changes nothing.
create table records (
    record_id integer primary key,
    unit text not null references units,
    boot integer not null check (boot >= 0),
    seq integer not null check (seq >= 1),
    kind text not null,
    header text not null, -- the exact signed text
    body text, -- the exact text whose hash the header carries; null once erased by rule
    signature text not null check (length(signature) = 128),
    hash text not null check (length(hash) = 64),
    received_utc_ms integer not null,
    unique (unit, boot, seq)
) strict;

-- The same key with other content, or a second key for a known unit: somebody tampers. Kept beside, never over.
create table conflicts (
    conflict_id integer primary key,
    unit text not null,
    boot integer,
    seq integer,
    reason text not null,
    payload blob not null,
    received_utc_ms integer not null
) strict;
create index conflicts_of_record on conflicts (unit, boot, seq);

-- Messages that were refused, with the reason; bounded by the ledger, oldest go first.
create table rejected (
    rejected_id integer primary key,
    topic text not null,
    reason text not null,
    size_bytes integer not null,
    payload blob not null check (length(payload) <= 1024), -- the first bytes only
    received_utc_ms integer not null
) strict;

-- The picture of the moment an alert was raised.
create table stills (
    unit text not null references units,
    sha256 text not null check (length(sha256) = 64),
    boot integer not null,
    seq integer, -- the record that carries its hash
    utc_ms integer not null,
    up_ms integer not null,
    jpeg blob not null,
    received_utc_ms integer not null,
    primary key (unit, sha256)
) strict;

-- The newest word of each unit about itself.
create table presence (
    unit text primary key references units,
    is_online integer not null default 0 check (is_online in (0, 1)), -- birth and last will
    status_utc_ms integer not null, -- when birth or will came, hub time
    boot integer not null,
    heartbeat text check (heartbeat is null or json_valid(heartbeat)), -- wire.Heartbeat
    heartbeat_utc_ms integer -- when it came, hub time
) strict;

-- Read models of the records above, one row a thing; `ledger` says how each record changes them.
create table alerts (
    unit text not null references units,
    alert text not null, -- the desk's name for it
    kind text not null,
    state text not null check (state in ('raised', 'updated', 'cleared')),
    sitting text not null,
    room text not null,
    seat text not null,
    began_utc_ms integer not null,
    began_up_ms integer not null,
    raised_utc_ms integer not null,
    raised_up_ms integer not null,
    cleared_utc_ms integer,
    cleared_up_ms integer,
    boot integer not null, -- (boot, seq) of the newest record about it
    seq integer not null,
    body text not null check (json_valid(body)), -- wire.Alert, the newest
    still_sha256 text,
    received_utc_ms integer not null, -- first heard of, hub time
    incident_id integer references incidents,
    primary key (unit, alert)
) strict;
create index alerts_of_incident on alerts (incident_id);
create index alerts_of_kind on alerts (unit, kind, began_utc_ms);

create table faults (
    unit text not null references units,
    fault text not null,
    kind text not null,
    state text not null check (state in ('raised', 'cleared')),
    sitting text not null,
    began_utc_ms integer not null,
    raised_utc_ms integer not null,
    cleared_utc_ms integer,
    detail text not null,
    boot integer not null, -- (boot, seq) of the newest record about it
    seq integer not null,
    received_utc_ms integer not null,
    primary key (unit, fault)
) strict;

create table segments (
    unit text not null references units,
    name text not null,
    sitting text not null,
    began_utc_ms integer not null,
    began_up_ms integer not null,
    ended_utc_ms integer not null,
    ended_up_ms integer not null,
    frames integer not null,
    size_bytes integer not null,
    sha256 text not null,
    is_cut integer not null check (is_cut in (0, 1)),
    boot integer not null,
    seq integer not null,
    primary key (unit, name)
) strict;
create index segments_of_sitting on segments (sitting, unit, began_utc_ms);

create table gaps (
    unit text not null references units,
    boot integer not null,
    seq integer not null,
    sitting text not null,
    began_utc_ms integer not null,
    ended_utc_ms integer not null,
    cause text not null,
    is_length_known integer not null check (is_length_known in (0, 1)),
    detail text not null,
    primary key (unit, boot, seq)
) strict;

-- What people work on. `version` rises with every change, so that two people never overwrite each other unseen.
create table incidents (
    incident_id integer primary key,
    unit text not null references units,
    kind text not null,
    sitting text not null,
    room text not null,
    seat text not null,
    state text not null default 'open' check (state in ('open', 'acknowledged', 'closed')),
    opened_utc_ms integer not null, -- hub time
    began_utc_ms integer not null, -- desk time of the first alert
    cleared_utc_ms integer, -- desk time; null while an alert of it stands
    acknowledged_utc_ms integer,
    acknowledged_by text,
    closed_utc_ms integer,
    verdict text check (verdict in ('no_concern', 'refer', 'confirmed_by_centre')),
    version integer not null default 1,
    merged_into integer references incidents, -- late records showed that it was part of that one; nobody had worked on it
    check ((state = 'closed') = (verdict is not null or merged_into is not null)),
    check (verdict is null or merged_into is null)
) strict;
create index incidents_unfinished on incidents (unit, kind) where state <> 'closed';

-- Everything done about an incident, by machine ('desk') or people; appended, never changed.
create table incident_events (
    event_id integer primary key,
    incident_id integer not null references incidents,
    at_utc_ms integer not null,
    who text not null,
    action text not null check (action in
        ('opened', 'joined', 'cleared', 'merged', 'acknowledged', 'commented', 'closed', 'reopened')),
    text text not null default '' check (length(text) <= 4000),
    verdict text check (verdict in ('no_concern', 'refer', 'confirmed_by_centre')), -- stays when it is reopened
    check ((action = 'closed') = (verdict is not null))
) strict;
create index incident_events_of on incident_events (incident_id, event_id);
create trigger incident_events_stay before update on incident_events
    begin select raise(abort, 'what was done about an incident is never changed'); end;
create trigger incident_events_remain before delete on incident_events
    begin select raise(abort, 'what was done about an incident is never deleted'); end;

create table users (
    user_id integer primary key,
    name text not null unique collate nocase check (length(name) between 1 and 100),
    role text not null check (role in ('admin', 'proctor')),
    password_hash text not null, -- argon2id, encoded
    is_active integer not null default 1 check (is_active in (0, 1)),
    epoch integer not null default 1, -- raised by a new password or a changed role: older log-ins end
    created_utc_ms integer not null
) strict;

-- Log-ins that ended by log-out, kept until their cookie would have ended anyway: a copied cookie stays worthless.
create table ended_log_ins (
    login text primary key,
    ended_utc_ms integer not null
) strict;
