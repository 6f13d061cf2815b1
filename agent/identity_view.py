"""Who this desk is at which hub, read for a person to see: the public parts of STORAGE_PATH/identity, never a key.

Reads only, and takes any state of the folder: absent, half written, damaged.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from msgspec import Struct


class CertificateView(Struct, frozen=True, kw_only=True):
    """The public facts of one certificate; times in UTC milliseconds, the fingerprint is of SHA-256."""

    subject: str
    issuer: str
    serial: str
    begins_utc_ms: int
    ends_utc_ms: int
    fingerprint: str

    def days_left(self, now_utc_ms: int) -> float:
        return (self.ends_utc_ms - now_utc_ms) / 86_400_000


class IdentityView(Struct, frozen=True, kw_only=True):
    """`trouble` names files that are there and cannot be read. `is_enrolled`: name, key and certificate are there."""

    hub: str = ""
    door_port: int = 0
    unit: str = ""
    broker_host: str = ""
    broker_port: int = 0
    is_enrolled: bool = False
    is_waiting: bool = False
    certificate: CertificateView | None = None
    authorities: tuple[CertificateView, ...] = ()
    trouble: tuple[str, ...] = ()


def identity_folder(storage: Path) -> Path:
    return storage / "identity"


def view_identity(storage: Path) -> IdentityView:
    """What the folder says now; raises nothing."""
    folder, trouble = identity_folder(storage), []

    def read(name: str) -> bytes | None:
        try:
            return (folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            trouble.append(f"{name}: {error.strerror}")
            return None

    def fields(name: str) -> dict[str, Any]:
        data = read(name)
        if data is None:
            return {}
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            found = msgspec.json.decode(data)
            if isinstance(found, dict):
                return found
        trouble.append(f"{name}: not what the desk wrote")
        return {}

    def certificates(name: str) -> tuple[CertificateView, ...]:
        data = read(name)
        if data is None:
            return ()
        try:
            return tuple(_view(each) for each in x509.load_pem_x509_certificates(data))
        except ValueError:
            trouble.append(f"{name}: not a certificate")
            return ()

    hub, unit = fields("hub.json"), fields("unit.json")
    leaf, roots = certificates("tls.crt"), certificates("authorities.pem")
    has_key = _is_there(folder / "tls.key", trouble)
    return IdentityView(
        hub=_text(hub, "hub"),
        door_port=_number(hub, "door_port"),
        unit=_text(unit, "unit"),
        broker_host=_text(unit, "broker_host"),
        broker_port=_number(unit, "broker_port"),
        is_enrolled=bool(unit and leaf and has_key),
        is_waiting=not leaf and _is_there(folder / "pending.json", trouble),
        certificate=leaf[0] if leaf else None,
        authorities=roots,
        trouble=tuple(trouble),
    )


def _is_there(path: Path, trouble: list[str]) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        trouble.append(f"{path.name}: {error.strerror}")
        return False
    return True


def _text(fields: dict[str, Any], name: str) -> str:
    found = fields.get(name)
    return found if isinstance(found, str) else ""


def _number(fields: dict[str, Any], name: str) -> int:
    found = fields.get(name)
    return found if isinstance(found, int) else 0


def _view(certificate: x509.Certificate) -> CertificateView:
    return CertificateView(
        subject=certificate.subject.rfc4514_string(),
        issuer=certificate.issuer.rfc4514_string(),
        serial=f"{certificate.serial_number:x}",
        begins_utc_ms=round(certificate.not_valid_before_utc.timestamp() * 1000),
        ends_utc_ms=round(certificate.not_valid_after_utc.timestamp() * 1000),
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
    )
