-- name: review_page(state, room, kind, sitting, seat, verdict, category, assigned, drills, text, rank, opened, number, limit)
-- Members of a room incident that nobody has closed are worked on there.
-- In the order of the queue, those behind (rank, opened, number).
select i.incident_id, i.review_rank, i.unit, i.kind, i.sitting, i.room, i.seat, i.state, i.opened_utc_ms, i.began_utc_ms,
    i.cleared_utc_ms, i.acknowledged_utc_ms, i.acknowledged_by, i.closed_utc_ms, i.verdict, i.category, i.assigned_to,
    i.proposed_by, i.part_of, i.merged_into, i.version, i.is_drill,
    case when i.seat = '' then (select count(distinct seat) from (
        select m.seat from incidents m where m.part_of = i.incident_id
        union all
        select m.seat from room_members m where m.incident_id = i.incident_id and m.taken_out_utc_ms is null))
        else 0 end as member_count,
    (select c.number from stays s join candidates c using (candidate_id)
        where s.sitting = i.sitting and s.seat = i.seat and coalesce(s.from_utc_ms, 0) <= i.began_utc_ms
            and (s.until_utc_ms is null or s.until_utc_ms > i.began_utc_ms) limit 1) as candidate
from incidents i
where (i.review_rank, i.opened_utc_ms, i.incident_id) > (:rank, :opened, :number)
    and (:state = '' or i.state = :state or (:state = 'unfinished' and i.state <> 'closed'))
    and (i.state = 'closed' or i.part_of is null or (select r.state from incidents r where r.incident_id = i.part_of) = 'closed')
    and (:room = '' or i.room = :room) and (:kind = '' or i.kind = :kind)
    and (:sitting = '' or i.sitting = :sitting) and (:seat = '' or i.seat = :seat)
    and (:verdict = '' or coalesce(i.verdict, 'none') = :verdict)
    and (:category = '' or i.category = :category or i.category like :category || '.%')
    and (:assigned = '' or i.assigned_to = :assigned or (:assigned = '-' and i.assigned_to is null))
    and (:drills = '' or i.is_drill = (:drills = 'only'))
    and (:text = '' or i.seat like :text escape '\' or i.incident_id in (
        select o.incident_id from candidates c join stays s using (candidate_id)
            join incidents o on o.sitting = s.sitting and o.seat = s.seat
        where :text <> '' and c.number like :text escape '\' and coalesce(s.from_utc_ms, 0) <= o.began_utc_ms
            and (s.until_utc_ms is null or s.until_utc_ms > o.began_utc_ms)))
order by i.review_rank, i.opened_utc_ms, i.incident_id limit :limit;

-- name: review_before(state, room, kind, sitting, seat, verdict, category, assigned, drills, text, rank, opened, number)^
-- The one before that place.
select i.incident_id, i.review_rank, i.opened_utc_ms from incidents i
where (i.review_rank, i.opened_utc_ms, i.incident_id) < (:rank, :opened, :number)
    and (:state = '' or i.state = :state or (:state = 'unfinished' and i.state <> 'closed'))
    and (i.state = 'closed' or i.part_of is null or (select r.state from incidents r where r.incident_id = i.part_of) = 'closed')
    and (:room = '' or i.room = :room) and (:kind = '' or i.kind = :kind)
    and (:sitting = '' or i.sitting = :sitting) and (:seat = '' or i.seat = :seat)
    and (:verdict = '' or coalesce(i.verdict, 'none') = :verdict)
    and (:category = '' or i.category = :category or i.category like :category || '.%')
    and (:assigned = '' or i.assigned_to = :assigned or (:assigned = '-' and i.assigned_to is null))
    and (:drills = '' or i.is_drill = (:drills = 'only'))
    and (:text = '' or i.seat like :text escape '\' or i.incident_id in (
        select o.incident_id from candidates c join stays s using (candidate_id)
            join incidents o on o.sitting = s.sitting and o.seat = s.seat
        where :text <> '' and c.number like :text escape '\' and coalesce(s.from_utc_ms, 0) <= o.began_utc_ms
            and (s.until_utc_ms is null or s.until_utc_ms > o.began_utc_ms)))
order by i.review_rank desc, i.opened_utc_ms desc, i.incident_id desc limit 1;

-- name: review_counts(room, sitting, seat, text)
-- By all that the page counts; read from one index alone.
select i.state, i.kind, coalesce(i.verdict, 'none') as verdict, i.category, i.is_drill,
    coalesce(i.assigned_to, '') as assigned, count(*) as incidents
from incidents i indexed by incidents_counted
where (:room = '' or i.room = :room) and (:sitting = '' or i.sitting = :sitting) and (:seat = '' or i.seat = :seat)
    and (i.state = 'closed' or i.part_of is null or (select r.state from incidents r where r.incident_id = i.part_of) = 'closed')
    and (:text = '' or i.seat like :text escape '\' or i.incident_id in (
        select o.incident_id from candidates c join stays s using (candidate_id)
            join incidents o on o.sitting = s.sitting and o.seat = s.seat
        where :text <> '' and c.number like :text escape '\' and coalesce(s.from_utc_ms, 0) <= o.began_utc_ms
            and (s.until_utc_ms is null or s.until_utc_ms > o.began_utc_ms)))
group by i.state, i.kind, i.verdict, i.category, i.is_drill, i.assigned_to;

-- name: review_newest()^
select max(opened_utc_ms) from incidents where is_drill = 0;

-- name: review_rooms()
select name from rooms order by name;

-- name: review_sittings()
select sitting, exam from sittings order by start_utc_ms desc limit 100;
