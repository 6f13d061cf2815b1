-- name: insert_job(kind, wish, who, now)<!
insert into jobs (kind, wish, asked_by, asked_utc_ms) values (:kind, :wish, :who, :now) returning job_id;

-- name: job_by_id(job_id)^
select * from jobs where job_id = :job_id;

-- name: jobs_newest(kind, limit)
select * from jobs where :kind = '' or kind = :kind order by job_id desc limit :limit;

-- name: job_open_for(kind, path, value)^
select job_id from jobs
where state in ('running', 'waiting') and kind = :kind and json_extract(wish, :path) = :value order by job_id limit 1;

-- name: job_next()^
-- One that the last worker left running comes first: it is taken up where it was.
select * from jobs where state in ('running', 'waiting') order by state, job_id limit 1;

-- name: start_job(job_id, now)!
update jobs set state = 'running', started_utc_ms = coalesce(started_utc_ms, :now)
where job_id = :job_id and state in ('waiting', 'running');

-- name: tell_job(job_id, done, total, note)!
update jobs set done = :done, total = :total, note = :note where job_id = :job_id and state = 'running';

-- name: end_job(job_id, state, note, result, now)!
update jobs set state = :state, note = :note, result = :result, ended_utc_ms = :now
where job_id = :job_id and state in ('waiting', 'running');

-- name: cancel_job(job_id)!
update jobs set is_cancel_wanted = 1 where job_id = :job_id and state in ('waiting', 'running');
