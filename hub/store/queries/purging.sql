-- name: kept_places()
-- What the hub has, by sitting, unit and seat, with what its exam says and how much of it is held.
with held as materialized (
    select segment, group_concat(distinct hold_id) as holds from held_segments group by segment
), held_pictures as materialized (
    select still, group_concat(distinct hold_id) as holds from held_stills group by still
), things as (
    select s.sitting, s.unit, s.seat, s.size_bytes, h.holds
    from segments s left join held h on h.segment = s.rowid
    where s.stored_utc_ms is not null and s.purged_utc_ms is null
    union all
    select p.sitting, p.unit, p.seat, p.size_bytes, h.holds
    from (select distinct still, sitting, unit, seat, size_bytes from placed_stills) p
        left join held_pictures h using (still)
), places as (
    select sitting, unit, seat, count(*) as items, sum(size_bytes) as size_bytes, count(holds) as held,
        coalesce(sum(case when holds is not null then size_bytes end), 0) as held_bytes,
        coalesce(group_concat(distinct holds), '') as holds
    from things group by sitting, unit, seat
)
select t.exam, p.sitting, p.unit, p.seat, coalesce(ends.end_utc_ms, 0) as sitting_end_utc_ms, e.retention as rule_text,
    e.results_utc_ms, p.items, p.size_bytes, p.held, p.held_bytes, p.holds,
    exists (
        select 1 from incidents i
        where i.sitting = p.sitting and (i.unit = p.unit or (p.seat <> '' and i.seat = p.seat))
            and (i.verdict in ('refer', 'confirmed_by_centre') or (i.state <> 'closed' and exists (
                select 1 from incident_events v where v.incident_id = i.incident_id
                    and v.verdict in ('refer', 'confirmed_by_centre'))))) as is_referred,
    (select count(*) from incidents i
        where i.sitting = p.sitting and i.state <> 'closed' and i.is_drill = 0
            and (i.unit = p.unit or (p.seat <> '' and i.seat = p.seat))) as unjudged
from places p left join sittings t on t.sitting = p.sitting left join sitting_ends ends on ends.sitting = t.sitting
    left join exams e on e.exam = t.exam
order by t.exam, p.sitting, p.seat, p.unit;

-- name: place_of(sitting, unit, seat)^
-- The same of one place, without amounts: whether its reason to go still holds.
select t.exam, :sitting as sitting, :unit as unit, :seat as seat, coalesce(ends.end_utc_ms, 0) as sitting_end_utc_ms,
    e.retention as rule_text, e.results_utc_ms, 0 as items, 0 as size_bytes, 0 as held, 0 as held_bytes, '' as holds,
    exists (
        select 1 from incidents i
        where i.sitting = :sitting and (i.unit = :unit or (:seat <> '' and i.seat = :seat))
            and (i.verdict in ('refer', 'confirmed_by_centre') or (i.state <> 'closed' and exists (
                select 1 from incident_events v where v.incident_id = i.incident_id
                    and v.verdict in ('refer', 'confirmed_by_centre'))))) as is_referred,
    0 as unjudged
from (select 1) left join sittings t on t.sitting = :sitting left join sitting_ends ends on ends.sitting = t.sitting
    left join exams e on e.exam = t.exam;

-- name: free_segments(sitting, unit, seat)
-- Those of the place that no hold covers: `held_segments` in other words, asked for one place, so that what it costs
-- hangs on the holds over this place alone.
with over as materialized (
    select boot, began, ended from hold_stretches
    where (sitting = :sitting and (
            unit = :unit or (seat is not null and :seat in (seat, '')) or (unit is null and seat is null)))
        or (sitting = '' and unit = :unit)
)
select 'segment' as kind, unit, name, sitting, seat, sha256, size_bytes, began_utc_ms, ended_utc_ms
from segments s
where sitting = :sitting and unit = :unit and seat = :seat and stored_utc_ms is not null and purged_utc_ms is null
    and not exists (
        select 1 from over h where case when h.boot is null
            then min(s.began_utc_ms, s.ended_utc_ms) <= h.ended and max(s.began_utc_ms, s.ended_utc_ms) >= h.began
            else h.boot = s.boot and s.began_up_ms <= h.ended and s.ended_up_ms >= h.began end)
order by name;

-- name: free_stills(sitting, unit, seat)
-- One picture may be that of alerts of several places: a camera that stands still or is covered shows the same twice. It
-- is held by what holds any of them, and goes with the last of them; where one of them is kept for ever it stays.
select distinct 'still' as kind, unit, sha256 as name, sitting, seat, sha256, size_bytes, utc_ms as began_utc_ms,
    utc_ms as ended_utc_ms
