"""Fixtures of the journeys."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import Broker, mosquitto_broker
from tests.journey.centre import Centre, centre, film

__all__ = ["mosquitto_broker"]


@pytest.fixture
def place(tmp_path: Path, mosquitto_broker: Broker) -> Iterator[Centre]:
    """A centre with a running broker; the test starts the rest."""
    with centre(tmp_path, mosquitto_broker) as made:
        yield made


@pytest.fixture(scope="session")
def leaving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candidate who is there for five seconds and away for seven, over and over."""
    return film(tmp_path_factory.mktemp("films") / "leaving.mp4", [(True, 5), (False, 7)])


@pytest.fixture(scope="session")
def leaving_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candidate who goes away for ten seconds and stays afterwards, for longer than a test."""
    return film(tmp_path_factory.mktemp("films") / "leaving-once.mp4", [(True, 5), (False, 10), (True, 90)])


@pytest.fixture(scope="session")
def sitting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candidate who stays."""
    return film(tmp_path_factory.mktemp("films") / "sitting.mp4", [(True, 4)])
