"""A card that fails to order, for tests: a file system of FUSE, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.brokers import REPOSITORY
from tests.support import wait_for


class FailingCard:
    """The mounted card at `folder`, from a test's side."""

    def __init__(self, base: Path) -> None:
        self.folder, self._behind, self._orders = base / "card", base / "behind", base / "orders"
        for folder in (self.folder, self._behind, self._orders):
            folder.mkdir()
        command = [sys.executable, "-m", "tests.hostile.folder_by_order"]
        self._process = subprocess.Popen(
            [*command, str(self.folder), str(self._behind), str(self._orders)], cwd=REPOSITORY
        )
        wait_for(lambda: os.path.ismount(self.folder) or self._process.poll() is not None)
        assert self._process.poll() is None, "no FUSE here: apt-get install fuse3 libfuse3-3, and /dev/fuse is needed"

    @contextmanager
    def failing(self, call: str, errno: int) -> Iterator[None]:
        """`call` fails like this inside the block."""
        with self._ordered(call, str(errno)):
            yield

    @contextmanager
    def slow(self, call: str, seconds: float) -> Iterator[None]:
        """`call` takes so long, at most until the end of the block."""
        with self._ordered(f"{call}_s", str(seconds)):
            yield

    @contextmanager
    def _ordered(self, name: str, text: str) -> Iterator[None]:
        order = self._orders / name
        part = self._orders / f".{name}"
        part.write_text(text)
        part.rename(order)
        try:
            yield
        finally:
            order.unlink()

    def close(self) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], capture_output=True, check=False)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