from placed_stills p
where sitting = :sitting and unit = :unit and seat = :seat
    and still not in (select still from held_stills where unit = :unit)
    and not exists (
        select 1 from alerts o left join sittings t using (sitting) left join sitting_ends using (sitting)
            left join exams e using (exam)
        where o.unit = p.unit and o.still_sha256 = p.sha256 and (o.sitting, o.seat) <> (:sitting, :seat)
            and (e.retention is null or (sitting_ends.end_utc_ms, o.sitting, o.seat)
                > (coalesce((select end_utc_ms from sitting_ends where sitting = :sitting), 0), :sitting, :seat)))
order by name;

-- name: segment_states(sitting, unit, seat, names)
-- How these segments of a place are now; `names` is a JSON list. One that has come to another place is not the same.
with over as materialized (
    select boot, began, ended from hold_stretches
    where (sitting = :sitting and (
            unit = :unit or (seat is not null and :seat in (seat, '')) or (unit is null and seat is null)))
        or (sitting = '' and unit = :unit)
)
select s.rowid as thing, s.name, s.sha256, coalesce(s.purge_number, 0) as purge_number,
    s.stored_utc_ms is not null and s.purged_utc_ms is null and s.sitting = :sitting and s.seat = :seat as is_here,
    exists (
        select 1 from over h where case when h.boot is null
            then min(s.began_utc_ms, s.ended_utc_ms) <= h.ended and max(s.began_utc_ms, s.ended_utc_ms) >= h.began
            else h.boot = s.boot and s.began_up_ms <= h.ended and s.ended_up_ms >= h.began end) as is_held
from json_each(:names) as n cross join segments s on s.unit = :unit and s.name = n.value;

-- name: still_states(sitting, unit, seat, names)
with held as materialized (select distinct still from held_stills where unit = :unit)
select p.rowid as thing, p.sha256 as name, p.sha256, 0 as purge_number, p.rowid in held as is_held,
    not exists (
        select 1 from alerts o left join sittings t using (sitting) left join sitting_ends using (sitting)
            left join exams e using (exam)
        where o.unit = p.unit and o.still_sha256 = p.sha256 and (o.sitting, o.seat) <> (:sitting, :seat)
            and (e.retention is null or (sitting_ends.end_utc_ms, o.sitting, o.seat)
                > (coalesce((select end_utc_ms from sitting_ends where sitting = :sitting), 0), :sitting, :seat))) as is_here
from json_each(:names) as n cross join stills p on p.unit = :unit and p.sha256 = n.value
union all
select 0, g.sha256, g.sha256, g.purge_number, 0, 0
from json_each(:names) as n cross join purged_stills g on g.unit = :unit and g.sha256 = n.value;

-- name: insert_purge_plan(now, who, digest, items, size_bytes, kept)<!
insert into purge_plans (made_utc_ms, made_by, digest, item_count, size_bytes, kept)
values (:now, :who, :digest, :items, :size_bytes, :kept) returning plan_id;

-- name: insert_purge_part(plan_id, part, exam, sitting, unit, seat, rule, results_utc_ms, due_utc_ms, why, item_count, size_bytes, sha256, lines)!
insert into purge_parts (plan_id, part, exam, sitting, unit, seat, rule, results_utc_ms, due_utc_ms, why, item_count,
    size_bytes, sha256, lines)
values (:plan_id, :part, :exam, :sitting, :unit, :seat, :rule, :results_utc_ms, :due_utc_ms, :why, :item_count,
    :size_bytes, :sha256, :lines);

-- name: finish_purge_plan(plan_id)!
update purge_plans set is_whole = 1 where plan_id = :plan_id;

-- name: old_purge_plans(before, unfinished_before)
-- Those that nobody applied, and those that whoever made them did not live to finish.
select plan_id from purge_plans
where (made_utc_ms < :before or (is_whole = 0 and made_utc_ms < :unfinished_before))
    and plan_id not in (select plan_id from purges);

-- name: drop_purge_parts(plan_id)!
delete from purge_parts where plan_id = :plan_id;

-- name: drop_purge_plan(plan_id)!
delete from purge_plans where plan_id = :plan_id;

-- name: purge_plan_by_id(plan_id)^
select p.*, g.number, g.ended_utc_ms from purge_plans p left join purges g using (plan_id)
where plan_id = :plan_id and is_whole = 1;

-- name: purge_plans_newest(limit)
select p.*, g.number, g.ended_utc_ms from purge_plans p left join purges g using (plan_id)
where is_whole = 1 order by plan_id desc limit :limit;

