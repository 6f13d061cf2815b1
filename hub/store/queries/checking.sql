-- name: counts_of_store()^
select
    (select count(*) from units) as units,
    (select count(*) from records) as records,
    (select count(*) from alerts) as alerts,
    (select count(*) from incidents where state <> 'closed') as unfinished_incidents,
    (select count(*) from segments) as segments,
    (select count(*) from stills) as stills,
    (select count(*) from rejected) as rejected,
    (select count(*) from conflicts) as conflicts,
    (select count(*) from users) as users;

-- name: chain_of_unit(unit)
select boot, seq, hash, header, case kind when 'restart' then body end as restart
from records where unit = :unit order by boot, seq;
