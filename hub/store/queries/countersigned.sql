-- name: head_known(unit)^
select unit, boot, seq, hash from heads where unit = :unit;

-- name: heads_of(units)
-- `units` is a JSON list of names.
select unit, boot, seq, hash from heads where unit in (select value from json_each(:units));

-- name: save_head(unit, boot, seq, hash, signature, now)!
insert into heads (unit, boot, seq, hash, signature, heard_utc_ms)
values (:unit, :boot, :seq, :hash, :signature, :now)
on conflict (unit) do update set
    boot = excluded.boot, seq = excluded.seq, hash = excluded.hash, signature = excluded.signature,
    heard_utc_ms = excluded.heard_utc_ms;

-- name: record_hash(unit, boot, seq)^
select hash from records where unit = :unit and boot = :boot and seq = :seq;

-- name: key_of_unit(unit)^
select public_key from units where unit = :unit;

-- name: heads_all()
select unit, boot, seq, hash from heads order by unit;

-- name: leaves_at(number)
-- The leaf of each unit that held in that minute; by the units, so that each is found by its key and no leaf is walked.
select leaf.unit, leaf.boot, leaf.seq, lower(hex(leaf.hash)) as hash
from units cross join leaves as leaf on leaf.unit = units.unit and leaf.since = (
    select max(since) from leaves as other where other.unit = units.unit and other.since <= :number)
order by leaf.unit;

-- name: add_seal(fingerprint, chain_pem)!
insert into seals (fingerprint, chain_pem) values (:fingerprint, :chain_pem) on conflict do nothing;

-- name: add_minute(number, at_utc_ms, root, leaf_count, audit_id, audit_hash, fingerprint, signature)!
insert into minutes (number, at_utc_ms, root, leaf_count, audit_id, audit_hash, seal_id, signature)
values (
    :number, :at_utc_ms, :root, :leaf_count, :audit_id, :audit_hash,
    (select seal_id from seals where fingerprint = :fingerprint), :signature);

-- name: add_leaves(unit, since, boot, seq, hash)*!
insert into leaves (unit, since, boot, seq, hash) values (:unit, :since, :boot, :seq, :hash);

-- name: minute_newest(until)^
-- The newest minute; the newest whose time is not after `until` where it is not null.
select number, at_utc_ms, lower(hex(root)) as root, leaf_count, audit_id, lower(hex(audit_hash)) as audit_hash,
    fingerprint, lower(hex(signature)) as signature
from minutes join seals using (seal_id)
where :until is null or at_utc_ms <= :until
order by number desc limit 1;

-- name: minute_by_number(number)^
select number, at_utc_ms, lower(hex(root)) as root, leaf_count, audit_id, lower(hex(audit_hash)) as audit_hash,
    fingerprint, lower(hex(signature)) as signature
from minutes join seals using (seal_id) where number = :number;

-- name: minutes_walk(after, limit)
select number, at_utc_ms, lower(hex(root)) as root, leaf_count, audit_id, lower(hex(audit_hash)) as audit_hash,
    fingerprint, lower(hex(signature)) as signature
from minutes join seals using (seal_id) where number > :after order by number limit :limit;

-- name: seal_chain(fingerprint)^
select chain_pem from seals where fingerprint = :fingerprint;

-- name: leaf_after(unit, boot, seq)^
-- The first countersigned head of a unit that is not before this record.
select since, boot, seq, lower(hex(hash)) as hash from leaves
where unit = :unit and (boot, seq) >= (:boot, :seq) order by since limit 1;

-- name: leaf_newest(unit)^
select since, boot, seq, lower(hex(hash)) as hash from leaves where unit = :unit order by since desc limit 1;

-- name: leaves_unlike()
-- Units with countersigned heads whose record is another one or is not there: the first of those, and how many there are.
select leaf.unit, min(leaf.since) as since, count(*) as count, sum(records.hash is not null) as others
from leaves as leaf left join records
    on records.unit = leaf.unit and records.boot = leaf.boot and records.seq = leaf.seq
where records.hash is null or records.hash <> lower(hex(leaf.hash))
group by leaf.unit order by leaf.unit;

-- name: leaf_of(unit, since)^
select since, boot, seq, lower(hex(hash)) as hash from leaves where unit = :unit and since = :since;

-- name: record_before(unit, boot, seq)^
-- The newest record of a unit that is held and lies before this name.
select boot, seq from records where unit = :unit and (boot, seq) < (:boot, :seq) order by boot desc, seq desc limit 1;

-- name: heartbeat_of(unit)^
select heartbeat, heartbeat_utc_ms from presence where unit = :unit;

-- name: minute_gaps(since, longer_ms)
-- Times without countersignatures: from one minute to the next one, where that took long or the clock was set back.
select at_utc_ms, next_utc_ms from (
    select number, at_utc_ms, lead(at_utc_ms) over (order by number) as next_utc_ms
    from minutes where at_utc_ms >= :since)
where next_utc_ms - at_utc_ms > :longer_ms or next_utc_ms < at_utc_ms
order by number;

-- name: leaves_since(after, until)
select unit, boot, seq, lower(hex(hash)) as hash, since from leaves
where since > :after and since <= :until order by since, unit;
