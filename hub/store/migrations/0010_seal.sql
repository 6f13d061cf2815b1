-- The newest head of each unit's chain, as its heartbeats tell and its key signed; it only moves forward.
create table heads (
    unit text primary key references units,
    boot integer not null,
    seq integer not null,
    hash text not null check (length(hash) = 64),
    signature text not null check (length(signature) = 128),
    heard_utc_ms integer not null -- hub time
) strict;

-- The certificates of the hub's evidence key that ever signed a minute, leaf first up to the root.
create table seals (
    seal_id integer primary key,
    fingerprint text not null unique check (length(fingerprint) = 64),
    chain_pem text not null
) strict;

-- The hub's countersignatures, one a minute while it runs: a Merkle root over the minute before, the audit log's newest
-- entry and each unit's newest head (hub.core.countersign).
create table minutes (
    number integer primary key check (number > 0),
    at_utc_ms integer not null, -- hub time; it may go back where the hub's clock was set
    root blob not null check (length(root) = 32),
    leaf_count integer not null,
    audit_id integer not null,
    audit_hash blob not null check (length(audit_hash) = 32),
    seal_id integer not null references seals,
    signature blob not null check (length(signature) = 64)
) strict;
create index minutes_of_time on minutes (at_utc_ms);

-- The units' leaves, only where they changed: a unit's leaf of minute N is its newest with since <= N.
create table leaves (
    unit text not null references units,
    since integer not null references minutes, -- minute's number
    boot integer not null,
    seq integer not null,
    hash blob not null check (length(hash) = 32),
    primary key (unit, since)
) without rowid, strict;

create trigger minutes_stay before update on minutes
    begin select raise(abort, 'a countersignature is never changed'); end;
create trigger minutes_remain before delete on minutes
    begin select raise(abort, 'a countersignature is never deleted'); end;
create trigger leaves_stay before update on leaves
    begin select raise(abort, 'a countersignature is never changed'); end;
create trigger leaves_remain before delete on leaves
    begin select raise(abort, 'a countersignature is never deleted'); end;
create trigger minutes_grow_by_one before insert on minutes
    when new.number <> coalesce((select max(number) from minutes), 0) + 1
    begin select raise(abort, 'a countersignature must follow the last one'); end;
