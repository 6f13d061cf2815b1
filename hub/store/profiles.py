"""Profiles, by name. The built-in one is always there and is changed by nobody."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import msgspec

from agent.wire import Mode
from hub.core import profiles
from hub.core.audit import Deed
from hub.core.profiles import MOST_NAME, STANDARD, Profile
from hub.core.said import Refusal
from hub.store import QUERIES, Row, audit, planning
from hub.store.audit import Actor


class Overtaken(Exception):
    """Somebody else changed it first; nothing was changed. The text is for people."""


class Named(NamedTuple):
    name: str
    profile: Profile
    version: int

    @property
    def is_built_in(self) -> bool:
        return self.name == STANDARD


def all_of(connection: sqlite3.Connection, mode: Mode) -> list[Named]:
    """The built-in one first; `mode` is the hub's (PROCTORING_MODE)."""
    made = [
        Named(row["profile"], profiles.read(row["body"]), row["version"]) for row in QUERIES.profiles_all(connection)
    ]
    return [Named(STANDARD, profiles.standard(mode), 0), *made]


def one(connection: sqlite3.Connection, name: str, mode: Mode) -> Named | None:
    """'' is the built-in one: sittings planned at the terminal name none."""
    if name in ("", STANDARD):
        return Named(STANDARD, profiles.standard(mode), 0)
    row: Row | None = QUERIES.profiles_one(connection, profile=name)
    return None if row is None else Named(row["profile"], profiles.read(row["body"]), row["version"])


def add(connection: sqlite3.Connection, actor: Actor, name: str, profile: Profile, now_utc_ms: int) -> None:
    """Raises Refusal."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= MOST_NAME or not name.isprintable():
        raise Refusal("Give the profile a name of at most %(most)s characters.", field="name", most=MOST_NAME)
    taken = {row["profile"].casefold() for row in QUERIES.profiles_all(connection)} | {STANDARD.casefold()}
    if name.casefold() in taken:
        raise Refusal("A profile is called %(name)s already: choose another name.", field="name", name=name)
    QUERIES.profiles_insert(connection, profile=name, body=profiles.written(profile))
    detail = {"after": msgspec.to_builtins(profile)}
    audit.add(connection, actor, Deed.SET_UP_PROFILE, f"profile {name}", now_utc_ms, detail)


def change(
    connection: sqlite3.Connection, actor: Actor, name: str, version: int, profile: Profile, now_utc_ms: int
) -> list[str]:
    """Answers the sittings not begun that were planned with it and keep what it was. Raises Refusal, Overtaken."""
    before: Row | None = QUERIES.profiles_one(connection, profile=name)
    if before is None:
        raise Refusal("There is no profile of that name that can be changed.")
    if before["version"] != version:
        raise Overtaken("Somebody else changed this profile while you were looking. Nothing of yours was kept.")
    known = profiles.read(before["body"])
    if known != profile:
        QUERIES.profiles_update(connection, profile=name, body=profiles.written(profile))
        detail = {"before": msgspec.to_builtins(known), "after": msgspec.to_builtins(profile)}
        audit.add(connection, actor, Deed.SET_UP_PROFILE, f"profile {name}", now_utc_ms, detail)
    return ahead(connection, name, now_utc_ms)


def ahead(connection: sqlite3.Connection, name: str, now_utc_ms: int) -> list[str]:
    """The sittings not begun that were planned with this profile."""
    return [row["sitting"] for row in QUERIES.profiles_sittings_ahead(connection, profile=name, now=now_utc_ms)]


def apply(connection: sqlite3.Connection, actor: Actor, name: str, now_utc_ms: int) -> list[str]:
    """Give the sittings not begun what the profile says now; answers them. Raises Refusal, planning.CannotPlan."""
    row: Row | None = QUERIES.profiles_one(connection, profile=name)
    if row is None:
        raise Refusal("There is no profile of that name that can be changed.")
    found = ahead(connection, name, now_utc_ms)
    for sitting in found:
        QUERIES.profiles_apply(connection, sitting=sitting, **columns(profiles.read(row["body"])))
    if found:
        detail = {"act": "applied", "sittings": found}
        audit.add(connection, actor, Deed.SET_UP_PROFILE, f"profile {name}", now_utc_ms, detail)
        planning.replan(connection, now_utc_ms)
    return found


def columns(profile: Profile) -> dict[str, object]:
    """What a sitting copies, as its row has it."""
    return {
        "mode": profile.mode.value,
        "rules": msgspec.json.encode(profile.rules).decode(),
        "is_buzzer_allowed": profile.is_buzzer_allowed,
        "may_lamp_show_alerts": profile.may_lamp_show_alerts,
        "toilet_ms": profile.toilet_ms,
    }
