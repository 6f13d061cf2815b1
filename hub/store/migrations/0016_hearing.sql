-- When the hub itself heard nobody, because ingest was not running: desks' silence in that time is none of theirs. Hub time.
create table deaf_times (
    deaf_id integer primary key,
    from_utc_ms integer not null,
    until_utc_ms integer not null check (until_utc_ms >= from_utc_ms)
) strict;
create index deaf_times_until on deaf_times (until_utc_ms);

-- As before (0012_playing.sql), but the silence is counted from when the hub heard again, where it went deaf before the
-- desk was late.
drop trigger presence_heard;
create trigger presence_heard after update of heartbeat_utc_ms on presence
when new.heartbeat_utc_ms is not null
    and (new.heartbeat_utc_ms - old.heartbeat_utc_ms >= 3500
        or exists (select 1 from absences a where a.unit = new.unit and a.until_utc_ms is null))
begin
    insert into absences (unit, from_utc_ms)
    select new.unit, known.until_utc_ms + 3500
    from (select max(old.heartbeat_utc_ms, coalesce((
        select max(d.until_utc_ms) from deaf_times d
        where d.until_utc_ms > old.heartbeat_utc_ms and d.from_utc_ms < old.heartbeat_utc_ms + 3500), 0)) as until_utc_ms
    ) as known
    where new.heartbeat_utc_ms - known.until_utc_ms >= 3500
    on conflict do nothing;
    update absences set until_utc_ms = max(from_utc_ms, new.heartbeat_utc_ms)
    where unit = new.unit and until_utc_ms is null;
end;

-- What the Live page asks each time something changes, whatever the number of incidents and segments.
create index faults_standing on faults (unit) where state <> 'cleared';
create index alerts_standing on alerts (unit) where cleared_utc_ms is null;
create index incidents_newest on incidents (opened_utc_ms) where is_drill = 0;
create index signals_given on signals (given_utc_ms);
