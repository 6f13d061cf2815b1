"""A real ingest for tests: in a thread, or as the process that `ems-hub ingest` starts."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hub.config import Settings
from hub.ingest import run
from hub.store import Store
from tests.brokers import REPOSITORY, Broker


def settings_for(folder: Path, broker: Broker | None = None, **changes: Any) -> Settings:
    fields: dict[str, Any] = {
        "app_env": "development",
        "database_url": f"sqlite:///{folder / 'hub.db'}",
        "storage_path": str(folder / "storage"),
        "live_path": str(folder / "live"),
        "trust_new_units": True,
    }
    if broker is not None:
        fields |= {"broker_port": broker.port, "broker_protocol": broker.protocol}
    return Settings(**(fields | changes))


@contextmanager
def ingesting(settings: Settings) -> Iterator[None]:
    """Ingest in a thread of this process; what ended it early is raised here."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def body() -> None:
        try:
            run(settings, stop)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=body, name="ingest")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
    if failures:
        raise failures[0]


@contextmanager
def ingest_process(folder: Path, broker: Broker, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """The ingest process with the settings of `settings_for`; it is asked to end at the end, and must."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hub.cli", "ingest"],
        cwd=REPOSITORY,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("EMS_")},
            "APP_ENV": "development",
            "DATABASE_URL": f"sqlite:///{folder / 'hub.db'}",
            "STORAGE_PATH": str(folder / "storage"),
            "EMS_LIVE_PATH": str(folder / "live"),
            "EMS_TRUST_NEW_UNITS": "true",
            "EMS_BROKER_PORT": str(broker.port),
            "EMS_BROKER_PROTOCOL": str(broker.protocol),
            **environ,
        },
    )
    try:
        yield process
        if process.poll() is None:
            process.terminate()
            process.wait(30)
    finally:
        process.kill()
        process.wait()


def opening(path: Path) -> str:
    """What a process that opens the store at `path` is told; empty when it opens."""
    code = (
        "import sys, pathlib, hub.store as s\n"
        "try: s.Store(pathlib.Path(sys.argv[1]))\n"
        "except s.StoreProblem as problem: print(problem)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def rows(store: Store, sql: str, *values: object) -> list[dict[str, Any]]:
    """What the store holds, for assertions."""
    with store.read() as connection:
        return [dict(row) for row in connection.execute(sql, values)]


def value(store: Store, sql: str, *values: object) -> Any:
    """The first column of the first row."""
    with store.read() as connection:
        return connection.execute(sql, values).fetchone()[0]
