"""What is refused stands in the system's log, a line each, whatever the caller wrote into it (ASVS 16.3, 16.4)."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import logs
from tests.hub.website import Site, log_in, site, token


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Site]:
    with site(tmp_path) as found:
        yield found


def test_each_kind_of_refusal_is_told(place: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A wrong password, too many tries, a page beyond one's role, a form without its token: who, what, from where."""
    client = place.client()
    for _ in range(6):
        log_in(client, "Ada", "a wrong password")
    tim = place.client("Tim")
    assert tim.get("/incidents/").status_code == 403
    assert tim.post("/units/c.d1/revoke", data={"why": "x"}).status_code == 400
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert told.count("failed log-in for 'Ada' from 127.0.0.1") == 5
    assert "refused: POST /login from 127.0.0.1, too many tries" in told
    assert "refused: 'Tim' asked for GET /incidents/" in told
    assert any(line.startswith("refused: POST /units/c.d1/revoke from 127.0.0.1 without its token") for line in told)
    assert not [line for line in told if "a wrong password" in line]


def test_nobody_writes_a_line_of_their_own(
    place: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path with line ends and escapes in it is one harmless line."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [])
    monkeypatch.setattr(root, "level", root.level)
    logs.begin("INFO", "plain", "ems-hub", {})
    try:
        ada = place.client("Ada")
        headers = {"X-CSRFToken": token(ada, "/")}
        path = "/units/x%0A2027-01-01 INFO hub: all is well%0D%1B[2J%E2%80%AE/revoke"
        assert ada.post(path, headers=headers).status_code == 403
        sys.stderr.flush()
        told = [line for line in capsys.readouterr().err.splitlines() if "refused" in line]
    finally:
        for handler in root.handlers:
            handler.close()
    assert len(told) == 1
    assert r"/units/x\n2027-01-01 INFO hub: all is well\r\x1b[2J\u202e/revoke" in told[0]
