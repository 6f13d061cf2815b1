-- name: earlier_at_seat(room, seat, incident_id, limit)
select incident_id, kind, sitting, state, verdict, began_utc_ms, is_drill, part_of from incidents
where room = :room and seat = :seat and incident_id < :incident_id and merged_into is null
order by incident_id desc limit :limit;

-- name: count_earlier_at_seat(room, seat, incident_id, sitting)^
select count(*) as total, coalesce(sum(sitting = :sitting), 0) as here from incidents
where room = :room and seat = :seat and incident_id < :incident_id and merged_into is null;

-- name: sat_there(sitting, seat, at)
select c.candidate_id, c.number, c.name, c.is_walk_in, c.extra_ms, c.no_show_utc_ms from stays s join candidates c using (candidate_id)
where s.sitting = :sitting and s.seat = :seat
    and (s.from_utc_ms is null or s.from_utc_ms <= :at) and (s.until_utc_ms is null or s.until_utc_ms > :at)
order by s.stay_id desc;

-- name: places_of_room(room)
-- Who stood at a seat then is told by what its desk recorded; the unit there now stands for it where nothing was.
select s.seat_id, s.label, s.unit, s.map_x, s.map_y from seats s join rooms r using (room_id) where r.name = :room;

-- name: alerts_at(units, at)
select unit, kind, is_drill from alerts
where unit in (select value from json_each(:units)) and began_utc_ms <= :at and (cleared_utc_ms is null or cleared_utc_ms > :at)
order by unit, began_utc_ms;

-- name: done_at_seat(room, sitting, seat, since, until)
select 'press' as kind, is_signal as detail, at_utc_ms as since_utc_ms, at_utc_ms as until_utc_ms from attended
where sitting = :sitting and seat = :seat and room = :room and at_utc_ms between :since and :until
union all
select 'break', kind, began_utc_ms, ended_utc_ms from breaks
where sitting = :sitting and seat = :seat and began_utc_ms <= :until and coalesce(ended_utc_ms, :until) >= :since
union all
select 'bookmark', note, at_utc_ms, at_utc_ms from bookmarks
where sitting = :sitting and seat in (:seat, '') and at_utc_ms between :since and :until
order by 3;
