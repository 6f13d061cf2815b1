"""An S3 service for tests, spoken to over HTTP or TLS: `moto`'s, in a process of its own, made as strict as the
services that centres run (known key, body against its signed hash), and able to fail on demand.

`python -m tests.s3_service [CERTIFICATE KEY]` prints its port and serves until it is ended.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from hub.config import Settings

ACCESS_KEY, SECRET_KEY = "TESTACCESSKEY", "test-secret-key-0123456789"
_FAULT = "/_fault/"


class Strict:
    """What stands in front of moto. `PUT /_fault/KIND/COUNT` has the next COUNT requests fail: `busy` (503), `full`
    (507), `flip` (a stored byte is another one), `short` (half of it is stored), `silent` (no answer)."""

    def __init__(self, behind: Callable[..., Iterable[bytes]]) -> None:
        self._behind = behind
        self._faults: dict[str, int] = {}
        self._lock = threading.Lock()
        self._ended = threading.Event()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path: str = environ["PATH_INFO"]
        if path.startswith(_FAULT):
            kind, count = path.removeprefix(_FAULT).split("/")
            with self._lock:
                self._faults[kind] = int(count)
            start("204 No Content", [])
            return []
        if path.startswith("/moto-api"):
            return self._behind(environ, start)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        is_put = environ["REQUEST_METHOD"] == "PUT"
        if f"Credential={ACCESS_KEY}/" not in environ.get("HTTP_AUTHORIZATION", ""):
            return self._refuse(start, "403 Forbidden", "InvalidAccessKeyId")
        if is_put and environ.get("HTTP_X_AMZ_CONTENT_SHA256") != hashlib.sha256(body).hexdigest():
            return self._refuse(start, "400 Bad Request", "XAmzContentSHA256Mismatch")
        if self._has("silent"):
            self._ended.wait(60)
        if self._has("busy"):
            return self._refuse(start, "503 Service Unavailable", "SlowDown")
        if is_put and self._has("full"):
            return self._refuse(start, "507 Insufficient Storage", "XMinioStorageFull")
        if is_put and self._has("flip"):
            body = bytes([body[0] ^ 1]) + body[1:]
        if is_put and self._has("short"):
            body = body[: len(body) // 2]
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        return self._behind(environ, start)

    def _has(self, kind: str) -> bool:
        with self._lock:
            left = self._faults.get(kind, 0)
            self._faults[kind] = max(left - 1, 0)
        return left > 0

    @staticmethod
    def _refuse(start: Callable[..., Any], status: str, code: str) -> list[bytes]:
        start(status, [("Content-Type", "application/xml")])
        return [
            f"<Error><Code>{code}</Code><Message>no</Message><AWSAccessKeyId>{ACCESS_KEY}</AWSAccessKeyId>"
            f"<StringToSign>{SECRET_KEY}</StringToSign></Error>".encode()
        ]


def main(papers: list[str]) -> None:
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    application = Strict(DomainDispatcherApplication(create_backend_app))
    server = make_server(
        "127.0.0.1",
        0,
        application,
        threaded=True,
        request_handler=MotoRequestHandler,
        ssl_context=(papers[0], papers[1]) if papers else None,
    )
    print(server.server_address[1], flush=True)
    server.serve_forever()


class Service:
    """A running service, with the bucket `ems`; `authority` is the file by which its certificate is known."""

    def __init__(self, port: int, authority: Path | None) -> None:
        self.endpoint = f"https://localhost:{port}" if authority else f"http://127.0.0.1:{port}"
        self.authority = authority
        self.buckets = 0

    def settings(self, **changed: Any) -> Settings:
        given: dict[str, Any] = {
            "s3_endpoint": self.endpoint,
            "s3_access_key": ACCESS_KEY,
            "s3_secret_key": SECRET_KEY,
            "s3_ca_path": str(self.authority or ""),
        }
        return Settings(**(given | changed))

    def fail(self, kind: str, count: int = 1) -> None:
        """The next `count` requests fail in that way."""
        request = urllib.request.Request(f"{self.endpoint}{_FAULT}{kind}/{count}", method="PUT")
        urllib.request.urlopen(request, timeout=10).close()

    def new_bucket(self) -> str:
        """Make an empty bucket; answers its name."""
        import boto3

        self.buckets += 1
        name = f"ems-{self.buckets}"
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            region_name="us-east-1",
            verify=str(self.authority) if self.authority else None,
        )
        client.create_bucket(Bucket=name)
        client.close()
        return name


@contextlib.contextmanager
def running(
    certificate: Path | None = None, key: Path | None = None, authority: Path | None = None
) -> Iterator[Service]:
    """The service in a process of its own, for as long as the block runs."""
    papers = [str(certificate), str(key)] if certificate else []
    with subprocess.Popen(
        [sys.executable, "-m", "tests.s3_service", *papers],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield Service(int(process.stdout.readline()), authority)
        finally:
            process.kill()


if __name__ == "__main__":
    main(sys.argv[1:])
