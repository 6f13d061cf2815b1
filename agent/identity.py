"""Who this desk is at which hub: the folder STORAGE_PATH/identity, for its owner alone to read.

    hub.json          the hub, its door's port, the authority's fingerprint that a person gave, what unit it replaces
    authorities.pem   the roots that are trusted
    unit.json         the unit's name and its broker, once granted
    tls.key, tls.crt  for the broker; the certificate's chain, leaf first
    plan.json         the plan of the newest grant
    next.key          the key of the certificate that is being asked for
    pending.json      its request and the claim code
    granted.json      a grant that is not yet put into all its places

A power cut between any two steps is no harm: each file is replaced whole, a grant counts from the moment that
granted.json is on the card, and whoever opens the folder completes it.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from msgspec import Meta, Struct

from agent import wire, wire_door
from agent.unit_key import sync_folder, write_synced
from agent.wire import UnitName
from agent.wire_door import Grant, PortNumber, UnitNameOrNone

T = TypeVar("T")


class IdentityProblem(Exception):
    """The folder or a grant cannot be used; the text says what to do."""


class HubPlace(Struct, frozen=True, kw_only=True):
    """Where the hub is and by what it is known. `replaces`: the unit whose place this desk takes, or ''."""

    hub: Annotated[str, Meta(min_length=1, max_length=253)]
    ca_fingerprint: str
    door_port: PortNumber = wire_door.PORT
    replaces: UnitNameOrNone = ""


class Identity(Struct, frozen=True, kw_only=True):
    """An enrolled unit. The paths are PEM files; times in UTC milliseconds."""

    unit: str
    broker_host: str
    broker_port: int
    authorities: Path
    certificate: Path
    key: Path
    begins_utc_ms: int
    ends_utc_ms: int

    def is_renewal_due(self, now_utc_ms: int) -> bool:
        """Whether a third of the certificate's life, or less, is left."""
        return self.ends_utc_ms - now_utc_ms <= (self.ends_utc_ms - self.begins_utc_ms) / 3


class Pending(Struct, frozen=True, kw_only=True):
    """What is being asked for. `code` '' until the hub has answered."""

    csr: str
    code: str = ""


class _Unit(Struct, frozen=True, kw_only=True):
    unit: UnitName
    broker_host: Annotated[str, Meta(min_length=1)]
    broker_port: PortNumber


