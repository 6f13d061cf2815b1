"""Where the log goes: to the journal with fields of its own, else in plain or JSON lines to standard error.

The journal stores a record's arguments too (CODE_ARGS): no key, token or claim code may be an argument of a log call.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

import msgspec

PLAIN = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Plain(logging.Formatter):
    """One line an entry: what callers wrote into a message begins no line of its own and steers no terminal."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = "".join(
            letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in record.message
        )
        return super().formatMessage(record)


class _JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["trouble"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def is_journal(environ: Mapping[str, str], stream: TextIO) -> bool:
    """Whether `stream` goes to the journal, as systemd.exec(5) tells it: JOURNAL_STREAM is DEVICE:INODE."""
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _journal(name: str) -> logging.Handler | None:
    """The journal's own door; None without systemd-python: then its lines are the plain ones."""
    try:
        from systemd import journal  # type: ignore[attr-defined,unused-ignore]  # our folder hides it here
    except ImportError:
        return None
    door: Any = journal
    handler: logging.Handler = door.JournalHandler(SYSLOG_IDENTIFIER=name)
    return handler


def begin(level: str, form: str, name: str, environ: Mapping[str, str] | None = None) -> None:
    """Set the process's log up. `form` is plain or json; `name` is the journal's SYSLOG_IDENTIFIER. Standard output is
    left to what the commands say."""
    given = os.environ if environ is None else environ
    handler = _journal(name) if is_journal(given, sys.stderr) else None
    if handler is None:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_JsonLines() if form == "json" else _Plain(PLAIN))
    logging.basicConfig(level=level, handlers=[handler], force=True)
