-- Where a revoked unit stood: its seat is free at once, and a desk that replaces it finds it.
alter table units add column last_room text not null default '';
alter table units add column last_seat text not null default '';
update units set last_room = r.name, last_seat = s.label
from seats s join rooms r using (room_id) where s.unit = units.unit and units.is_revoked = 1;
update seats set unit = null where unit in (select unit from units where is_revoked = 1);
