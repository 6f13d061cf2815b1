"""`ems-hub door`: the door behind gunicorn, TLS 1.3 only, with the hub's own certificate."""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from agent import wire_door
from agent.wire_door import Trouble
from hub.arbiter import WatchedArbiter, cannot_listen
from hub.config import Settings
from hub.door import create_app, uploads_of
from hub.door.announce import announce
from hub.door.uploads import Sweeper
from hub.enrolment import CaFolder
from hub.evidence.storage import StorageProblem, open_storage
from hub.store import Store, StoreProblem
from hub.tls import ServerTls

log = logging.getLogger(__name__)

THREADS = 48
"""Twice the desks that may send film at a time."""
MOST_CONNECTIONS = 512
MOST_OF_ONE_ADDRESS = 16
"""Open at once, a third of the threads: a desk makes one request and goes, and asks again when it is refused."""
HANDSHAKE_WITHIN_S = 5.0
LIFE_S = 15.0
"""Both from the accept on, whatever comes meanwhile."""
READ_WITHIN_S = 5.0
"""A desk's whole request is one packet or two; who is slower than this holds a thread for nothing."""
MOST_READS = 24
"""Of one connection: a request at its largest comes in three. Who sends byte by byte is cut off."""
LEAST_BYTES_PER_S = 16_384
"""Of a piece of film, sent by a unit that has signed for it: who is slower sends smaller pieces, or is cut off."""
PIECE_READ_WITHIN_S = 8.0
ANSWER_WITHIN_S = 120.0
"""From the last byte of a piece on: a storage may take its time, and nobody outside can draw that out."""
LINGER_S = 1.0
LINGER_BYTES = 65_536


class _Line(ssl.SSLSocket):
    """A connection that cannot be drawn out for ever: gunicorn's threads wait for slow callers without end."""

    _reads = 0
    _is_known = False
    until_ns: int | None = None
    """When it is cut off, by perf_counter_ns; None: by its age."""

    def expect(self, size_bytes: int) -> None:
        """A known unit sends so many bytes more: they may come in as many reads as the link makes of them, within the
        time that its slowest allows."""
        self._is_known = True
        self.settimeout(PIECE_READ_WITHIN_S)
        self.until_ns = time.perf_counter_ns() + round((LIFE_S + size_bytes / LEAST_BYTES_PER_S) * 1e9)

    def has_come(self) -> None:
        """All of it; what takes time now is ours."""
        self.until_ns = time.perf_counter_ns() + round(ANSWER_WITHIN_S * 1e9)

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except TimeoutError:
            raise ConnectionResetError(errno.ECONNRESET, "too slow") from None
        except ssl.SSLError as error:
            log.info("no TLS: %s", error.reason)
            raise ConnectionResetError(errno.ECONNRESET, "no TLS") from None  # gunicorn would answer without TLS

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        self._reads += 1
        if self._reads > MOST_READS and not self._is_known:
            raise ConnectionResetError(errno.ECONNRESET, "too slow")
        try:
            return super().recv(buflen, flags)
        except TimeoutError:
            raise ConnectionResetError(errno.ECONNRESET, "too slow") from None


class _Context(ssl.SSLContext):
    sslsocket_class = _Line

    def wrap_socket(self, sock: socket.socket, *args: Any, **options: Any) -> ssl.SSLSocket:
        sock.settimeout(READ_WITHIN_S)  # the TLS socket takes it over
        return super().wrap_socket(sock, *args, **options)


class _Connection(TConn):  # type: ignore[misc]
    """One of the worker's connections: it knows its age, and says once when it ends."""

    def __init__(self, worker: _Worker, line: socket.socket, client: Any, server: Any) -> None:
        super().__init__(worker.cfg, line, client, server)
        self._worker = worker
        self._since_ns = time.perf_counter_ns()

    def is_over(self) -> bool:
        """Whether it has had its time; the parser is there once TLS is."""
        until_ns: int | None = getattr(self.sock, "until_ns", None)
        if until_ns is not None:
            return time.perf_counter_ns() > until_ns
        age_s = (time.perf_counter_ns() - self._since_ns) / 1e9
        return age_s > (HANDSHAKE_WITHIN_S if self.parser is None else LIFE_S)

    def cut(self) -> None:
        """End it under the thread that reads from it: that one finds the end of the line."""
        with contextlib.suppress(OSError, ValueError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)  # past TLS, whose state is the thread's

    def linger(self) -> None:
        """Let the answer to a request that was refused unread arrive, on the thread that gave it: gunicorn would do so
        on the one that accepts, and whoever does not hang up would stop that."""
        deadline_ns = time.perf_counter_ns() + round(LINGER_S * 1e9)
        left_bytes = LINGER_BYTES
        with contextlib.suppress(OSError, ValueError):
            self.sock.shutdown(socket.SHUT_WR)
            while left_bytes > 0 and (left_ns := deadline_ns - time.perf_counter_ns()) > 0:
                self.sock.settimeout(left_ns / 1e9)
                data = self.sock.recv(4096)
                if not data:
                    return
                left_bytes -= len(data)

    def close(self, graceful: bool = False) -> None:
        self._worker.release(self)
        super().close()


