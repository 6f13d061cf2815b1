"""`ems-hub web`: the pages behind gunicorn, one worker with a thread for every viewer's stream."""

from __future__ import annotations

import logging
import resource
import socket
import sys
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from hub.arbiter import WatchedArbiter, cannot_listen
from hub.config import Settings
from hub.enrolment import CaFolder
from hub.store import Store, StoreProblem
from hub.tls import ServerTls
from hub.web import create_app
from hub.web.film import MOST_PLAYERS

log = logging.getLogger(__name__)

SPARE_THREADS = 16 + MOST_PLAYERS
"""For everything that is not a live stream: pages stay quick when every stream is taken and all film is played."""
DEAD_VIEWER_MS = 15_000
"""A viewer whose network takes nothing for so long is gone, and its stream is free for another."""
FILES_A_THREAD = 6
"""A socket, and the store's files: database, WAL, index, each thread on a connection of its own."""


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, set up from our settings and from nothing else."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._worker: Any = None
        super().__init__()

    def load_config(self) -> None:
        threads = _threads(self._settings)
        options: dict[str, Any] = {
            "bind": f"{self._settings.web_host}:{self._settings.web_port}",
            "worker_class": "gthread",
            "workers": 1,  # streams and rate limits are counted in one process
            "threads": threads,
            "worker_connections": threads * 2,
            "keepalive": 15,
            "timeout": 30,
            "graceful_timeout": 5,
            "proc_name": "ems-hub-web",
            "loglevel": "warning",
            "control_socket_disable": True,
            "when_ready": _begin,
            "post_fork": self._remember,
        }
        if self._settings.web_tls:
            folder = CaFolder(self._settings.ca_path)
            options |= {
                "certfile": str(folder.server_certificate),
                "keyfile": str(folder.server_key),
                "ssl_context": ServerTls(folder).for_gunicorn,
            }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        # In the worker, after the fork: neither threads nor SQLite connections survive one.
        store = Store(self._settings.database_path)
        return create_app(self._settings, store, should_stop=lambda: not self._worker.alive)

    def run(self) -> None:
        try:
            WatchedArbiter(self).run()
        except RuntimeError as error:
            print(error, file=sys.stderr)
            sys.exit(1)

    def _remember(self, _arbiter: Any, worker: Any) -> None:
        self._worker = worker


def _begin(arbiter: Any) -> None:
    scheme = "https" if arbiter.cfg.is_ssl else "http"
    log.info("the pages are at %s", ", ".join(f"{scheme}://{address}" for address in arbiter.cfg.bind))
    _end_dead_viewers(arbiter)


def _end_dead_viewers(arbiter: Any) -> None:
    for listener in arbiter.LISTENERS:
        # Accepted sockets inherit it. Without it a laptop that was shut keeps its stream for a quarter of an hour.
        listener.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_VIEWER_MS)


def serve(settings: Settings) -> int:
    """Serve the pages until SIGTERM or SIGINT. Returns the process's exit code; says in one line what is wrong."""
    problem = _problem(settings)
    if problem:
        print(problem, file=sys.stderr)
        return 1
    _allow_files(_threads(settings) * FILES_A_THREAD)
    try:
        _Server(settings).run()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _threads(settings: Settings) -> int:
    return settings.max_streams + settings.max_video_viewers + SPARE_THREADS


def _problem(settings: Settings) -> str:
    if not settings.secret_key:
        return (
            "SECRET_KEY is not set: log-ins cannot be signed; make one with: "
            'python -c "import secrets; print(secrets.token_hex(32))"'
        )
    try:
        Store(settings.database_path).close()
    except StoreProblem as error:
        return str(error)
    if settings.web_tls:
        try:
            ServerTls(CaFolder(settings.ca_path)).context()
        except OSError as error:
            return f"no certificate to serve with (EMS_WEB_TLS): {error}; make one: ems-hub init"
    return cannot_listen(settings.web_host, settings.web_port, "EMS_WEB_PORT")


def _allow_files(wanted: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
        )
