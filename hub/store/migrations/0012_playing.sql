-- Film is asked for by seat and time: each look reads the index alone, also when it adds up a whole sitting.
drop index if exists segments_of_seat; -- a longer one takes its place
create index segments_of_seat on segments (sitting, seat, began_utc_ms, ended_utc_ms, unit);
create index records_observed on records (unit, received_utc_ms) where kind = 'observed';

-- When a desk was not there: since the dashboard showed it as offline or not answering, until it was heard of again.
-- What a gap's report says of who was told stands on it.
create table absences (
    absence_id integer primary key,
    unit text not null,
    from_utc_ms integer not null, -- hub time, as both
    until_utc_ms integer -- null: still
) strict;
create index absences_of_unit on absences (unit, from_utc_ms);
create unique index absences_standing on absences (unit) where until_utc_ms is null;

-- The broker's last will, or word that the desk ends.
create trigger presence_gone after update of is_online on presence
when old.is_online = 1 and new.is_online = 0
begin
    insert into absences (unit, from_utc_ms) values (new.unit, new.status_utc_ms) on conflict do nothing;
end;

-- Silence: 3.5 s without a heartbeat is what the dashboard calls not answering (hub.core.presence).
create trigger presence_heard after update of heartbeat_utc_ms on presence
when new.heartbeat_utc_ms is not null
    and (new.heartbeat_utc_ms - old.heartbeat_utc_ms >= 3500
        or exists (select 1 from absences a where a.unit = new.unit and a.until_utc_ms is null))
begin
    insert into absences (unit, from_utc_ms)
    select new.unit, old.heartbeat_utc_ms + 3500 where new.heartbeat_utc_ms - old.heartbeat_utc_ms >= 3500
    on conflict do nothing;
    update absences set until_utc_ms = max(from_utc_ms, new.heartbeat_utc_ms)
    where unit = new.unit and until_utc_ms is null;
end;
