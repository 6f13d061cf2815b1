"""The centre's own certificate authority: which files there are, who may read which, and how they come to be.

Every file is replaced whole, and every step asks what is there first: whatever a power cut leaves behind, the same
command once more completes it. `hub.rotation` has what needs the root's key.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from hub import authority
from hub.authority import HubNames, Revocation, Signer
from hub.ca_files import give_to_owner_of, put_file, sync_folder
from hub.core import enrolment

INGEST_NAME = "ems-hub-ingest"
"""Common name of the hub's own client at the broker. No unit can have it: a unit's name has a dot."""


class AuthorityProblem(Exception):
    """The authority's files are not as they must be, or not there; the text says what to do."""


class Pair(NamedTuple):
    """An authority's two files, with the places where the next pair waits and older ones stay."""

    folder: Path
    name: str

    @property
    def key(self) -> Path:
        return self.folder / f"{self.name}.key"

    @property
    def certificate(self) -> Path:
        return self.folder / f"{self.name}.crt"

    @property
    def next(self) -> Pair:
        return Pair(self.folder, f"{self.name}.next")

    @property
    def older(self) -> Path:
        return self.folder / "older"


class CaFolder:
    """The files under EMS_CA_PATH. Keys are 0600 in folders that are 0700; certificates, in PEM, are public.

    `root/` is needed only to make or rotate an issuing authority: keep it on a stick in a safe. `issuing/` and
    `evidence/` are read by the worker alone, `server/` by broker, door and web, `ingest/` by ingest, `public/` by all.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.root = Pair(self.path / "root", "root")
        self.root_key, self.root_certificate = self.root.key, self.root.certificate
        self.issuing = Pair(self.path / "issuing", "issuing")
        self.issuing_key, self.issuing_certificate = self.issuing.key, self.issuing.certificate
        self.server_key = self.path / "server" / "server.key"
        self.server_certificate = self.path / "server" / "server.crt"
        """Leaf first, then the issuing authority's; then, while two roots are trusted, the bridge between them."""
        self.ingest_key = self.path / "ingest" / "ingest.key"
        self.ingest_certificate = self.path / "ingest" / "ingest.crt"
        """Leaf first, then the issuing authority's."""
        self.evidence_key = self.path / "evidence" / "evidence.key"
        self.evidence_certificate = self.path / "evidence" / "evidence.crt"
        """Leaf first, up to and with the roots."""
        self._take_handed_over()
        self.authorities = self.path / "public" / "authorities.pem"
        """Every root that is trusted now, the one of the issuing authority first."""
        self.bridge = self.path / "public" / "bridge.pem"
        """While two roots are trusted: the newer one's key, signed by the older one."""
        self.revoked = self.path / "public" / "units.crl"
        """One list for each issuing authority that ever signed a unit's certificate, in PEM."""

    def _take_handed_over(self) -> None:
        """A service of systemd's gets its key and certificate in a folder of its own (LoadCredential=) and cannot read
        the authority's. Both or neither: they are a pair."""
        handed_over = Path(os.environ.get("CREDENTIALS_DIRECTORY") or os.devnull)
        for name in ("server", "ingest"):
            key, certificate = handed_over / f"{name}.key", handed_over / f"{name}.crt"
            if key.exists() and certificate.exists():
                setattr(self, f"{name}_key", key)
                setattr(self, f"{name}_certificate", certificate)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Nobody else changes the folder while the block runs. Raises AuthorityProblem when it cannot be written."""
        try:
            if not self.path.is_dir():
                self.path.mkdir(mode=0o755, parents=True, exist_ok=True)
                give_to_owner_of(self.path.parent, self.path)
            descriptor = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            give_to_owner_of(self.path, descriptor)
        except OSError as error:
            raise AuthorityProblem(f"{self.path} cannot be written: {error.strerror or error}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        except OSError as error:
            raise AuthorityProblem(f"{error.filename or self.path}: {error.strerror or error}") from None
        finally:
            os.close(descriptor)


# --- files ----------------------------------------------------------------------------------------------------------


def _unreadable(path: Path, error: OSError) -> AuthorityProblem:
    if isinstance(error, FileNotFoundError):
        return AuthorityProblem(f"there is no {path}: make it with `ems-hub init`")
    return AuthorityProblem(f"{path} cannot be read: {error.strerror or error}; it belongs to the user that made it")


def read_certificates(path: Path) -> list[x509.Certificate]:
    """All certificates in a PEM file. Raises AuthorityProblem."""
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError:
        raise AuthorityProblem(f"{path} holds no certificate: put back the file it was, from a backup") from None


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Raises AuthorityProblem."""
    key = _any_key(path)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _another_kind(path)
    return key


def read_evidence_key(path: Path) -> ed25519.Ed25519PrivateKey:
    """Raises AuthorityProblem."""
    key = _any_key(path)
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise _another_kind(path)
    return key


