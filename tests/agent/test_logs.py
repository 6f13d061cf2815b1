"""Where the log goes: the journal with fields, else plain or JSON lines."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent import logs


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """The root logger as pytest left it, afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers, root.level = handlers, level


@pytest.fixture
def out(tmp_path: Path) -> Iterator[io.TextIOWrapper]:
    """Standard output, as a file."""
    with (tmp_path / "out").open("w+") as file:
        yield file


def begin(out: io.TextIOWrapper, form: str = "plain", **given: Any) -> None:
    """As `ems-agent run` begins its log, with `out` for standard output."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        logs.begin("INFO", form, "ems-agent", **given)


def told(out: io.TextIOWrapper) -> list[str]:
    out.flush()
    out.seek(0)
    return out.read().splitlines()


def stream_of(out: io.TextIOWrapper) -> dict[str, str]:
    """The environment by which systemd says that this is the journal's stream."""
    found = os.fstat(out.fileno())
    return {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}


def test_plain_lines_on_standard_output(out: io.TextIOWrapper) -> None:
    """Time, level, logger, message; nothing below the level."""
    begin(out, unit=lambda: "hall.desk-01", environ={})
    logging.getLogger("agent.x").info("unit %s", 1)
    logging.getLogger("agent.x").debug("unseen")
    (line,) = told(out)
    assert line.endswith(" INFO agent.x: unit 1")


def test_json_lines_carry_unit_sitting_and_traceback(out: io.TextIOWrapper) -> None:
    """One object a line, whatever is in the message; the sitting is that of the moment."""
    sittings = iter(["maths-1", ""])
    begin(out, "json", unit=lambda: "hall.desk-01", sitting=lambda: next(sittings), environ={})
    logging.getLogger("agent.x").warning('two\nlines and "quotes"')
    try:
        raise OSError("gone")
    except OSError:
        logging.getLogger("agent.x").exception("failed")
    first, second = map(json.loads, told(out))
    assert first | {"time": ""} == {
        "time": "",
        "level": "WARNING",
        "logger": "agent.x",
        "message": 'two\nlines and "quotes"',
        "unit": "hall.desk-01",
        "sitting": "maths-1",
    }
    assert "OSError: gone" in second["trouble"]


def test_the_journal_gets_fields(out: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    """When standard output is the journal's stream and systemd-python is there, its handler is used, and each record
    carries EMS_UNIT and EMS_SITTING in the upper case without which the journal drops a field."""
    kept: list[logging.LogRecord] = []

    class JournalHandler(logging.Handler):
        def __init__(self, **fields: str) -> None:
            super().__init__()
            self.fields = fields

        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    package, module = types.ModuleType("systemd"), types.ModuleType("systemd.journal")
    module.JournalHandler = JournalHandler  # type: ignore[attr-defined]
    package.journal = module  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "systemd", package)
    monkeypatch.setitem(sys.modules, "systemd.journal", module)
    begin(out, "json", unit=lambda: "hall.desk-01", sitting=lambda: "maths-1", environ=stream_of(out))
    logging.getLogger("agent.x").info("recording")
    record: Any = kept[0]
    assert (record.EMS_UNIT, record.EMS_SITTING) == ("hall.desk-01", "maths-1")
    (handler,) = logging.getLogger().handlers
    assert handler.fields == {"SYSLOG_IDENTIFIER": "ems-agent"}  # type: ignore[attr-defined]
    assert told(out) == []


@pytest.mark.parametrize("environ", [{}, {"JOURNAL_STREAM": "1:2"}, {"JOURNAL_STREAM": ""}])
def test_a_stream_that_is_not_the_journals_gets_lines(environ: dict[str, str], out: io.TextIOWrapper) -> None:
    """JOURNAL_STREAM may be inherited by a process whose output went elsewhere since."""
    begin(out, environ=environ)
    logging.getLogger("agent.x").info("here")
    assert len(told(out)) == 1


def test_without_systemd_python_the_journal_gets_lines(out: io.TextIOWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is an extra; the stream takes lines as well."""
    monkeypatch.setitem(sys.modules, "systemd", None)
    begin(out, environ=stream_of(out))
    logging.getLogger("agent.x").info("here")
    assert len(told(out)) == 1
