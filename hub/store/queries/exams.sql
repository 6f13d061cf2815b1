-- name: exams_sitting(sitting)^
select t.*, r.name as room, e.end_utc_ms as latest_end_utc_ms
from sittings t join rooms r using (room_id) join sitting_ends e using (sitting) where t.sitting = :sitting;

-- name: exams_sittings(exam, limit)
-- Of one exam ('': of all), the newest first.
select t.*, r.name as room, e.end_utc_ms as latest_end_utc_ms,
    (select count(*) from candidates c where c.sitting = t.sitting) as candidates,
    (select count(*) from seats s where s.room_id = t.room_id) as seats
from sittings t join rooms r using (room_id) join sitting_ends e using (sitting)
where :exam = '' or t.exam = :exam
order by t.start_utc_ms desc, r.name limit :limit;

-- name: exams_listed()
-- The nearest to come or newest first.
select e.exam, e.paper, e.day, e.zone, e.profile, e.version, e.retention
from exams e left join sittings t using (exam)
group by e.exam order by coalesce(max(t.start_utc_ms), 9000000000000) desc, e.day desc, e.exam;

-- name: exams_one(exam)^
select exam, paper, day, zone, profile, version, retention from exams where exam = :exam;

-- name: exams_states()
select t.exam, t.sitting, t.start_utc_ms, t.closed_utc_ms, t.cancelled_utc_ms, e.end_utc_ms as latest_end_utc_ms
from sittings t join sitting_ends e using (sitting);

-- name: exams_insert(exam, paper, day, zone, profile)!
insert into exams (exam, paper, day, zone, profile) values (:exam, :paper, :day, :zone, :profile);

-- name: exams_update(exam, paper, day, zone, profile)!
update exams set paper = :paper, day = :day, zone = :zone, profile = :profile, version = version + 1
where exam = :exam;

-- name: exams_rooms()
select r.name as room, count(s.label) as seats, count(s.unit) as desks
from rooms r left join seats s using (room_id) group by r.room_id order by r.name;

-- name: exams_retime(sitting, start_utc_ms, end_utc_ms, empty_from_utc_ms, empty_until_utc_ms, reason)!
update sittings set start_utc_ms = :start_utc_ms, end_utc_ms = :end_utc_ms, empty_from_utc_ms = :empty_from_utc_ms,
    empty_until_utc_ms = :empty_until_utc_ms, change_reason = :reason, version = version + 1
where sitting = :sitting;

-- name: exams_cancel(sitting, now, who, reason)!
update sittings set cancelled_utc_ms = :now, cancelled_by = :who, change_reason = :reason, version = version + 1
where sitting = :sitting;

-- name: profiles_all()
select profile, body, version from profiles order by profile;

-- name: profiles_one(profile)^
select profile, body, version from profiles where profile = :profile;

-- name: profiles_insert(profile, body)!
insert into profiles (profile, body) values (:profile, :body);

-- name: profiles_update(profile, body)!
update profiles set body = :body, version = version + 1 where profile = :profile;

-- name: profiles_sittings_ahead(profile, now)
select sitting from sittings
where profile = :profile and start_utc_ms > :now and cancelled_utc_ms is null order by start_utc_ms, sitting;

-- name: profiles_apply(sitting, mode, rules, is_buzzer_allowed, may_lamp_show_alerts, toilet_ms)!
update sittings set mode = :mode, rules = :rules, is_buzzer_allowed = :is_buzzer_allowed,
    may_lamp_show_alerts = :may_lamp_show_alerts, toilet_ms = :toilet_ms, version = version + 1
where sitting = :sitting;
