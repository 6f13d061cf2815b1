"""gunicorn under systemd, for the processes that serve: pages and door."""

from __future__ import annotations

import contextlib
import socket

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from hub.supervision import Service


def cannot_listen(host: str, port: int, setting: str) -> str:
    """Why nobody can serve there, in one line that names the port's `setting`; '' when it can be done."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return f"cannot serve on {host} port {port} ({setting}): {error.strerror}"
    return ""


class WatchedArbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's master process. It tells systemd by itself that it is ready; what is added are the watchdog's pings,
    which follow its own loop and its worker's."""

    def __init__(self, app: BaseApplication) -> None:
        super().__init__(app)
        self._service = Service()
        self._beats: dict[int, float] = {}

    def murder_workers(self) -> None:
        """Once a turn of the loop, about a second."""
        super().murder_workers()
        beats: dict[int, float] = {}
        for pid, worker in self.WORKERS.items():
            with contextlib.suppress(OSError, ValueError):  # its file is closed: it ends
                beats[pid] = worker.tmp.last_update()
        # A worker touches its file at every turn, once a second; one that does not is ended after `timeout`.
        if beats and beats != self._beats:
            self._service.say("serving")
            self._service.ping_if_due()
        self._beats = beats

    def stop(self, graceful: bool = True) -> None:
        self._service.stopping()
        super().stop(graceful)
