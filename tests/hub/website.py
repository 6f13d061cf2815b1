"""The hub's pages over a real store, for tests: in this process, or served by gunicorn in another."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import ssl
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from hub.config import Settings
from hub.core.access import Role
from hub.evidence.storage import LocalStorage
from hub.store import Store
from hub.web import create_app
from hub.web.clock import now_utc_ms
from tests.brokers import free_port
from tests.hub.seed import Centre
from tests.support import wait_for

PASSWORD = "correct horse battery"
PEOPLE = {
    "Ada": Role.PROCTOR,
    "Grace": Role.PROCTOR,
    "Tim": Role.TECHNICIAN,
    "Olga": Role.AUDITOR,
    "Root": Role.ADMIN,
}


class Site:
    """`app` in this process, and the centre whose rows it shows."""

    def __init__(self, app: Flask, centre: Centre) -> None:
        self.app = app
        self.centre = centre
        self.store = centre.store
        self.tail = app.extensions["ems"].tail

    def client(self, name: str | None = None) -> FlaskClient:
        """A browser's place, logged in as `name`."""
        client = self.app.test_client()
        if name is not None:
            assert log_in(client, name).status_code == 303
        return client

    def settle(self) -> None:
        """Wait until the board has been read by a look that began after this moment."""
        now = now_utc_ms()
        wait_for(lambda: self.tail.read_utc_ms > now)


def token(client: FlaskClient, path: str = "/login") -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert found
    return found[1]


def log_in(client: FlaskClient, name: str, password: str = PASSWORD, target: str = "/") -> TestResponse:
    form = {"csrf_token": token(client), "name": name, "password": password, "next": target}
    return client.post("/login", data=form)


def http_log_in(port: int, name: str, password: str) -> str:
    """The cookie of a log-in at pages that are served at this port."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    line.request("GET", "/login")
    answer = line.getresponse()
    cookie = str(answer.headers["Set-Cookie"]).partition(";")[0]
    found = re.search(r'name="csrf_token" value="([^"]+)"', answer.read().decode())
    assert found
    form = urllib.parse.urlencode({"csrf_token": found[1], "name": name, "password": password})
    line.request("POST", "/login", form, {"Cookie": cookie, "Content-Type": "application/x-www-form-urlencoded"})
    answer = line.getresponse()
    answer.read()
    line.close()
    assert answer.status == 303, answer.status
    return str(answer.headers["Set-Cookie"]).partition(";")[0]


def settings(folder: Path, **values: object) -> Settings:
    return Settings(
        **{
            "app_env": "development",
            "secret_key": "k" * 40,
            "database_url": f"sqlite:///{folder}/hub.db",
            "live_path": str(folder / "live"),
            "storage_path": str(folder / "storage"),
            **values,
        }  # type: ignore[arg-type]
    )


def film_storage(folder: Path) -> LocalStorage:
    """Where the pages over `folder` find their film."""
    return LocalStorage(folder / "storage" / "film")


@contextlib.contextmanager
def site(folder: Path, **values: object) -> Iterator[Site]:
    store = Store(folder / "hub.db")
    centre = Centre(store, folder / "live")
    for name, role in PEOPLE.items():
        centre.person(name, PASSWORD, role)
    app = create_app(settings(folder, **values), store)
    try:
        yield Site(app, centre)
    finally:
        app.extensions["ems"].tail.stop()
        store.close()


SERVE = "import sys; from hub.config import load; from hub.web.server import serve; sys.exit(serve(load(dotenv=None)))"


@contextlib.contextmanager
def served(folder: Path, **values: str) -> Iterator[tuple[str, Centre]]:
    """(address, centre): the pages in a process of their own, as `ems-hub web` serves them."""
    store = Store(folder / "hub.db")
    centre = Centre(store, folder / "live")
    for name, role in PEOPLE.items():
        centre.person(name, PASSWORD, role)
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "APP_ENV": "development",
        "SECRET_KEY": "k" * 40,
        "DATABASE_URL": f"sqlite:///{folder}/hub.db",
        "EMS_LIVE_PATH": str(folder / "live"),
        "STORAGE_PATH": str(folder / "storage"),
        "EMS_WEB_PORT": str(port),
        **values,
    }
    with (folder / "web.log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", SERVE], env=environment, stdout=log, stderr=log)
        try:
            scheme = "https" if values.get("EMS_WEB_TLS") == "true" else "http"
            address = f"{scheme}://127.0.0.1:{port}"
            wait_for(lambda: _answers(address) or process.poll() is not None)
            assert process.poll() is None, (folder / "web.log").read_text()
            yield address, centre
        finally:
            process.terminate()
            code = process.wait(timeout=30)
            store.close()
    assert code == 0, (folder / "web.log").read_text()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/login", timeout=5):
            return True
    except urllib.error.URLError as error:
        return isinstance(error.reason, ssl.SSLCertVerificationError)  # it answers, with an authority of its own
    except OSError:
        return False
