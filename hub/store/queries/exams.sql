-- name: exams_sitting(sitting)^
select t.*, r.name as room, e.end_utc_ms as latest_end_utc_ms
from sittings t join rooms r using (room_id) join sitting_ends e using (sitting) where t.sitting = :sitting;