def _any_key(path: Path) -> object:
    try:
        return serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise _unreadable(path, error) from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise AuthorityProblem(f"{path} holds no private key: put back the file it was, from a backup") from None


def _another_kind(path: Path) -> AuthorityProblem:
    return AuthorityProblem(f"{path} is not the kind of key that this hub makes: put back the file it was")


def read_signer(pair: Pair) -> Signer:
    """Raises AuthorityProblem."""
    signer = Signer(read_key(pair.key), read_certificates(pair.certificate)[0])
    if not authority.fits(*signer):
        raise AuthorityProblem(f"{pair.key} and {pair.certificate} do not belong together: put back both from a backup")
    return signer


def kept_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in this file; made and kept first when there is none."""
    if not path.exists():
        put_file(path, authority.key_pem(authority.make_key()), is_secret=True)
    return read_key(path)


def put_next(pair: Pair) -> bool:
    """Complete the change to the next pair, if it was decided: its certificate is there. The pair of before goes to
    `older`. Answers whether something was done. Safe to cut off anywhere and to repeat."""
    following = pair.next
    if not following.certificate.exists():
        if following.key.exists():
            following.key.unlink()  # nothing was signed with it
        return False
    if following.key.exists():
        if pair.key.exists() and pair.certificate.exists():
            put_older(pair)
        following.key.replace(pair.key)
    following.certificate.replace(pair.certificate)
    sync_folder(pair.folder)
    return True


def put_older(pair: Pair) -> None:
    """Keep copies of key and certificate beside, under the certificate's fingerprint."""
    mark = authority.fingerprint(read_signer(pair).certificate)[:16]
    put_file(pair.older / f"{mark}.key", pair.key.read_bytes(), is_secret=True)
    put_file(pair.older / f"{mark}.crt", pair.certificate.read_bytes())


def _kept_evidence_key(path: Path) -> ed25519.Ed25519PrivateKey:
    if not path.exists():
        put_file(path, authority.key_pem(ed25519.Ed25519PrivateKey.generate()), is_secret=True)
    return read_evidence_key(path)


# --- who signs ------------------------------------------------------------------------------------------------------


def issuing(folder: CaFolder) -> Signer:
    """The authority that signs now. Raises AuthorityProblem."""
    return read_signer(folder.issuing)


def issuers(folder: CaFolder) -> list[Signer]:
    """Every authority that signed units' certificates here, the present one first. Raises AuthorityProblem."""
    older = sorted(folder.issuing.older.glob("*.crt"))
    present = [issuing(folder)] if folder.issuing.certificate.exists() else []
    found = [*present, *(read_signer(Pair(path.parent, path.stem)) for path in older)]
    return list({authority.fingerprint(each.certificate): each for each in found}.values())


def bridge_of(folder: CaFolder, certificate: x509.Certificate) -> list[x509.Certificate]:
    """The bridge, while two roots are trusted and it leads to this issuing authority; else nothing."""
    found = read_certificates(folder.bridge) if folder.bridge.exists() else []
    return [each for each in found if authority.is_issued_by(certificate, each)]


def roots(folder: CaFolder) -> list[x509.Certificate]:
    """The roots that are trusted now, the issuing authority's first. Raises AuthorityProblem."""
    return read_certificates(folder.authorities)


# --- making ---------------------------------------------------------------------------------------------------------


def init(
    folder: CaFolder, names: HubNames, revoked: Callable[[], Iterable[tuple[str, str, int]]], now_utc_ms: int
) -> list[str]:
    """Make what is missing; answers what was made, in words. `revoked` answers what `put_revoked` takes; it is asked
    while the folder is locked. Raises AuthorityProblem."""
    made = []
    with folder.alone():
        if put_next(folder.issuing):
            made.append("the change of the issuing authority completed")
        if not folder.issuing.certificate.exists():
            made += _make_authorities(folder, now_utc_ms)
        if put_revoked(folder, revoked()):
            made.append(f"list of revoked certificates {folder.revoked}")
        made += renew(folder, names, now_utc_ms)
    return made


def _make_authorities(folder: CaFolder, now_utc_ms: int) -> list[str]:
    made = []
    if not folder.root.key.exists() and (folder.authorities.exists() or folder.root.certificate.exists()):
        raise AuthorityProblem(
            f"{folder.issuing.certificate} is gone: put it back from a backup, or make another authority with "
            "`ems-hub ca rotate --root DIR`, DIR being where root.key is kept"
        )
    root_key = kept_key(folder.root.key)
    if not folder.root.certificate.exists():
        put_file(folder.root.certificate, authority.pem(authority.root_certificate(root_key, now_utc_ms)))
        made.append(f"root {folder.root.certificate}")
    root = read_signer(folder.root)
    if not folder.authorities.exists():
        put_file(folder.authorities, authority.pem(root.certificate))
    key = kept_key(folder.issuing.key)
    put_file(
        folder.issuing.certificate, authority.pem(authority.issuing_certificate(root, key.public_key(), now_utc_ms))
    )
    made.append(f"issuing authority {folder.issuing.certificate}")
    return made


