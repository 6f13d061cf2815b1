-- name: wall_add(name, token_sha256, room, may_show_pictures, now, who)<!
insert into wall_tokens (name, token_sha256, room, may_show_pictures, made_utc_ms, made_by)
values (:name, :token_sha256, :room, :may_show_pictures, :now, :who);

-- name: wall_by_token(token_sha256)^
select * from wall_tokens where token_sha256 = :token_sha256;

-- name: wall_by_id(wall_id)^
select * from wall_tokens where wall_id = :wall_id;

-- name: wall_standing(name)^
select wall_id from wall_tokens where name = :name and revoked_utc_ms is null;

-- name: walls_all()
select * from wall_tokens order by revoked_utc_ms is not null, name, wall_id;

-- name: wall_seen(wall_id, now)!
update wall_tokens set last_seen_utc_ms = :now where wall_id = :wall_id;

-- name: wall_revoke(wall_id, now, who)!
update wall_tokens set revoked_utc_ms = :now, revoked_by = :who where wall_id = :wall_id and revoked_utc_ms is null;

-- name: wall_rooms()
select name from rooms order by name;

-- name: wall_room(name)^
select room_id from rooms where name = :name;
