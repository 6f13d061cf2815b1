"""What tests on every side share."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def wait_for(condition: Callable[[], T], timeout_s: float = 30.0, every_s: float = 0.02) -> T:
    """Return the condition's first true value; raise AssertionError after `timeout_s`."""
    pause = threading.Event()
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"still {value!r} after {timeout_s} s: {condition}")
        pause.wait(every_s)


CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()


def chromium_path() -> str:
    """The machine's own browser; a failure that says what to install when there is none."""
    found = next((path for name in CHROMIUMS if (path := shutil.which(name))), None)
    if found is None:
        pytest.fail("this test drives a real browser: install it with `apt-get install chromium`", pytrace=False)
    return found
