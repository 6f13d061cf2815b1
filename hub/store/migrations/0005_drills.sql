-- Drills: alerts that somebody at a desk called up to try the way of an alert out. They never share an incident with
-- real ones. An incident is a drill while all its alerts are.
alter table alerts add column is_drill integer not null default 0 check (is_drill in (0, 1));
alter table incidents add column is_drill integer not null default 0 check (is_drill in (0, 1));
update alerts set is_drill = 1 where json_extract(body, '$.is_drill');
update incidents set is_drill = 1
where exists (select 1 from alerts a where a.incident_id = incidents.incident_id)
    and not exists (select 1 from alerts a where a.incident_id = incidents.incident_id and a.is_drill = 0);
