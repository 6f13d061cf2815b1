"""`ems-agent support-bundle`: what somebody far away needs to help, in one archive, and nothing that must stay here.

No picture, no film, no record's body, no key, password, token or claim code. Every text goes through the redactor with
the desk's own secrets known to it, and one that should still hold a secret then is left out as a whole.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import json
import os
import platform
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from dotenv import dotenv_values

from agent import machine, service_settings
from agent.config import PLAIN, Settings, variable_of
from agent.core.local_status import LocalStatus
from agent.core.redact import LEAST_KNOWN, is_secret_name, redact, redacted_settings, writings_of
from agent.doctor import Case, Line, storage_facts
from agent.enrolling_status import ENROLLING
from agent.identity_view import identity_folder
from agent.local import run_folder
from agent.records_view import RecordsProblem, as_json, view_records
from agent.status import as_values, find

LOG_LINES = 5_000
UNITS = ("ems-agent", "ems-panel", "chrony", "systemd-timesyncd")
PACKAGES = tuple(
    "ai-edge-litert tflite-runtime av click cryptography exam-monitoring-system gpiozero msgspec ntplib numpy "
    "opencv-python-headless paho-mqtt rich sqlite-utils".split()
)
LEFT_OUT = (
    "keys, passwords, tokens and claim codes",
    "pictures, films and observation logs",
    "the bodies of records",
)
MAX_KEY_BYTES = 65_536


class Made(NamedTuple):
    """`members`: names and sizes in the archive; `dropped`: members that were left out, each with the reason."""

    members: list[tuple[str, int]]
    dropped: list[str]


def make_bundle(out: Path, case: Case, lines: list[Line], environ: Mapping[str, str], folder: Path) -> Made:
    """Write the archive; `lines` is the doctor's, `folder` where `.env` lies. Raises OSError."""
    known = secrets_of(case.settings, environ, folder)
    texts, dropped = {}, []
    for name, make in _members(case, lines, environ).items():
        try:
            text = redact(make(), known)
        except Exception as error:  # a part that cannot be told must not cost the others
            dropped.append(f"{name}: {type(error).__name__}: {redact(str(error), known)}")
            continue
        if any(secret in text for secret in known):
            dropped.append(f"{name}: a secret could not be taken out of it")
            continue
        texts[name] = text
    part = out.with_name(f"{out.name}.part")
    part.unlink(missing_ok=True)  # of a command that was cut off
    # a new file of its own, whatever mode or link already has one of the names
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, text in texts.items():
            data = text.encode(errors="replace")
            entry = tarfile.TarInfo(f"ems-support/{name}")
            entry.size, entry.mtime, entry.mode = len(data), case.now.utc_ms // 1000, 0o600
            archive.addfile(entry, io.BytesIO(data))
    part.replace(out)
    return Made([(name, len(text.encode(errors="replace"))) for name, text in texts.items()], dropped)


def secrets_of(settings: Settings, environ: Mapping[str, str], folder: Path) -> frozenset[str]:
    """Every secret of this desk, in every writing: its key files, what settings with telling names hold, the claim
    code. A key file that cannot be read by this user can be in no text that this user gathers."""
    found: set[str] = set()
    identity = identity_folder(settings.storage_path)
    keys = [settings.storage_path / "unit.key", *identity.glob("*.key"), *identity.glob("*.key.part")]
    keys += (settings.storage_path / "retired").rglob("*.key")
    for path in keys:
        try:
            data = path.read_bytes()[:MAX_KEY_BYTES]
        except OSError:
            continue
        found |= writings_of(data) | _raw_writings(data)
    given = [*environ.items()]
    for file in (folder / ".env", service_settings.ENVIRONMENT_FILE):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            given += [(name, value) for name, value in dotenv_values(file).items() if value]
    for name, value in given:
        if is_secret_name(name) and len(value) >= LEAST_KNOWN:
            found |= writings_of(value.encode())
    for path in (identity / "pending.json", run_folder(settings) / ENROLLING):
        try:
            code = json.loads(path.read_bytes()).get("code", "")
            found |= writings_of(str(code).encode()) | writings_of(str(code).replace("-", "").encode())
        except (OSError, ValueError, AttributeError):
            continue
    return frozenset(each for each in found if len(each) >= LEAST_KNOWN)


