-- name: roster_candidates(sitting)
select candidate_id, number, name, seat, extra_ms, break_ms, is_walk_in, no_show_utc_ms, version, changed_utc_ms,
    changed_by, changed
from candidates where sitting = :sitting order by seat, number;

-- name: roster_candidate(sitting, candidate_id)^
select candidate_id, number, name, seat, extra_ms, break_ms, is_walk_in, no_show_utc_ms, version, changed_utc_ms,
    changed_by, changed
from candidates where sitting = :sitting and candidate_id = :candidate_id;

-- name: roster_who_sat(sitting, seat, at)^
-- A no-show has a stay where they were expected, and sat nowhere.
select c.candidate_id, c.number, c.name, s.seat, c.extra_ms, c.break_ms, c.is_walk_in, c.no_show_utc_ms, c.version,
    c.changed_utc_ms, c.changed_by, c.changed
from stays s join candidates c using (candidate_id)
where s.sitting = :sitting and s.seat = :seat and c.no_show_utc_ms is null
    and coalesce(s.from_utc_ms, :at) <= :at and coalesce(s.until_utc_ms, :at + 1) > :at
order by s.stay_id desc limit 1;

-- name: roster_stays(sitting)
select s.stay_id, s.candidate_id, c.number, s.seat, s.from_utc_ms, s.until_utc_ms
from stays s join candidates c using (candidate_id) where s.sitting = :sitting order by s.stay_id;

-- name: roster_seats(sitting)
select s.seat_id, s.label, s.unit from seats s join sittings t using (room_id)
where t.sitting = :sitting order by s.label;

-- name: roster_insert(sitting, number, name, seat, extra_ms, break_ms, is_walk_in, now, who, changed)<!
insert into candidates (sitting, number, name, seat, extra_ms, break_ms, is_walk_in, changed_utc_ms, changed_by, changed)
values (:sitting, :number, :name, :seat, :extra_ms, :break_ms, :is_walk_in, :now, :who, :changed);

-- name: roster_update(candidate_id, name, seat, extra_ms, break_ms, no_show_utc_ms, now, who, changed)!
update candidates set name = :name, seat = :seat, extra_ms = :extra_ms, break_ms = :break_ms,
    no_show_utc_ms = :no_show_utc_ms, version = version + 1, changed_utc_ms = :now, changed_by = :who, changed = :changed
where candidate_id = :candidate_id;

-- name: roster_park(candidate_id)!
-- Two who change places would for a moment have the same seat.
update candidates set seat = '(moving ' || candidate_id || ')' where candidate_id = :candidate_id;

-- name: roster_delete_stays(candidate_id)!
delete from stays where candidate_id = :candidate_id;

-- name: roster_delete(candidate_id)!
delete from candidates where candidate_id = :candidate_id;

-- name: roster_has_breaks(candidate_id)^
select exists (select 1 from breaks where candidate_id = :candidate_id) as has_breaks;

-- name: roster_begin_stay(candidate_id, sitting, seat, from_utc_ms)!
insert into stays (candidate_id, sitting, seat, from_utc_ms) values (:candidate_id, :sitting, :seat, :from_utc_ms);

-- name: roster_end_stay(candidate_id, now)!
update stays set until_utc_ms = :now where candidate_id = :candidate_id and until_utc_ms is null;

-- name: roster_draft(sitting, who)^
select digest, file_name, encoding, content, made_utc_ms from roster_drafts where sitting = :sitting and who = :who;

-- name: roster_put_draft(sitting, who, digest, file_name, encoding, content, now)!
insert into roster_drafts (sitting, who, digest, file_name, encoding, content, made_utc_ms)
values (:sitting, :who, :digest, :file_name, :encoding, :content, :now)
on conflict (sitting, who) do update set digest = excluded.digest, file_name = excluded.file_name,
    encoding = excluded.encoding, content = excluded.content, made_utc_ms = excluded.made_utc_ms;

-- name: roster_drop_draft(sitting, who)!
delete from roster_drafts where sitting = :sitting and who = :who;

-- name: roster_drop_old_drafts(before)!
delete from roster_drafts where made_utc_ms < :before;
