-- Which machine speaks for a unit, as its newest birth says, and the newest births, to tell a copied card from a restart:
-- JSON, a list of [boot, os_boot, machine], oldest first.
alter table presence add column machine text not null default '';
alter table presence add column os_boot text not null default '';
alter table presence add column births text not null default '[]';