-- name: purge_plan_of_digest(digest)^
-- The same plan, made before and applied by nobody.
select plan_id from purge_plans
where digest = :digest and is_whole = 1 and plan_id not in (select plan_id from purges) order by plan_id desc limit 1;

-- name: purge_parts_of(plan_id)
select exam, sitting, unit, seat, rule, results_utc_ms, due_utc_ms, why, item_count, size_bytes, sha256
from purge_parts where plan_id = :plan_id order by part;

-- name: purge_lines_of(plan_id, part)^
select lines from purge_parts where plan_id = :plan_id and part = :part;

-- name: insert_purge(plan_id, now, who)<!
insert into purges (plan_id, began_utc_ms, began_by) values (:plan_id, :now, :who) returning number;

-- name: end_purge(number, now, statement, signature, chain_pem)!
update purges set ended_utc_ms = :now, statement = :statement, signature = :signature, chain_pem = :chain_pem
where number = :number and ended_utc_ms is null;

-- name: purge_by_number(number)^
select * from purges where number = :number;

-- name: purge_of_plan(plan_id)^
select * from purges where plan_id = :plan_id;

-- name: purges_newest(limit)
select g.*, coalesce(sum(i.item_count), 0) as items, coalesce(sum(i.size_bytes), 0) as size_bytes
from purges g left join purge_items i using (number) group by g.number order by g.number desc limit :limit;

-- name: purge_chunks(number)
select chunk, item_count, size_bytes, lines from purge_items where number = :number order by chunk;

-- name: insert_purge_items(number, items, size_bytes, lines)!
insert into purge_items (number, chunk, item_count, size_bytes, lines)
values (:number, (select coalesce(max(chunk), 0) + 1 from purge_items where number = :number), :items, :size_bytes, :lines);

-- name: mark_purged(number, now, things)!
update segments set purged_utc_ms = :now, purge_number = :number
where rowid in (select value from json_each(:things));

-- name: unneed_files(now, things)!
-- The files of segments just purged that no stored one needs any more.
insert into garbage (sha256, since_utc_ms)
select distinct s.sha256, :now from segments s
where s.rowid in (select value from json_each(:things)) and not exists (
    select 1 from segments other
    where other.sha256 = s.sha256 and other.stored_utc_ms is not null and other.purged_utc_ms is null)
on conflict do nothing;

-- name: drop_unneeded_blobs(things)!
delete from blobs where sha256 in (
    select s.sha256 from segments s join garbage using (sha256)
    where s.rowid in (select value from json_each(:things)));

-- name: note_purged_stills(number, things)!
insert into purged_stills (unit, sha256, purge_number)
select unit, sha256, :number from stills where rowid in (select value from json_each(:things)) on conflict do nothing;

-- name: delete_stills(things)!
delete from stills where rowid in (select value from json_each(:things));

-- name: garbage_free(after, limit)
-- Files to be deleted, in the order of their names, without those that a stored segment needs after all.
select sha256 from garbage g
where sha256 > :after and not exists (
    select 1 from segments s
    where s.sha256 = g.sha256 and s.stored_utc_ms is not null and s.purged_utc_ms is null)
order by sha256 limit :limit;

-- name: drop_needed_garbage()!
-- A row for a file that a stored segment needs would keep its content from ever being stored again.
delete from garbage where exists (
    select 1 from segments s
    where s.sha256 = garbage.sha256 and s.stored_utc_ms is not null and s.purged_utc_ms is null);

-- name: garbage_left()^
select count(*) as held from garbage;

-- name: drop_garbage(names)!
delete from garbage where sha256 in (select value from json_each(:names));

-- name: purged_stills_of_incident(incident_id)
select g.sha256, g.purge_number from alerts a join purged_stills g on g.unit = a.unit and g.sha256 = a.still_sha256
where a.incident_id = :incident_id;

-- name: exams_all()
select e.exam, e.retention, e.results_utc_ms, count(t.sitting) as sittings, min(t.start_utc_ms) as first_utc_ms,
    max(s.end_utc_ms) as last_utc_ms
from exams e left join sittings t on t.exam = e.exam and t.cancelled_utc_ms is null left join sitting_ends s using (sitting)
group by e.exam order by max(s.end_utc_ms) desc, e.exam;

-- name: exam_by_name(exam)^
select exam, retention, results_utc_ms,
    (select min(start_utc_ms) from sittings where sittings.exam = exams.exam) as first_utc_ms
from exams where exam = :exam;

-- name: set_exam_rule(exam, rule)!
update exams set retention = :rule where exam = :exam;

-- name: set_exam_results(exam, results)!
update exams set results_utc_ms = :results where exam = :exam;
