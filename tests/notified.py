"""A service manager's ear for tests: a real NOTIFY_SOCKET."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Ear:
    """What was said to it, in order; `heard` takes in what has come since."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def heard(self, start: str) -> list[str]:
        """All lines so far that begin with `start`."""
        while True:
            try:
                self.lines += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return [line for line in self.lines if line.startswith(start)]

    def pings(self) -> int:
        return len(self.heard("WATCHDOG=1"))

    def status(self) -> str:
        """The newest one, '' before any."""
        found = self.heard("STATUS=")
        return found[-1].removeprefix("STATUS=") if found else ""

    def environ(self, watchdog_s: float) -> dict[str, str]:
        """What systemd would set for a service."""
        return {"NOTIFY_SOCKET": str(self.path), "WATCHDOG_USEC": str(round(watchdog_s * 1e6))}

    def close(self) -> None:
        self._socket.close()


@contextmanager
def ear() -> Iterator[Ear]:
    """On a path short enough for a Unix socket."""
    with tempfile.TemporaryDirectory(prefix="ems-") as folder:
        made = Ear(Path(folder) / "notify")
        try:
            yield made
        finally:
            made.close()
