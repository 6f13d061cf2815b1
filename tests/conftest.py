"""What holds for every test."""

from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Nothing here is timed: on a loaded machine an example takes as long as it takes, and finding one may be slow too.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# What is to land is judged by the same examples everywhere; `make properties` looks for new ones.
settings.register_profile("fixed", settings.get_profile("untimed"), derandomize=True)
settings.register_profile("search", settings.get_profile("untimed"), max_examples=1000, print_blob=True)
settings.load_profile("fixed")

WAITING = {"browser", "hostile", "journey"}
"""Folders whose tests mostly wait for real processes; the others mostly compute."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where files run beside each other (`make test`), spread those of each folder over the whole run, so that waiting
    and computing fill each other's time; waiting ones begin in its first two thirds, to leave none for the end."""
    if not hasattr(config, "workerinput"):  # set by pytest-xdist in its workers
        return
    folders: dict[str, dict[Path, None]] = defaultdict(dict)
    for item in items:
        folders[item.path.parent.name][item.path] = None
    turn = {
        path: number / len(paths) * (2 / 3 if folder in WAITING else 1)
        for folder, paths in folders.items()
        for number, path in enumerate(paths)
    }
    items.sort(key=lambda item: turn[item.path])