def _raw_writings(pem: bytes) -> frozenset[str]:
    """The private number itself: Ed25519's seed, an elliptic curve's scalar."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return frozenset()
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    found = writings_of(der)
    if hasattr(key, "private_bytes_raw"):
        found |= writings_of(key.private_bytes_raw())
    elif hasattr(key, "private_numbers"):
        number = getattr(key.private_numbers(), "private_value", 0)
        found |= writings_of(number.to_bytes((number.bit_length() + 7) // 8 or 1, "big"))
    return found


def _members(case: Case, lines: list[Line], environ: Mapping[str, str]) -> dict[str, Callable[[], str]]:
    storage = case.settings.storage_path
    return {
        "status.json": lambda: _pretty(as_values(_last_status(case), case.finding)),
        "doctor.json": lambda: _pretty([line._asdict() for line in lines]),
        "settings.json": lambda: _pretty(_settings(case.settings, environ)),
        "versions.json": lambda: _pretty(_versions()),
        "records.json": lambda: _records(storage),
        "segments.tsv": lambda: _segments(storage / "segments"),
        "disk.json": lambda: _pretty(storage_facts(storage)),
        "mounts.txt": lambda: Path("/proc/self/mountinfo").read_text(),
        "identity.json": lambda: _pretty(msgspec.to_builtins(case.identity)),
        "network.txt": lambda: _commands(
            ["ip", "address"], ["ip", "route"], ["ip", "-6", "route"], ["cat", "/etc/resolv.conf"]
        ),
        "systemd.txt": lambda: _commands(
            ["systemctl", "show", "--property=Id,ActiveState,SubState,NRestarts,Result", *UNITS]
        ),
        "log.txt": lambda: _commands(
            ["journalctl", "--no-pager", "-o", "short-iso", "-n", str(LOG_LINES), *(f"--unit={unit}" for unit in UNITS)]
        ),
        "kernel.txt": lambda: _commands(["dmesg", "--level=emerg,alert,crit,err,warn"]),
    }


def _last_status(case: Case) -> LocalStatus | None:
    """Of a desk that hangs or has ended, what it said last; the finding beside it says how old that is."""
    return case.status or find(case.settings, case.now)[0]


def _settings(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    values = {variable_of(field): getattr(settings, field) for field in settings.__struct_fields__}
    others = {name: value for name, value in environ.items() if name.startswith("EMS_") or name in PLAIN}
    return redacted_settings({**others, **values})


def _versions() -> dict[str, object]:
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    try:
        system = platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except OSError:
        system = ""
    return {
        "python": platform.python_version(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "os": system,
        "board": machine.model(),
        "packages": packages,
    }


def _records(storage: Path) -> str:
    try:
        return as_json(view_records(storage)).decode()
    except RecordsProblem as problem:
        return _pretty({"problem": str(problem)})


def _segments(folder: Path) -> str:
    rows = ["name\tbytes\tmodified_utc_s"]
    for entry in sorted(os.scandir(folder), key=lambda each: each.name) if folder.is_dir() else ():
        facts = entry.stat(follow_symlinks=False)
        rows.append(f"{entry.name}\t{facts.st_size}\t{facts.st_mtime:.0f}")
    return "\n".join(rows) + "\n"


def _commands(*commands: list[str]) -> str:
    return "\n".join(f"$ {' '.join(command)}\n{_said(command)}" for command in commands)


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=20, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"({error})\n"
    return done.stdout + (f"(exit code {done.returncode}: {done.stderr.strip()})\n" if done.returncode else "")


def _pretty(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=str), indent=2).decode()
