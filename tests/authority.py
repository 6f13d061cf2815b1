"""A centre's certificate authority for tests, in the layout of `CaFolder`, and any odd certificate a test wants."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent.messaging.tls import Tls
from hub.enrolment import INGEST_NAME, CaFolder

HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)


class Papers(NamedTuple):
    """One client's certificate (leaf first, then the issuer's) and key, as files."""

    certificate: Path
    key: Path
    serial_number: int


def right_now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


_SIGNS = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)


def _known_by(key: EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    """By which key a certificate was signed; from Python 3.13 on, one that does not say so is refused."""
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


class Authority:
    """One key that signs, and the list of what it has revoked."""

    def __init__(self, name: str, signed_by: Authority | None = None) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self._revoked: list[x509.RevokedCertificate] = []
        signer = signed_by or self
        self.certificate = (
            _builder(self.name, signer.name, self.key, right_now() - DAY, right_now() + 30 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .add_extension(_known_by(signer.key), critical=False)
            .add_extension(_SIGNS, critical=True)
            .sign(signer.key, SHA256())
        )
        self.pem = self.certificate.public_bytes(Encoding.PEM)

    def issue(
        self,
        name: str,
        key: EllipticCurvePrivateKey,
        *,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
        is_server: bool = False,
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = ExtendedKeyUsageOID.SERVER_AUTH if is_server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = _builder(subject, self.name, key, not_before or right_now() - HOUR, not_after or right_now() + DAY)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(_known_by(self.key), critical=False)
        if is_server:
            names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return builder.sign(self.key, SHA256())

    def revoke(self, serial_number: int) -> None:
        self._revoked.append(
            x509.RevokedCertificateBuilder().serial_number(serial_number).revocation_date(right_now()).build()
        )

    def list_of_revoked(self, made: datetime.datetime, ends: datetime.datetime) -> bytes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(made).next_update(ends)
        for each in self._revoked:
            builder = builder.add_revoked_certificate(each)
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: EllipticCurvePrivateKey,
    not_before: datetime.datetime,
    not_after: datetime.datetime,
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    return builder.serial_number(x509.random_serial_number()).not_valid_before(not_before).not_valid_after(not_after)


class Centre:
    """A root, an issuing authority below it, the hub's certificates and the list of revoked ones, all under `path`."""

    def __init__(self, path: Path) -> None:
        self.folder = CaFolder(path / "ca")
        self._papers = path / "papers"
        self._papers.mkdir(parents=True)
        self.root = Authority("Test Centre Root")
        self.issuing = Authority("Test Centre Issuing 1", self.root)
        self._former: list[Authority] = []
        # Each list is younger than the one before, by a second at least: of two, the younger counts.
        self._made = right_now() - HOUR
        for each in (
            self.folder.root_key,
            self.folder.issuing_key,
            self.folder.server_key,
            self.folder.ingest_key,
            self.folder.authorities,
        ):
            each.parent.mkdir(parents=True, mode=0o700)
        self.folder.authorities.parent.chmod(0o755)
        _write_key(self.folder.root_key, self.root.key)
        self.folder.root_certificate.write_bytes(self.root.pem)
        self._put_issuing()
        self.folder.authorities.write_bytes(self.root.pem)
        self.issue_server()
        self.issue_ingest()
        self.write_revoked()

    def _put_issuing(self) -> None:
        _write_key(self.folder.issuing_key, self.issuing.key)
        self.folder.issuing_certificate.write_bytes(self.issuing.pem)

    def rotate_issuing(self) -> None:
        """A new issuing authority; what the former one signed holds on, and its list of revoked ones too."""
        self._former.append(self.issuing)
        self.issuing = Authority(f"Test Centre Issuing {len(self._former) + 1}", self.root)
        self._put_issuing()
        self.write_revoked()

    def issue_server(self) -> None:
        """A new key and certificate for broker, door and web."""
        ends = right_now() + 30 * DAY
        self._put("localhost", self.folder.server_certificate, self.folder.server_key, not_after=ends, is_server=True)

    def issue_ingest(self, *, not_after: datetime.datetime | None = None) -> None:
        """A new key and certificate for ingest."""
        ends = not_after or right_now() + 30 * DAY
        self._put(INGEST_NAME, self.folder.ingest_certificate, self.folder.ingest_key, not_after=ends)

    def issue(
        self,
        name: str,
        *,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
        authority: Authority | None = None,
        is_server: bool = False,
    ) -> Papers:
        """Files with a certificate for `name` from this centre, or from `authority`; good for a day from an hour ago
        unless told otherwise."""
        number = len(list(self._papers.iterdir())) // 2
        certificate, key = self._papers / f"{number}.crt", self._papers / f"{number}.key"
        return self._put(
            name,
            certificate,
            key,
            not_before=not_before,
            not_after=not_after,
            authority=authority,
            is_server=is_server,
        )

    def _put(
        self,
        name: str,
        certificate: Path,
        key: Path,
        *,
        not_before: datetime.datetime | None = None,
        not_after: datetime.datetime | None = None,
        authority: Authority | None = None,
        is_server: bool = False,
    ) -> Papers:
        issuer = authority or self.issuing
        private = ec.generate_private_key(ec.SECP256R1())
        issued = issuer.issue(name, private, not_before=not_before, not_after=not_after, is_server=is_server)
        certificate.write_bytes(issued.public_bytes(Encoding.PEM) + issuer.pem)
        _write_key(key, private)
        return Papers(certificate, key, issued.serial_number)

    @staticmethod
    def serial_number(certificate: Path) -> int:
        """That of the first certificate in the file."""
        return x509.load_pem_x509_certificate(certificate.read_bytes()).serial_number

    def tls(self, papers: Papers) -> Tls:
        """What a desk's link takes."""
        return Tls(authority=self.folder.authorities, certificate=papers.certificate, key=papers.key)

    def revoke(self, *papers: Papers) -> None:
        """Put these on their issuers' lists and write the file. The broker reads it at SIGHUP."""
        for each in papers:
            issuer = x509.load_pem_x509_certificate(each.certificate.read_bytes()).issuer
            next(authority for authority in self._authorities if authority.name == issuer).revoke(each.serial_number)
        self.write_revoked()

    @property
    def _authorities(self) -> list[Authority]:
        return [*self._former, self.issuing]

    def write_revoked(self, *, ends: datetime.datetime | None = None) -> None:
        """One list for each issuing authority in one file; `ends` in the past makes lists that are over."""
        self._made += datetime.timedelta(seconds=1)
        lists = [each.list_of_revoked(self._made, ends or right_now() + 30 * DAY) for each in self._authorities]
        beside = self.folder.revoked.with_suffix(".new")
        beside.write_bytes(b"".join(lists))
        beside.replace(self.folder.revoked)


def _write_key(path: Path, key: EllipticCurvePrivateKey) -> None:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
