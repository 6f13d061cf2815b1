"""A centre's authority for tests, and both ends of TLS with its files: real handshakes, in memory."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from hub import authority, enrolment
from hub.enrolment import CaFolder
from hub.store.certificates import Issued
from hub.store.enrolling import Request
from hub.worker import certify

NOW = 1_800_000_000_000
"""2027-01-15, UTC milliseconds."""
NAMES = authority.hub_names("hub.centre.example, 10.0.0.5", "examhub")
AnyKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def made_folder(path: Path, now: int = NOW) -> CaFolder:
    folder = CaFolder(path)
    enrolment.init(folder, NAMES, list, now)
    return folder


def csr(key: AnyKey | None = None, name: str = "whatever", extensions: Iterable[x509.ExtensionType] = ()) -> str:
    """A certificate request in PEM, for a new EC P-256 key unless one is given."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(serialization.Encoding.PEM).decode()


def request(text: str, unit: str = "c.desk-01", public_key: str = "ab" * 32) -> Request:
    """An approved request with this CSR."""
    return Request(
        1, "enrolment", "approved", public_key, "AAAA-AAAA", text, "", "", "", "", "", "", 0, 0, 0, "ada", "", unit, ""
    )


class Desk:
    """A unit with a certificate of `folder`, in files under `place`."""

    def __init__(self, folder: CaFolder, place: Path, unit: str = "c.desk-01", now: int = NOW, days: int = 90) -> None:
        place.mkdir(exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        self.key, self.certificate = place / f"{unit}.key", place / f"{unit}.crt"
        self.key.write_bytes(authority.key_pem(key))
        self.issued: Issued
        text, self.issued = certify(enrolment.issuing(folder), request(csr(key), unit), days, now)
        self.certificate.write_text(text)


def server_side(folder: CaFolder) -> ssl.SSLContext:
    """As broker and door listen: TLS 1.3, certificates of clients required, revoked ones refused."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(folder.server_certificate, folder.server_key)
    context.load_verify_locations(folder.authorities)
    context.load_verify_locations(folder.revoked)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF | ssl.VERIFY_X509_STRICT
    return context


def client_side(roots: str, certificate: Path, key: Path) -> ssl.SSLContext:
    """As a desk calls that trusts just `roots` (PEM)."""
    context = ssl.create_default_context(cadata=roots)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.verify_flags &= ~ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_cert_chain(certificate, key)
    return context


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "hub.centre.example") -> None:
    """A whole handshake and a byte each way. Raises ssl.SSLError when either side refuses the other."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    calling = client.wrap_bio(to_client, to_server, server_hostname=name)
    listening = server.wrap_bio(to_server, to_client, server_side=True)
    waiting = {calling, listening}
    for _ in range(10):
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.discard(side)
            except ssl.SSLWantReadError:
                pass
        if not waiting:
            break
    assert not waiting
    listening.write(b"!")  # under TLS 1.3 a client hears only now that it was refused
    assert calling.read(1) == b"!"


def connect(folder: CaFolder, roots: str, desk: Desk, name: str = "hub.centre.example") -> None:
    shake_hands(server_side(folder), client_side(roots, desk.certificate, desk.key), name)


def connect_ingest(folder: CaFolder) -> None:
    roots = folder.authorities.read_text()
    shake_hands(server_side(folder), client_side(roots, folder.ingest_certificate, folder.ingest_key), "localhost")
