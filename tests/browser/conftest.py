"""Fixtures of the browser tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support import CHROMIUM_ARGUMENTS, chromium_path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real Chromium, one for each file: a browser that a test has spoiled spoils no other file."""
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=chromium_path(), args=CHROMIUM_ARGUMENTS)
        yield found
        found.close()
