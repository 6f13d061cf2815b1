-- Where each unit has stood, hub time: one row for each stay at a seat, the last one open. From 0: since before the hub
-- kept this, or since the seat was made. Triggers keep it, by the hub's own clock, so that no way of moving a unit forgets.
create table seatings (
    seating_id integer primary key autoincrement,
    seat_id integer not null references seats on delete cascade,
    unit text not null references units,
    from_utc_ms integer not null,
    until_utc_ms integer
) strict;
create index seatings_of_seat on seatings (seat_id, from_utc_ms);
create index seatings_of_unit on seatings (unit, from_utc_ms);
insert into seatings (seat_id, unit, from_utc_ms) select seat_id, unit, 0 from seats where unit is not null;
create trigger seats_made after insert on seats when new.unit is not null
begin
    insert into seatings (seat_id, unit, from_utc_ms) values (new.seat_id, new.unit, 0);
end;
create trigger seats_changed after update of unit on seats when old.unit is not new.unit
begin
    update seatings
    set until_utc_ms = max(from_utc_ms, cast((julianday('now') - 2440587.5) * 86400000 as integer))
    where seat_id = old.seat_id and until_utc_ms is null;
    insert into seatings (seat_id, unit, from_utc_ms)
    select new.seat_id, new.unit, cast((julianday('now') - 2440587.5) * 86400000 as integer) where new.unit is not null;
end;

-- What desks recorded carries the name that the room, and the label that the seat, had then: those stand here, and nobody
-- else gets them.
create table former_names (
    room_id integer not null references rooms on delete cascade,
    name text not null unique,
    until_utc_ms integer not null
) strict;
create table former_labels (
    seat_id integer not null references seats on delete cascade,
    room_id integer not null references rooms on delete cascade,
    label text not null,
    until_utc_ms integer not null,
    unique (room_id, label)
) strict;
create index former_labels_of_seat on former_labels (seat_id, until_utc_ms);

-- Every name under which something may have been kept of a seat.
create view seat_names as
select s.seat_id, s.room_id, r.name as room, l.label
from seats s
    join (select room_id, name from rooms union all select room_id, name from former_names) r using (room_id)
    join (select seat_id, label from seats union all select seat_id, label from former_labels) l using (seat_id);

create view seat_labels as
select s.seat_id, s.room_id, s.label from seats s
union all select f.seat_id, f.room_id, f.label from former_labels f;

-- When each sitting that is not cancelled begins in its room, the time of the empty seats included, and is over for all.
create view room_sittings as
select t.sitting, t.exam, t.room_id, min(t.start_utc_ms, coalesce(t.empty_from_utc_ms, t.start_utc_ms)) as began_utc_ms,
    max(t.end_utc_ms, coalesce((select max(e.end_utc_ms) from seat_ends e where e.sitting = t.sitting), 0)) as over_utc_ms
from sittings t where t.cancelled_utc_ms is null;

-- A seat's history: each part of it by one look into an index.
create index alerts_of_seat on alerts (room, seat, raised_utc_ms);
create index incidents_of_seat on incidents (room, seat, opened_utc_ms);
create index faults_of_unit on faults (unit, raised_utc_ms);
create index signals_of_seat on signals (room, seat, given_utc_ms);
create index gaps_of_seat on gaps (sitting, seat, began_utc_ms);
create index sittings_of_room on sittings (room_id, start_utc_ms);