class IdentityFolder:
    """The folder of one desk; used by one thread at a time."""

    def __init__(self, storage: Path) -> None:
        """Make the folder if there is none and complete what was begun. Raises IdentityProblem, OSError."""
        self.path = storage / "identity"
        if not self.path.is_dir():
            storage.mkdir(parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700, exist_ok=True)
            sync_folder(storage)
        self.path.chmod(0o700)
        self.authorities = self.path / "authorities.pem"
        self._key, self._certificate = self.path / "tls.key", self.path / "tls.crt"
        self._next_key, self._next_certificate = self.path / "next.key", self.path / "next.crt"
        self._complete()

    # --- the hub ---

    def hub(self) -> HubPlace | None:
        """None before the first; one that cannot be read counts as none."""
        return self._read("hub.json", HubPlace)

    def put_hub(self, place: HubPlace, root: str = "") -> None:
        """Keep where the hub is; `root` is the authority with the fingerprint that a person gave, in PEM, '' when it is
        trusted already. A unit whose broker is found where the hub was finds it where the hub is now."""
        trusted = x509.load_pem_x509_certificates(self.roots().encode()) if self.roots() else []
        if root and x509.load_pem_x509_certificate(root.encode()) not in trusted:  # else grants have brought all
            write_synced(self.authorities, root.encode(), 0o644)
        kept, unit = self.hub(), self._read("unit.json", _Unit)
        if kept is not None and unit is not None and unit.broker_host == kept.hub != place.hub:
            self._write("unit.json", msgspec.structs.replace(unit, broker_host=place.hub))
        self._write("hub.json", place)

    # --- asking ---

    def pending(self) -> Pending:
        """The request to send: the one that was begun, or a new one."""
        key = self._read_key(self._next_key)
        found = self._read("pending.json", Pending)
        if key is not None and found is not None and _is_csr_of(found.csr, key):
            return found
        return self.begin_anew()

    def begin_anew(self) -> Pending:
        """A new request with a new claim code to come: the old one was rejected, or is finished."""
        key = self._read_key(self._next_key)
        if key is None:
            key = ec.generate_private_key(ec.SECP256R1())
            write_synced(self._next_key, _key_pem(key), 0o600)
        pending = Pending(csr=_make_csr(key))
        self._write("pending.json", pending)
        return pending

    def note_code(self, code: str) -> None:
        """Keep the claim code of the request that waits."""
        found = self._read("pending.json", Pending)
        if found is not None and found.code != code:
            self._write("pending.json", msgspec.structs.replace(found, code=code))

    def claim_code(self) -> str:
        """The claim code that waits for a person, '' when none does."""
        found = self._read("pending.json", Pending)
        return "" if found is None else found.code

    # --- granted ---

    def take(self, grant: Grant, door_host: str) -> Identity | None:
        """Become, or go on as, the unit of this grant; None when it is not for the key that was asked for. Raises
        IdentityProblem when it makes no sense, OSError."""
        key = self._read_key(self._next_key)
        try:
            leaf = x509.load_pem_x509_certificates(grant.certificate.encode())[0]
            x509.load_pem_x509_certificates(grant.authorities.encode())
        except ValueError:
            raise IdentityProblem("the hub sent a certificate that cannot be read: update hub and desk") from None
        if key is None or leaf.public_key() != key.public_key():
            return None
        names = [name.value for name in leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        known = self._read("unit.json", _Unit)
        if names != [grant.unit] or (known is not None and known.unit != grant.unit):
            raise IdentityProblem(
                f"the hub sent a certificate of another unit ({names}): look up this desk's key at the hub, or begin "
                "anew with `ems-agent replace`"
            )
        host = grant.broker_host or door_host
        self._write("granted.json", msgspec.structs.replace(grant, broker_host=host))
        self._complete()
        return self.identity()

    def _complete(self) -> None:
        """Put a grant into its places; each step may be repeated."""
        grant = self._read("granted.json", Grant)
        if grant is not None:
            write_synced(self.authorities, grant.authorities.encode(), 0o644)
            if grant.plan is not None:
                write_synced(self.path / "plan.json", wire.encode(grant.plan), 0o600)
            write_synced(self._next_certificate, grant.certificate.encode(), 0o644)
            unit = _Unit(unit=grant.unit, broker_host=grant.broker_host, broker_port=grant.broker_port)
            self._write("unit.json", unit)
            (self.path / "granted.json").unlink()
            sync_folder(self.path)
        self._change_pair()

    def _change_pair(self) -> None:
        leaf = _read_leaf(self._next_certificate)
        if leaf is None:
            return
        if _fits(self._read_key(self._next_key), leaf):
            self._next_key.replace(self._key)
        if _fits(self._read_key(self._key), leaf):
            self._next_certificate.replace(self._certificate)
            (self.path / "pending.json").unlink(missing_ok=True)
        else:  # its key was never kept
            self._next_certificate.unlink()
        sync_folder(self.path)

    def identity(self) -> Identity | None:
        """The enrolled unit; None when there is none. One whose key and certificate are not whole (a damaged card) has
        a certificate that ended in 1970: it records, and asks for another."""
        unit, leaf = self._read("unit.json", _Unit), _read_leaf(self._certificate)
        if unit is None:
            return None
        is_whole = leaf is not None and _fits(self._read_key(self._key), leaf)
        return Identity(
            unit=unit.unit,
            broker_host=unit.broker_host,
            broker_port=unit.broker_port,
            authorities=self.authorities,
            certificate=self._certificate,
            key=self._key,
            begins_utc_ms=round(leaf.not_valid_before_utc.timestamp() * 1000) if leaf and is_whole else 0,
            ends_utc_ms=round(leaf.not_valid_after_utc.timestamp() * 1000) if leaf and is_whole else 0,
        )

    def roots(self) -> str:
        """The trusted roots in PEM, '' when there are none that can be read."""
        try:
            text = self.authorities.read_text()
            x509.load_pem_x509_certificates(text.encode())
        except (OSError, ValueError):
            return ""
        return text

    def plan(self) -> bytes | None:
        """The plan that came with the newest grant."""
        with contextlib.suppress(FileNotFoundError):
            return (self.path / "plan.json").read_bytes()
        return None

    # --- files ---

    def _read(self, name: str, kind: type[T]) -> T | None:
        try:
            return msgspec.json.decode((self.path / name).read_bytes(), type=kind)
        except (FileNotFoundError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def _write(self, name: str, value: Struct) -> None:
        write_synced(self.path / name, msgspec.json.encode(value), 0o600)

    @staticmethod
    def _read_key(path: Path) -> ec.EllipticCurvePrivateKey | None:
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (FileNotFoundError, ValueError, TypeError, UnsupportedAlgorithm):
            return None
        return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def hub_of(storage: Path) -> tuple[HubPlace, str] | None:
    """Where the hub's door is and the roots that are trusted (PEM), read only, so that any thread may ask; None when
    one of them is not there or cannot be read."""
    folder = storage / "identity"
    try:
        place = msgspec.json.decode((folder / "hub.json").read_bytes(), type=HubPlace)
        return place, (folder / "authorities.pem").read_text()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def has_hub(storage: Path) -> bool:
    """Whether a hub was set up here, or the desk is enrolled; makes nothing. A folder that may not be looked into
    counts: a desk that took itself for one without a hub would speak in the clear."""
    try:
        return any((storage / "identity" / name).exists() for name in ("hub.json", "unit.json", "granted.json"))
    except PermissionError:
        return True
    except OSError:
        return False


def _read_leaf(path: Path) -> x509.Certificate | None:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())[0]
    except (FileNotFoundError, ValueError):
        return None


def _fits(key: ec.EllipticCurvePrivateKey | None, leaf: x509.Certificate) -> bool:
    return key is not None and key.public_key() == leaf.public_key()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _make_csr(key: ec.EllipticCurvePrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "desk unit")])  # the hub takes nothing but the key
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _is_csr_of(text: str, key: ec.EllipticCurvePrivateKey) -> bool:
    try:
        return x509.load_pem_x509_csr(text.encode()).public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
