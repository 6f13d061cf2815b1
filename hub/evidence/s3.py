"""Film at an S3 service (MinIO, Ceph, AWS ...): one object a file, `film/HASH`, and the label `storage.json`.

How `put` knows that what lies there is right: it hashes the bytes it sends and sends none under another name; each
request is signed over the SHA-256 of its body (AWS Signature Version 4), so that a service must refuse bytes that were
changed on their way, and asks the service to keep that hash (`x-amz-checksum-sha256`); then it asks for the size. What
is sent in parts is read back and hashed, for no single signature covers the whole.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from hub.config import Settings
from hub.evidence.storage import JOURNAL, LABEL_FILE, NAME, Missing, StorageFull, StorageProblem, WrongStorage, checked

PREFIX = "film"
PART_BYTES = 16 << 20
"""Above it a file is sent in parts of this size; a segment of ten seconds is about two megabytes."""
CONNECT_S, SILENT_S, REQUEST_S = 5, 20, 180
"""How long a connection, a silence, and one request of PART_BYTES on a slow line may take."""
RETRIES, RETRY_WITHIN_S = 4, 30
"""Requests that failed for the service's reasons or the network's are made again, with growing pauses."""
PAGE_NAMES = 1_000

_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")
_STATUS = re.compile(r"\bstatus(?: code)?: ([45]\d\d)\b")
_FULL = {"XMinioStorageFull", "QuotaExceeded", "InsufficientStorage", "XMinioAdminBucketQuotaExceeded", "507"}
_ADVICE = {
    "NoSuchBucket": "make the bucket, or correct EMS_S3_BUCKET",
    "InvalidAccessKeyId": "EMS_S3_ACCESS_KEY is not known there",
    "SignatureDoesNotMatch": "EMS_S3_SECRET_KEY or EMS_S3_REGION is wrong",
    "RequestTimeTooSkewed": "this hub's clock and the service's differ; set them",
    "AuthorizationHeaderMalformed": "EMS_S3_REGION is wrong",
    "AccessDenied": "the key may not read, write, list and delete in this bucket; give it these rights",
    "PermanentRedirect": "EMS_S3_REGION or S3_ENDPOINT is wrong",
}
_Answer = TypeVar("_Answer")


class S3Storage:
    """A bucket. The client is made at the first question, so that processes may be forked before."""

    def __init__(self, settings: Settings, expected_label: bytes | None = None) -> None:
        """Raises StorageProblem when the file EMS_S3_CA_PATH cannot be read."""
        self._endpoint = settings.s3_endpoint.rstrip("/")
        self._bucket = settings.s3_bucket
        self._region = settings.s3_region
        self._credentials = (settings.s3_access_key, settings.s3_secret_key)
        self._expected_label = expected_label
        self._is_recognised = False
        self._lock = threading.Lock()
        self._opened: S3Store | None = None
        try:
            self._authority = Path(settings.s3_ca_path).read_bytes() if settings.s3_ca_path else b""
        except OSError as error:
            raise StorageProblem(f"EMS_S3_CA_PATH: {settings.s3_ca_path}: {error.strerror}") from None

    def __repr__(self) -> str:
        return f"<S3Storage {self.place}>"

    @property
    def place(self) -> str:
        return f"{self._endpoint}/{self._bucket}"

    def put(self, sha256: str, source: Path) -> None:
        path = self._path(sha256)
        try:
            data = source.read_bytes()
        except OSError as error:
            raise StorageProblem(f"{source}: {error.strerror or error}") from None
        if hashlib.sha256(data).hexdigest() != sha256:
            raise StorageProblem(f"{source} is not the file {sha256}: it is not sent")
        self._recognise()
        if self._size_bytes(path) == len(data) and self._is_sound(sha256):
            return
        is_in_parts = len(data) > PART_BYTES
        self._ask(
            lambda store: obstore.put(
                store, path, data, use_multipart=is_in_parts, chunk_size=PART_BYTES, max_concurrency=4
            )
        )
        size_bytes = self._size_bytes(path)
        if size_bytes != len(data):
            raise StorageProblem(f"{self.place} has {size_bytes} bytes of {sha256}, which has {len(data)}")
        if is_in_parts and not self._is_sound(sha256):
            raise StorageProblem(f"{self.place} has other bytes under {sha256} than it was sent")

    def read(self, sha256: str) -> bytes:
        path = self._path(sha256)
        self._recognise()
        found = self._ask(lambda store: bytes(obstore.get(store, path).bytes()), is_absence_told=True)
        if found is None:
            raise Missing(f"{self.place} has no file {sha256}")
        return found

    def size_bytes(self, sha256: str) -> int | None:
        path = self._path(sha256)
        self._recognise()
        return self._size_bytes(path)

    def delete(self, sha256: str) -> bool:
        if self.size_bytes(sha256) is None:
            return False
        self._ask(lambda store: obstore.delete(store, self._path(sha256)))
        return True

    def delete_many(self, names: Sequence[str]) -> None:
        self._recognise()
        self._ask(lambda store: obstore.delete(store, [self._path(sha256) for sha256 in names]))

    def names(self) -> Iterator[tuple[str, int]]:
        for path, size_bytes in self._objects(PREFIX):
            if path.startswith(f"{PREFIX}/") and NAME.fullmatch(path.removeprefix(f"{PREFIX}/")):
                yield path.removeprefix(f"{PREFIX}/"), size_bytes

    def free_bytes(self) -> int | None:
        return None

    def label(self) -> bytes | None:
        return self._ask(lambda store: bytes(obstore.get(store, LABEL_FILE).bytes()), is_absence_told=True)

    def set_label(self, label: bytes) -> None:
        self._ask(lambda store: obstore.put(store, LABEL_FILE, label, use_multipart=False))
        self._expected_label = label

    @property
    def journal_every_s(self) -> float:
        return 60.0

    def add_to_journal(self, day: str, now_utc_ms: int, piece: bytes) -> None:
        """An object a piece: nothing can be appended there."""
        self._recognise()
        path = f"{JOURNAL}/{day}/{now_utc_ms:015d}-{hashlib.sha256(piece).hexdigest()[:8]}.jsonl"
        self._ask(lambda store: obstore.put(store, path, piece, use_multipart=len(piece) > PART_BYTES))

    def journal(self) -> Iterator[bytes]:
        for path in sorted(path for path, _ in self._objects(f"{JOURNAL}/")):
            yield self._piece(path)

    def journal_tail(self) -> bytes:
        self._recognise()
        days = self._ask(lambda store: obstore.list_with_delimiter(store, JOURNAL)["common_prefixes"])
        pieces = sorted(path for path, _ in self._objects(f"{max(days)}/")) if days else []
        return self._piece(pieces[-1]) if pieces else b""

    def _piece(self, path: str) -> bytes:
        return self._ask(lambda store: bytes(obstore.get(store, path).bytes())) or b""

    def strangers(self) -> Iterator[str]:
        for path, _ in self._objects():
            if (
                path != LABEL_FILE
                and not path.startswith(f"{JOURNAL}/")
                and not NAME.fullmatch(path.removeprefix(f"{PREFIX}/"))
            ):
                yield path

    def clean(self, now_utc_ms: int) -> int:
        """Nothing is visible there before it is whole; parts that were never completed are the bucket's own rules'."""
        return 0

    def _objects(self, prefix: str | None = None) -> Iterator[tuple[str, int]]:
        self._recognise()
        pages = obstore.list(self._store(), prefix=prefix, chunk_size=PAGE_NAMES)
        while page := self._ask(lambda _: next(pages, ())):
            for each in page:
                yield each["path"], each["size"]

    def _size_bytes(self, path: str) -> int | None:
        return self._ask(lambda store: int(obstore.head(store, path)["size"]), is_absence_told=True)

    def _is_sound(self, sha256: str) -> bool:
        try:
            return hashlib.sha256(self.read(sha256)).hexdigest() == sha256
        except Missing:
            return False

    def _path(self, sha256: str) -> str:
        return f"{PREFIX}/{checked(sha256)}"

    def _recognise(self) -> None:
        """Once a process: a bucket, other than a disk, does not vanish in between."""
        if self._expected_label is None or self._is_recognised:
            return
        if self.label() != self._expected_label:
            raise WrongStorage(
                f"{self.place} is not the bucket that this hub's store belongs to: are S3_ENDPOINT and EMS_S3_BUCKET "
                "right? After it was replaced: `ems-hub check --repair --new-storage`"
            )
        self._is_recognised = True

    def _store(self) -> S3Store:
        with self._lock:
            if self._opened is None:
                self._opened = self._made()
            return self._opened

    def _made(self) -> S3Store:
        key, secret = self._credentials
        seconds = timedelta(seconds=1)
        options: dict[str, object] = {
            "allow_http": self._endpoint.startswith("http://"),
            "connect_timeout": CONNECT_S * seconds,
            "read_timeout": SILENT_S * seconds,
            "timeout": REQUEST_S * seconds,
        }
        if self._authority:
            options["root_certificate"] = self._authority
        return S3Store(
            self._bucket,
            endpoint=self._endpoint,
            region=self._region,
            access_key_id=key,
            secret_access_key=secret,
            checksum_algorithm="SHA256",
            virtual_hosted_style_request=False,
            client_options=options,  # type: ignore[arg-type]
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": RETRY_WITHIN_S * seconds,
                "backoff": {"init_backoff": seconds / 5, "max_backoff": 4 * seconds, "base": 2},
            },
        )

    def _ask(self, question: Callable[[S3Store], _Answer], *, is_absence_told: bool = False) -> _Answer | None:
        """The answer; None for a file that is not there, where that is one. Raises StorageProblem."""
        try:
            return question(self._store())
        except FileNotFoundError as error:
            if is_absence_told and _code(str(error)) != "NoSuchBucket" and self._has_bucket():
                return None
            raise StorageProblem(f"{self.place} is not there: {_ADVICE['NoSuchBucket']}") from None
        except (BaseError, OSError, ValueError) as error:
            raise self._problem(error) from None

    def _has_bucket(self) -> bool:
        """A service answers alike for a bucket and for an object that is not there, where the question has no body."""
        try:
            next(obstore.list(self._store(), prefix=PREFIX, chunk_size=1), None)
        except FileNotFoundError:
            return False
        except (BaseError, OSError, ValueError) as error:
            if _code(str(error)) == "NoSuchBucket":
                return False
            raise self._problem(error) from None
        return True

    def _problem(self, error: Exception) -> StorageProblem:
        """In words of our own: a service's answer may carry the access key and the request that was signed."""
        text = str(error)
        code = _code(text)
        if code in _FULL:
            return StorageFull(f"{self.place} is full ({code}): make room there")
        if code in _ADVICE:
            return StorageProblem(f"{self.place} refuses ({code}): {_ADVICE[code]}")
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return StorageProblem(f"{self.place} refuses this hub: are EMS_S3_ACCESS_KEY and EMS_S3_SECRET_KEY right?")
        if "certificate" in text.lower():
            return StorageProblem(
                f"the certificate of {self._endpoint} is not trusted: name its authority's file in EMS_S3_CA_PATH"
            )
        if "kind: Timeout" in text or "TimedOut" in text:
            return StorageProblem(f"{self._endpoint} does not answer in time: is it well, and the network?")
        if "kind: Connect" in text:
            return StorageProblem(f"{self._endpoint} cannot be reached: is S3_ENDPOINT right, and is the service up?")
        return StorageProblem(f"{self.place} cannot do it now ({code or type(error).__name__}): its own log says why")


def _code(text: str) -> str:
    """The service's code for an error, else the HTTP status, else ''."""
    found = _CODE.search(text) or _STATUS.search(text)
    return found[1] if found is not None else ""
