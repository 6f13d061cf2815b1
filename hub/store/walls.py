"""Wall screens and their tokens, of which only the hash is kept."""

from __future__ import annotations

from typing import NamedTuple

from hub.core.audit import Deed
from hub.core.wall import token_sha256
from hub.store import QUERIES, Row, Store, audit
from hub.store.audit import Actor

MOST_NAME = 100


class CannotAdd(Exception):
    """The wall cannot be set up so; the text says why and what to do."""


class NoSuchWall(Exception):
    """No wall stands under that number or name."""


class Wall(NamedTuple):
    """A screen's log-in. `room` '': every room with a sitting."""

    wall_id: int
    name: str
    token_sha256: str
    room: str
    may_show_pictures: bool
    made_utc_ms: int
    made_by: str
    last_seen_utc_ms: int | None
    revoked_utc_ms: int | None
    revoked_by: str


def add(store: Store, name: str, token: str, room: str, may_show_pictures: bool, by: Actor, now_utc_ms: int) -> Wall:
    """Let a screen in by `token`. Raises CannotAdd."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= MOST_NAME:
        raise CannotAdd(f"give the screen a name of 1 to {MOST_NAME} characters")
    with store.write() as connection:
        if QUERIES.wall_standing(connection, name=name) is not None:
            raise CannotAdd(f"a screen is called {name!r} already: revoke it first, or choose another name")
        if room and QUERIES.wall_room(connection, name=room) is None:
            raise CannotAdd(f"no room is called {room!r}")
        number = QUERIES.wall_add(
            connection,
            name=name,
            token_sha256=token_sha256(token),
            room=room,
            may_show_pictures=int(may_show_pictures),
            now=now_utc_ms,
            who=by.who,
        )
        told = {"room": room, "pictures": may_show_pictures}
        audit.add(connection, by, Deed.SET_UP_WALL, f"wall {name}", now_utc_ms, told)
        return _wall(QUERIES.wall_by_id(connection, wall_id=number))


def revoke(store: Store, wall_id: int, by: Actor, now_utc_ms: int) -> Wall:
    """Shut a screen out, for good. Raises NoSuchWall."""
    with store.write() as connection:
        row: Row | None = QUERIES.wall_by_id(connection, wall_id=wall_id)
        if row is None or not QUERIES.wall_revoke(connection, wall_id=wall_id, now=now_utc_ms, who=by.who):
            raise NoSuchWall("no screen that is let in has that number")
        audit.add(connection, by, Deed.REVOKED_WALL, f"wall {row['name']}", now_utc_ms)
        return _wall(row)


def by_token(store: Store, token: str) -> Wall | None:
    """The wall that this token lets in; None when there is none or it was revoked."""
    with store.read() as connection:
        row: Row | None = QUERIES.wall_by_token(connection, token_sha256=token_sha256(token))
    return None if row is None or row["revoked_utc_ms"] is not None else _wall(row)


def standing(store: Store, wall_id: int, token_sha256: str) -> Wall | None:
    """The wall as it is now; None once it is revoked, or when its token is another."""
    with store.read() as connection:
        row: Row | None = QUERIES.wall_by_id(connection, wall_id=wall_id)
    is_let_in = row is not None and row["revoked_utc_ms"] is None and row["token_sha256"] == token_sha256
    return _wall(row) if row is not None and is_let_in else None


def seen(store: Store, wall_id: int, now_utc_ms: int) -> None:
    """Note that the screen asked."""
    with store.write() as connection:
        QUERIES.wall_seen(connection, wall_id=wall_id, now=now_utc_ms)


def everyone(store: Store) -> list[Wall]:
    """All walls, those let in first."""
    with store.read() as connection:
        return [_wall(row) for row in QUERIES.walls_all(connection)]


def rooms(store: Store) -> list[str]:
    with store.read() as connection:
        return [row["name"] for row in QUERIES.wall_rooms(connection)]


def _wall(row: Row) -> Wall:
    return Wall(**{**dict(row), "may_show_pictures": bool(row["may_show_pictures"])})
