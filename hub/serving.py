"""gunicorn as a service of systemd: what the hub's two servers, pages and door, share."""

from __future__ import annotations

import contextlib
import sys

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from hub.supervision import Service


class _Arbiter(Arbiter):  # type: ignore[misc]
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


def serve_followed(app: BaseApplication) -> None:
    """What gunicorn's own `run` does, with the pings. Ends by SystemExit."""
    try:
        _Arbiter(app).run()
    except RuntimeError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
