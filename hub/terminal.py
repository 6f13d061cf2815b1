"""What the commands of `ems-hub` share: settings, the opened store, and one line when something cannot be done."""

from __future__ import annotations

import getpass
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click

from hub import config, logs
from hub.config import Settings
from hub.store import Store, StoreProblem
from hub.store.audit import TERMINAL, Actor


def now_utc_ms() -> int:
    return time.time_ns() // 1_000_000


def who_is_here() -> str:
    """Who sits at the terminal, for the record."""
    try:
        return f"{getpass.getuser()} (terminal)"
    except (KeyError, OSError):  # no such user in a container
        return "terminal"


def actor_here() -> Actor:
    """Who does it, for the audit log: the system's account, which no log-in of the pages stands behind."""
    return Actor(who_is_here(), role=TERMINAL)


def fail(text: str) -> NoReturn:
    raise click.ClickException(text)


def read_settings() -> Settings:
    try:
        settings = config.load()
    except config.BadSetting as bad:
        fail(str(bad))
    logs.begin(settings.log_level, settings.log_format, "ems-hub")
    return settings


@contextmanager
def opened(settings: Settings, *, may_make: bool = False) -> Iterator[Store]:
    """The store that the settings name. One that is not there is made with `may_make` only: run with the wrong
    environment, a command would else answer out of an empty store that it has just made."""
    if not (may_make or settings.database_path.exists()):
        fail(
            f"there is no store at {settings.database_path}: run `ems-hub init`, or see that DATABASE_URL is the hub's"
        )
    try:
        store = Store(settings.database_path)
    except StoreProblem as problem:
        fail(str(problem))
    try:
        yield store
    except sqlite3.Error as error:
        fail(f"the store cannot do that: {error}")
    finally:
        store.close()
