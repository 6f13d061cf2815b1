-- name: budget_sittings(exam, sitting, since, until)
select t.sitting, t.exam, r.name as room, t.start_utc_ms, t.end_utc_ms, t.rules from sittings t join rooms r using (room_id)
where (:exam = '' or t.exam = :exam) and (:sitting = '' or t.sitting = :sitting)
    and t.start_utc_ms < :until and t.end_utc_ms > :since and t.cancelled_utc_ms is null
order by t.start_utc_ms desc, t.sitting;

-- name: budget_incidents(sittings, kinds)
select i.room, i.seat, i.kind, count(*) as incidents, sum(i.state = 'closed') as closed,
    sum(i.verdict is 'no_concern') as no_concern
from json_each(:sittings) as wanted cross join incidents i on i.sitting = wanted.value
where i.is_drill = 0 and i.part_of is null and i.merged_into is null
    and i.kind in (select value from json_each(:kinds))
group by i.room, i.seat, i.kind;

-- name: budget_alerts(sittings)
select a.room, a.seat, a.kind, count(*) as alerts
from json_each(:sittings) as wanted cross join alerts a on a.sitting = wanted.value
where a.is_drill = 0 group by a.room, a.seat, a.kind;

-- name: budget_member_alerts(sittings)
-- What is part of a room incident says nothing about a rule at a seat.
select a.room, a.seat, a.kind, count(*) as alerts from incidents m cross join alerts a on a.incident_id = m.incident_id
where m.part_of is not null and a.is_drill = 0 and a.sitting in (select value from json_each(:sittings))
group by a.room, a.seat, a.kind;

-- name: budget_due(sittings, now)
-- The time of each sitting so far, at every seat of its room that has a desk.
select r.name as room, s.label as seat,
    sum(max(min(coalesce(e.end_utc_ms, t.end_utc_ms), :now) - t.start_utc_ms, 0)) as ms
from json_each(:sittings) as wanted cross join sittings t on t.sitting = wanted.value
join rooms r using (room_id) join seats s on s.room_id = t.room_id and s.unit is not null
left join seat_ends e on e.sitting = t.sitting and e.seat = s.label
group by r.name, s.label;

-- name: budget_gaps(sittings)
select r.name as room, g.seat, sum(max(g.ended_utc_ms - g.began_utc_ms, 0)) as ms
from json_each(:sittings) as wanted cross join sittings t on t.sitting = wanted.value
join rooms r using (room_id) join gaps g on g.sitting = t.sitting
group by r.name, g.seat;

-- name: budget_exams()
select distinct exam from sittings order by exam;

-- name: what_if_seat(room, seat)^
select s.seat_id, s.label, s.unit, r.name as room from seats s join rooms r using (room_id)
where r.name = :room and s.label = :seat;

-- name: what_if_units(sitting, seat, unit)
-- The desks that stood there in this sitting, by what they recorded or raised, and the one there now.
select unit from segments where sitting = :sitting and seat = :seat
union select unit from alerts where sitting = :sitting and seat = :seat
union select :unit where :unit is not null;

-- name: what_if_alerts(sitting, room, seat, kind)
select a.unit, a.began_utc_ms, a.raised_utc_ms, a.cleared_utc_ms, a.incident_id, a.body, i.verdict, i.part_of
from alerts a left join incidents i using (incident_id)
where a.sitting = :sitting and a.room = :room and a.seat = :seat and a.kind = :kind and a.is_drill = 0
order by a.began_utc_ms;

-- name: what_if_observed(unit, since, until)
select body from records
where kind = 'observed' and unit = :unit and body is not null
    and received_utc_ms between :since - 3600000 and :until + 604800000
    and json_extract(body, '$.began[0]') < :until + 3600000 and json_extract(body, '$.ended[0]') > :since - 3600000
order by json_extract(body, '$.began[1]');

-- name: what_if_breaks(sitting, seat)
select began_utc_ms, coalesce(ended_utc_ms, limit_utc_ms) as until_utc_ms from breaks
where sitting = :sitting and seat = :seat order by began_utc_ms;