class _Worker(ThreadWorker):  # type: ignore[misc]
    """Bounds what one address may hold open. gunicorn's own refusals (no HTTP, a line too long) are in HTML; here they
    are a Trouble too."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._open: set[_Connection] = set()
        self._of_address: Counter[str] = Counter()

    def accept(self, listener: socket.socket) -> None:
        """gunicorn's own, but for the bound: who is over it is closed before a thread is taken."""
        try:
            line, client = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        if self._of_address[client[0]] >= MOST_OF_ONE_ADDRESS:
            line.close()
            return
        self.nr_conns += 1
        connection = _Connection(self, line, client, listener.getsockname())
        self._open.add(connection)
        self._of_address[client[0]] += 1
        self.enqueue_req(connection)

    def handle(self, conn: _Connection) -> Any:
        result = super().handle(conn)
        if result is False:
            conn.linger()
        return result

    def release(self, connection: _Connection) -> None:
        if connection in self._open:
            self._open.remove(connection)
            address = connection.client[0]
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]

    def murder_pending(self) -> None:
        super().murder_pending()
        for connection in [each for each in self._open if each.is_over()]:
            connection.cut()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        log.warning("no request: %s, from %s", type(exc).__name__, addr[0] if addr else "")
        body = wire_door.encode(Trouble(code="bad_request", words="that is no HTTP request"))
        head = (
            "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}"
        )
        with contextlib.suppress(OSError):
            client.sendall(head.encode() + b"\r\n\r\n" + body)


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, set up from our settings and from nothing else."""

    def __init__(self, settings: Settings, now_utc_ms: Callable[[], int]) -> None:
        self._settings = settings
        self._now_utc_ms = now_utc_ms
        self._at_end = contextlib.ExitStack()
        super().__init__()

    def load_config(self) -> None:
        folder = CaFolder(self._settings.ca_path)
        host = f"[{self._settings.door_host}]" if ":" in self._settings.door_host else self._settings.door_host
        options = {
            "bind": f"{host}:{self._settings.door_port}",
            "worker_class": _Worker,
            "workers": 1,  # rate limits are counted in one process
            "threads": THREADS,
            "worker_connections": MOST_CONNECTIONS,
            "keepalive": 0,  # a desk asks one thing and goes
            "timeout": 30,
            "graceful_timeout": 5,
            "proc_name": "ems-hub-door",
            "loglevel": "warning",
            "control_socket_disable": True,
            "certfile": str(folder.server_certificate),
            "keyfile": str(folder.server_key),
            "ssl_context": ServerTls(folder, _Context).for_gunicorn,
            "when_ready": lambda arbiter: log.info("the door is at https://%s", ", ".join(arbiter.cfg.bind)),
            "worker_exit": lambda _arbiter, _worker: self._at_end.close(),
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def run(self) -> None:
        try:
            WatchedArbiter(self).run()
        except RuntimeError as error:
            print(error, file=sys.stderr)
            sys.exit(1)

    def load(self) -> Flask:
        # In the worker, after the fork: neither SQLite connections nor threads survive one.
        if self._settings.mdns:
            self._at_end.callback(announce(self._settings))
        store = Store(self._settings.database_path)
        uploads = uploads_of(self._settings, store, self._now_utc_ms)
        sweeper = Sweeper(uploads)
        sweeper.start()
        self._at_end.callback(sweeper.stop)
        return create_app(self._settings, store, self._now_utc_ms, uploads)


def serve(settings: Settings, now_utc_ms: Callable[[], int]) -> int:
    """Serve the door until SIGTERM or SIGINT. Returns the process's exit code; says in one line what is wrong."""
    problem = _problem(settings)
    if problem:
        print(problem, file=sys.stderr)
        return 1
    try:
        _Server(settings, now_utc_ms).run()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def _problem(settings: Settings) -> str:
    try:
        Store(settings.database_path).close()
        open_storage(settings)
    except (StoreProblem, StorageProblem) as error:
        return str(error)
    try:
        ServerTls(CaFolder(settings.ca_path)).context()
    except OSError as error:
        return f"the server's certificate in {settings.ca_path} cannot be used ({error}): run `ems-hub init`"
    return cannot_listen(settings.door_host, settings.door_port, "EMS_DOOR_PORT")
