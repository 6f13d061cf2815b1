-- name: person_by_id(user_id)^
select user_id, name, role, password_hash, is_active, epoch, created_utc_ms from users where user_id = :user_id;

-- name: person_by_name(name)^
select user_id, name, role, password_hash, is_active, epoch, created_utc_ms from users where name = :name;

-- name: people_all()
select user_id, name, role, password_hash, is_active, epoch, created_utc_ms from users order by name collate nocase;

-- name: add_person(name, role, password_hash, now)!
insert into users (name, role, password_hash, created_utc_ms) values (:name, :role, :password_hash, :now);

-- name: set_person_password(name, password_hash)!
update users set password_hash = :password_hash, epoch = epoch + 1 where name = :name;

-- name: rehash_person_password(user_id, password_hash)!
update users set password_hash = :password_hash where user_id = :user_id;

-- name: set_person_role(name, role)!
update users set role = :role, epoch = epoch + 1 where name = :name and role <> :role;

-- name: set_person_active(name, is_active)!
update users set is_active = :is_active, epoch = epoch + 1 where name = :name and is_active <> :is_active;

-- name: count_other_admins(name)^
select count(*) from users where role = 'admin' and is_active = 1 and name <> :name;

-- name: end_log_in(login, now)!
insert into ended_log_ins (login, ended_utc_ms) values (:login, :now) on conflict do nothing;

-- name: purge_ended_log_ins(until)!
delete from ended_log_ins where ended_utc_ms < :until;

-- name: ended_log_in(login)^
select 1 from ended_log_ins where login = :login;

-- name: ended_log_ins_all()
select login from ended_log_ins;
