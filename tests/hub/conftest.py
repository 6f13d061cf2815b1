"""Fixtures of the hub's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.store import Store
from tests.brokers import broker, mosquitto_broker

__all__ = ["broker", "mosquitto_broker"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store, opened by this test alone or beside an ingest on the same folder."""
    opened = Store(tmp_path / "hub.db")
    yield opened
    opened.close()
