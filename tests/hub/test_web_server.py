"""`serve` says in one line what keeps it from starting."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from hub.web.server import serve
from tests.hub.website import settings


def test_a_taken_port_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert serve(settings(tmp_path, web_port=port)) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(port) in said
    assert "EMS_WEB_PORT" in said


def test_a_missing_key_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve(settings(tmp_path, secret_key="")) == 1
    assert "SECRET_KEY" in capsys.readouterr().err


def test_a_store_that_cannot_be_opened_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("not a folder")
    assert serve(settings(tmp_path, database_url=f"sqlite:///{tmp_path}/file/hub.db")) == 1
    assert "cannot open the store" in capsys.readouterr().err