def put_revoked(folder: CaFolder, revoked: Iterable[tuple[str, str, int]], besides: Iterable[Signer] = ()) -> bool:
    """Write the lists of revoked certificates, one for each authority that signs or signed here and for `besides`;
    False when they were right. `revoked`: (serial number in hexadecimal, fingerprint of the issuer, UTC milliseconds),
    as the store has it. Raises AuthorityProblem, OSError."""
    named: dict[str, list[Revocation]] = {}
    for serial_number, issuer, revoked_utc_ms in revoked:
        named.setdefault(issuer, []).append(Revocation(int(serial_number, 16), revoked_utc_ms))
    found = _lists(folder)
    lists, is_changed = [], False
    for signer in [*issuers(folder), *besides]:
        wanted = named.get(authority.fingerprint(signer.certificate), [])
        kept = next((each for each in found if authority.list_says(each, signer, wanted)), None)
        if kept is None:
            number = 1 + max((authority.list_number(each) for each in found), default=0)
            kept, is_changed = authority.revocation_list(signer, wanted, number), True
        lists.append(kept)
    if is_changed or len(found) != len(lists):
        put_file(folder.revoked, b"".join(each.public_bytes(serialization.Encoding.PEM) for each in lists))
        return True
    return False


_CRL_END = b"-----END X509 CRL-----"


def _lists(folder: CaFolder) -> list[x509.CertificateRevocationList]:
    """The lists in the file; none when it is missing or damaged, and then it is written anew."""
    try:
        parts = folder.revoked.read_bytes().split(_CRL_END)[:-1]
        return [x509.load_pem_x509_crl(part.lstrip() + _CRL_END + b"\n") for part in parts]
    except (FileNotFoundError, ValueError):
        return []


def count_revoked(folder: CaFolder) -> int:
    """How many certificates the lists name."""
    return sum(len(each) for each in _lists(folder))


def renew(folder: CaFolder, names: HubNames, now_utc_ms: int, *, is_quiet: bool = True) -> list[str]:
    """Give server, ingest and evidence new certificates where they have none, a third of its life is left, the hub's
    names or the authority have changed; answers what was made, in words. The keys stay. For a new one broker, ingest,
    door and pages start again: unless `is_quiet`, one that holds stays, whatever its names, until a tenth of its life
    is left. Raises AuthorityProblem, OSError."""
    signer, made = issuing(folder), []
    bridge = bridge_of(folder, signer.certificate)
    for what, key_path, path in (
        ("server", folder.server_key, folder.server_certificate),
        ("ingest", folder.ingest_key, folder.ingest_certificate),
        ("evidence", folder.evidence_key, folder.evidence_certificate),
    ):
        key = _kept_evidence_key(key_path) if what == "evidence" else kept_key(key_path)
        behind = [signer.certificate, *(bridge if what != "ingest" else ())]
        behind += roots(folder) if what == "evidence" else []
        wanted = names if what == "server" and is_quiet else None
        leaf = _still_good(path, key, signer, wanted, now_utc_ms, is_quiet=is_quiet)
        if leaf is None:
            leaf = _leaf(what, signer, key, names, now_utc_ms)
            made.append(f"{what} certificate {path}")
        chain = authority.pem(leaf, *behind)
        if not path.exists() or path.read_bytes() != chain:
            put_file(path, chain)
    return made


def _leaf(what: str, signer: Signer, key: authority.OwnKey, names: HubNames, now_utc_ms: int) -> x509.Certificate:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return authority.evidence_certificate(signer, key.public_key(), now_utc_ms)
    if what == "server":
        return authority.server_certificate(signer, key.public_key(), names, now_utc_ms)
    return authority.ingest_certificate(signer, key.public_key(), INGEST_NAME, now_utc_ms)


def _still_good(
    path: Path,
    key: authority.OwnKey,
    signer: Signer,
    names: HubNames | None,
    now_utc_ms: int,
    *,
    is_quiet: bool,
) -> x509.Certificate | None:
    """The certificate in this file, unless it should be another one."""
    if not path.exists():
        return None
    try:
        leaf = read_certificates(path)[0]
    except AuthorityProblem:
        return None
    if not authority.fits(key, leaf) or not authority.is_issued_by(leaf, signer.certificate):
        return None
    if names is not None and authority.names_of(leaf) != names:
        return None
    ends_utc_ms = authority.ends_utc_ms(leaf)
    due = enrolment.is_due if is_quiet else enrolment.is_urgent
    is_due = due(ends_utc_ms, authority.SERVER_LIFE_MS, now_utc_ms)
    may_last_longer = authority.ends_utc_ms(signer.certificate) > ends_utc_ms
    return None if is_due and may_last_longer else leaf
