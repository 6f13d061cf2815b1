-- Masks belong to the seat: what its camera sees of a neighbour or a door stays there from sitting to sitting.
alter table seats add column masks text not null default '[]' check (json_valid(masks)); -- list of wire.Mask

-- When the room is set up and nobody admitted yet: the desks learn how their empty seats look. Both or neither.
alter table sittings add column empty_from_utc_ms integer;
alter table sittings add column empty_until_utc_ms integer
    check ((empty_from_utc_ms is null) = (empty_until_utc_ms is null) and
        (empty_from_utc_ms is null or empty_until_utc_ms > empty_from_utc_ms));
