-- name: report_exam(exam)^
select exam, paper, day, zone from exams where exam = :exam;

-- name: report_film(sitting)^
select min(began_utc_ms) as first_recorded_utc_ms, max(ended_utc_ms) as last_recorded_utc_ms, count(*) as segments,
    coalesce(sum(stored_utc_ms is null and purged_utc_ms is null), 0) as segments_pending,
    coalesce(sum(purged_utc_ms is not null), 0) as segments_purged
from segments where sitting = :sitting;

-- name: report_roster(sitting)
select candidate_id, number, name, seat, extra_ms, is_walk_in, no_show_utc_ms from candidates
where sitting = :sitting order by number;

-- name: report_stays(sitting)
select candidate_id, seat, from_utc_ms, until_utc_ms from stays where sitting = :sitting order by stay_id;

-- name: report_breaks(sitting)
select b.candidate_id, b.seat, c.number as candidate, b.kind, b.began_utc_ms, b.limit_utc_ms, b.ended_utc_ms, b.given_by,
    b.ended_by
from breaks b left join candidates c using (candidate_id) where b.sitting = :sitting order by b.began_utc_ms, b.break_id;

-- name: report_incidents(sitting)
select i.incident_id as number, i.seat, i.kind, i.state, i.opened_utc_ms, i.began_utc_ms, i.cleared_utc_ms,
    i.acknowledged_utc_ms, i.acknowledged_by, i.closed_utc_ms, i.verdict, i.category, i.part_of, i.is_drill,
    (select e.who from incident_events e where e.incident_id = i.incident_id and e.action = 'closed'
        order by e.event_id desc limit 1) as closed_by,
    (select count(*) from alerts a where a.incident_id = i.incident_id) as alerts,
    (select min(a.raised_utc_ms) from alerts a where a.incident_id = i.incident_id) as raised_utc_ms,
    (select json_extract(a.body, '$.rule') from alerts a where a.incident_id = i.incident_id
        order by a.raised_utc_ms limit 1) as rule
from incidents i where i.sitting = :sitting and i.merged_into is null order by i.opened_utc_ms, i.incident_id;

-- name: report_alerts(sitting)
select kind, is_drill, count(*) as count, sum(cleared_utc_ms is null) as standing from alerts
where sitting = :sitting group by kind, is_drill order by kind;

-- name: report_bookmarks(sitting)
select at_utc_ms, seat, made_by, note from bookmarks where sitting = :sitting order by at_utc_ms, bookmark_id;

-- name: report_signals(sitting)
select given_utc_ms, seat, given_by, note, ended_utc_ms, ended_by from signals
where sitting = :sitting order by given_utc_ms, signal_id;

-- name: report_attended(sitting)
select at_utc_ms, seat, unit, is_signal, is_drill, json_array_length(alerts) as alerts from attended
where sitting = :sitting order by at_utc_ms, unit, seq;

-- name: report_faults(units, since, until)
select unit, kind, began_utc_ms, cleared_utc_ms, detail from faults
where unit in (select value from json_each(:units)) and began_utc_ms < :until
    and (cleared_utc_ms is null or cleared_utc_ms >= :since)
order by began_utc_ms, unit, kind;

-- name: report_starts(sitting)
-- The agent's starts that recorded it, newest first, each with what it said of itself: the first records of a boot.
select b.unit, b.boot, (select r.body from records r where r.unit = b.unit and r.boot = b.boot and r.kind = 'restart'
    order by r.seq limit 1) as body
from (select distinct unit, boot from segments where sitting = :sitting) b order by b.unit, b.boot desc;

-- name: report_heard(units)
select unit, heartbeat, heartbeat_utc_ms from presence where unit in (select value from json_each(:units));

-- name: report_audit_at(audit_id)^
select at_utc_ms from audit where audit_id = :audit_id;

-- name: report_audit_newest()^
select coalesce(max(audit_id), 0) from audit;

-- name: report_staff(first, since, until, object)
-- Who did anything in that time, and who had logged in up to 12 hours before it and had not logged out again.
with entries as (select * from audit where audit_id >= :first and role not in ('none', '') and at_utc_ms < :until),
acted as (
    select who, role, min(at_utc_ms) as first_utc_ms, max(at_utc_ms) as last_utc_ms, count(*) as acts,
        sum(object = :object) as acts_here
    from entries where at_utc_ms >= :since group by who, role),
logged_in as (
    select who, role, max(case deed when 'logged_in' then audit_id end) as came,
        max(case deed when 'logged_out' then audit_id else 0 end) as went
    from entries where at_utc_ms < :since and at_utc_ms >= :since - 43200000 group by who, role having came > went)
select who, role, first_utc_ms, last_utc_ms, acts, acts_here from acted
union all select who, role, null, null, 0, 0 from logged_in l
where not exists (select 1 from acted a where a.who = l.who and a.role = l.role)
order by who, role;

-- name: report_holds(sitting)
select h.hold_id as number, coalesce(h.seat, i.seat, '') as seat, h.reason, h.placed_by, h.placed_utc_ms
from holds h left join incidents i using (incident_id)
where h.released_utc_ms is null and coalesce(h.sitting, i.sitting) = :sitting order by h.hold_id;

-- name: report_purges(sitting)
select purge_number as certificate, count(*) as segments from segments
where sitting = :sitting and purge_number is not null group by purge_number order by purge_number;

-- name: report_keep(closing_id, made, statement, signature, chain)!
insert into sitting_reports (closing_id, made_utc_ms, statement, signature, chain_pem)
values (:closing_id, :made, :statement, :signature, :chain) on conflict do nothing;

-- name: report_kept(sitting, closing_id)^
-- Of that closing, 0: of the one that stands.
select r.closing_id, r.made_utc_ms, r.statement, r.signature, r.chain_pem from sitting_reports r
join closings c using (closing_id)
where c.sitting = :sitting and (c.closing_id = :closing_id or (:closing_id = 0 and c.reopened_utc_ms is null));
