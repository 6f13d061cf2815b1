"""The people who may log in. A new password, role or standing raises `epoch`, which ends their older log-ins; each
change stands in the audit log, as done by `by`."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from hub.core.access import Role
from hub.core.audit import Deed
from hub.core.review import DESK
from hub.store import QUERIES, Row, Store, audit
from hub.store.audit import Actor


class Person(NamedTuple):
    """One row of `users`."""

    user_id: int
    name: str
    role: str
    password_hash: str
    is_active: bool
    epoch: int
    created_utc_ms: int


class NameTaken(Exception):
    """Somebody has that name; names differ by more than upper and lower case."""


class NobodyOfThatName(Exception):
    """No account has that name."""


class LastAdmin(Exception):
    """The change would leave the hub without an active admin."""


def _person(row: Row | None) -> Person | None:
    if row is None:
        return None
    values = dict(row)
    values["is_active"] = bool(values["is_active"])
    return Person(**values)


def by_id(store: Store, user_id: int) -> Person | None:
    with store.read() as connection:
        return _person(QUERIES.person_by_id(connection, user_id=user_id))


def by_name(store: Store, name: str) -> Person | None:
    with store.read() as connection:
        return _person(QUERIES.person_by_name(connection, name=name))


def everyone(store: Store) -> list[Person]:
    with store.read() as connection:
        return [found for row in QUERIES.people_all(connection) if (found := _person(row))]


def add(store: Store, *, name: str, role: Role, password_hash: str, now_utc_ms: int, by: Actor) -> Person:
    """Open an account. Raises NameTaken."""
    if name.strip().casefold() == DESK:
        raise NameTaken(f"{DESK!r} is what machines are called in an incident's history: choose another name")
    try:
        with store.write() as connection:
            QUERIES.add_person(connection, name=name, role=str(role), password_hash=password_hash, now=now_utc_ms)
            person = _person(QUERIES.person_by_name(connection, name=name))
            audit.add(connection, by, Deed.ADDED_PERSON, f"user {name}", now_utc_ms, {"role": str(role)})
    except sqlite3.IntegrityError as error:
        raise NameTaken(f"an account called {name!r} exists already") from error
    if person is None:
        raise NobodyOfThatName(name)
    return person


def set_password(store: Store, name: str, password_hash: str, now_utc_ms: int, by: Actor) -> None:
    """Give a new password; ends their log-ins. Raises NobodyOfThatName."""
    with store.write() as connection:
        person = _existing(QUERIES.person_by_name(connection, name=name), name)
        QUERIES.set_person_password(connection, name=name, password_hash=password_hash)
        audit.add(connection, by, Deed.CHANGED_PASSWORD, f"user {person.name}", now_utc_ms)


def keep_rehash(store: Store, user_id: int, password_hash: str) -> None:
    """The same password under today's parameters: log-ins stay."""
    with store.write() as connection:
        QUERIES.rehash_person_password(connection, user_id=user_id, password_hash=password_hash)


def set_role(store: Store, name: str, role: Role, now_utc_ms: int, by: Actor) -> bool:
    """Change a role; ends their log-ins. False: it was theirs already. Raises NobodyOfThatName, LastAdmin."""
    with store.write() as connection:
        person = _existing(QUERIES.person_by_name(connection, name=name), name)
        if person.is_active and person.role == Role.ADMIN and role is not Role.ADMIN:
            _check_other_admin(connection, name)
        QUERIES.set_person_role(connection, name=name, role=str(role))
        if person.role == role:
            return False
        change = {"from": person.role, "to": str(role)}
        audit.add(connection, by, Deed.CHANGED_ROLE, f"user {person.name}", now_utc_ms, change)
        return True


def set_active(store: Store, name: str, is_active: bool, now_utc_ms: int, by: Actor) -> bool:
    """Close or reopen an account; ends their log-ins. False: it was so already. Raises NobodyOfThatName, LastAdmin."""
    with store.write() as connection:
        person = _existing(QUERIES.person_by_name(connection, name=name), name)
        if person.is_active and person.role == Role.ADMIN and not is_active:
            _check_other_admin(connection, name)
        QUERIES.set_person_active(connection, name=name, is_active=int(is_active))
        if person.is_active == is_active:
            return False
        deed = Deed.REOPENED_ACCOUNT if is_active else Deed.CLOSED_ACCOUNT
        audit.add(connection, by, deed, f"user {person.name}", now_utc_ms)
        return True


def end_log_in(store: Store, login: str, now_utc_ms: int, life_ms: int, by: Actor | None = None) -> None:
    """Remember that `login` was ended by its person, and forget those whose cookies have outlived `life_ms`. `by` is
    None where the log-in had ended by itself."""
    with store.write() as connection:
        QUERIES.purge_ended_log_ins(connection, until=now_utc_ms - life_ms)
        QUERIES.end_log_in(connection, login=login, now=now_utc_ms)
        if by is not None:
            audit.add(connection, by, Deed.LOGGED_OUT, f"user {by.who}", now_utc_ms)


def has_ended(store: Store, login: str) -> bool:
    """Whether that log-in was ended."""
    with store.read() as connection:
        return QUERIES.ended_log_in(connection, login=login) is not None


def ended_log_ins(store: Store) -> frozenset[str]:
    """Every ended log-in that is still remembered."""
    with store.read() as connection:
        return frozenset(row["login"] for row in QUERIES.ended_log_ins_all(connection))


def _existing(row: Row | None, name: str) -> Person:
    person = _person(row)
    if person is None:
        raise NobodyOfThatName(f"no account is called {name!r}")
    return person


def _check_other_admin(connection: sqlite3.Connection, name: str) -> None:
    if not QUERIES.count_other_admins(connection, name=name)[0]:
        raise LastAdmin("this is the last active admin: make another one first")
