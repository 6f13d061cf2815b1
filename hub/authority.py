"""X.509 as this hub uses it: which certificates there are and what stands in each. Values only: no file, no clock.

    root (20 years) -> issuing authority (5 years, signs no further authority) -> server, ingest, evidence, units
    root of before  -> bridge (the next root's key) -> ...      so that desks that know only one of both roots go on

What a certificate's holder may do is its extended key usage: the server's cannot speak as a client, nobody else's as a
server. Only units' certificates start when they are issued; the others start in 1970, so that a desk or hub whose clock
has stood still can talk at all, and then be told the time.
"""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from agent import wire_door

DAY_MS = 86_400_000
ROOT_LIFE_MS = 20 * 365 * DAY_MS
ISSUING_LIFE_MS = 5 * 365 * DAY_MS
SERVER_LIFE_MS = 365 * DAY_MS
ALWAYS = datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.UTC)
"""One second after the epoch: what a clock that never was set is past at once, and every library takes."""
NEVER = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
"""RFC 5280 4.1.2.5: no end that means anything. A broker with a list that has ended refuses everybody."""
RECORD_KEY_URN = "urn:ems:record-key:"
EVIDENCE_URN = "urn:ems:evidence"
"""Stands in the certificate of the key with which the hub signs evidence, and in no other."""
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
"""RFC 9336: a purpose that opens no TLS connection, neither as client nor as server."""
LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 8192

TlsKey = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
OwnKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
"""The hub's own: EC for TLS and authorities, Ed25519 for evidence."""


class BadCsr(Exception):
    """A certificate request cannot be taken; the text says why, for a person."""


class Signer(NamedTuple):
    """An authority: its private key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def make_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: OwnKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def pem(*certificates: x509.Certificate) -> bytes:
    """Certificates one after the other, in the order given."""
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over DER, 64 hexadecimal digits."""
    return wire_door.fingerprint(certificate.public_bytes(serialization.Encoding.DER))


def fits(key: OwnKey, certificate: x509.Certificate) -> bool:
    return key.public_key() == certificate.public_key()


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed `certificate`; says nothing of dates."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except Exception:  # any of several kinds, by what does not fit
        return False
    return True


def ends_utc_ms(certificate: x509.Certificate) -> int:
    return int(certificate.not_valid_after_utc.timestamp() * 1000)


def begins_utc_ms(certificate: x509.Certificate) -> int:
    return int(certificate.not_valid_before_utc.timestamp() * 1000)


# --- authorities ----------------------------------------------------------------------------------------------------


def root_certificate(key: ec.EllipticCurvePrivateKey, now_utc_ms: int) -> x509.Certificate:
    name = _name(f"Exam centre root {_key_mark(key.public_key())}")
    builder = _builder(name, name, key.public_key(), key.public_key(), ALWAYS, _moment(now_utc_ms + ROOT_LIFE_MS))
    return _as_authority(builder, path_length=None).sign(key, hashes.SHA256())


def issuing_certificate(root: Signer, public_key: ec.EllipticCurvePublicKey, now_utc_ms: int) -> x509.Certificate:
    """An authority that signs the hub's and the units' certificates, and no further authority."""
    name = _name(f"Exam centre issuing authority {_key_mark(public_key)}")
    builder = _below(root, name, public_key, ALWAYS, now_utc_ms + ISSUING_LIFE_MS)
    return _as_authority(builder, path_length=0).sign(root.key, hashes.SHA256())


def bridge_certificate(old: Signer, new_root: x509.Certificate) -> x509.Certificate:
    """The new root's name and key, signed by the old root: sent along, it leads desks that know only the old one to
    what the new one signed."""
    public_key = new_root.public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    builder = _below(old, new_root.subject, public_key, ALWAYS, ends_utc_ms(new_root))
    return _as_authority(builder, path_length=1).sign(old.key, hashes.SHA256())


# --- ends -----------------------------------------------------------------------------------------------------------


class HubNames(NamedTuple):
    """By which names and addresses the hub is reached."""

    dns: frozenset[str]
    addresses: frozenset[ipaddress.IPv4Address | ipaddress.IPv6Address]


_LABEL = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


def hub_names(told: str, hostname: str) -> HubNames:
    """The names in the setting EMS_HUB_NAMES (with commas), and those that always hold. Raises ValueError."""
    dns = {"localhost"}
    addresses = {ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")}
    for name in filter(None, (part.strip().lower().rstrip(".") for part in told.split(","))):
        try:
            addresses.add(ipaddress.ip_address(name))
        except ValueError:
            if not _is_dns_name(name):
                raise ValueError(f"{name!r} is neither a host's name nor an address") from None
            dns.add(name)
    own = hostname.strip().lower().rstrip(".")
    if _is_dns_name(own):
        dns |= {own} if own.endswith(".local") or own == "localhost" else {own, f"{own.partition('.')[0]}.local"}
    return HubNames(frozenset(dns), frozenset(addresses))


def _is_dns_name(name: str) -> bool:
    # A last label of digits alone is a mistyped address, and TLS libraries take it for one.
    return (
        len(name) <= 253
        and re.fullmatch(rf"{_LABEL}(\.{_LABEL})*", name) is not None
        and not name.rpartition(".")[2].isdigit()
    )


def names_of(certificate: x509.Certificate) -> HubNames:
    """The names that a server's certificate holds for."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    addresses = {
        address
        for address in names.get_values_for_type(x509.IPAddress)
        if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
    }
    return HubNames(frozenset(names.get_values_for_type(x509.DNSName)), frozenset(addresses))


def server_certificate(
    issuer: Signer, public_key: ec.EllipticCurvePublicKey, names: HubNames, now_utc_ms: int
) -> x509.Certificate:
    """For broker, door and pages."""
    general: list[x509.GeneralName] = [x509.DNSName(name) for name in sorted(names.dns)]
    general += [x509.IPAddress(address) for address in sorted(names.addresses, key=lambda each: each.packed)]
    builder = _below(issuer, _name("Exam centre hub"), public_key, ALWAYS, now_utc_ms + SERVER_LIFE_MS)
    return _as_end(builder, ExtendedKeyUsageOID.SERVER_AUTH, general).sign(issuer.key, hashes.SHA256())


def ingest_certificate(
    issuer: Signer, public_key: ec.EllipticCurvePublicKey, name: str, now_utc_ms: int
) -> x509.Certificate:
    """For the hub's own client at the broker, called `name`."""
    builder = _below(issuer, _name(name), public_key, ALWAYS, now_utc_ms + SERVER_LIFE_MS)
    return _as_end(builder, ExtendedKeyUsageOID.CLIENT_AUTH, []).sign(issuer.key, hashes.SHA256())


def evidence_certificate(issuer: Signer, public_key: ed25519.Ed25519PublicKey, now_utc_ms: int) -> x509.Certificate:
    """For the key that signs countersignatures, bundles and certificates of purge. Its purpose is signing documents and
    its name has no dot, so that its holder can pose as no server, client or unit."""
    builder = _below(issuer, _name("Exam centre evidence"), public_key, ALWAYS, now_utc_ms + SERVER_LIFE_MS)
    return _as_end(builder, DOCUMENT_SIGNING, [x509.UniformResourceIdentifier(EVIDENCE_URN)]).sign(
        issuer.key, hashes.SHA256()
    )


def unit_certificate(
    issuer: Signer, public_key: TlsKey, unit: str, record_key: str, days: int, now_utc_ms: int
) -> x509.Certificate:
    """For a unit's TLS key, from a day ago on, for `days`. It also binds `record_key`, the unit's Ed25519 key in 64
    hexadecimal digits, to the unit's name, so that records can be proved with the centre's root alone."""
    builder = _below(
        issuer, _name(unit), public_key, _moment(max(now_utc_ms - DAY_MS, 1000)), now_utc_ms + days * DAY_MS
    )
    general: list[x509.GeneralName] = [x509.UniformResourceIdentifier(RECORD_KEY_URN + record_key)]
    return _as_end(builder, ExtendedKeyUsageOID.CLIENT_AUTH, general).sign(issuer.key, hashes.SHA256())


def read_csr(text: str, record_key: str) -> TlsKey:
    """The public key of a certificate request in PEM, which must be signed with it; all else in it is the hub's to say.
    Raises BadCsr."""
    try:
        request = x509.load_pem_x509_csr(text.encode())
        is_signed = request.is_signature_valid
        key = request.public_key()
    except Exception as error:  # its bytes come from anybody; the parsers raise many kinds
        raise BadCsr(f"the certificate request cannot be read ({type(error).__name__})") from None
    if not is_signed:
        raise BadCsr("the certificate request is not signed with its own key")
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ("secp256r1", "secp384r1"):
        return key
    if isinstance(key, rsa.RSAPublicKey) and LEAST_RSA_BITS <= key.key_size <= MOST_RSA_BITS:
        return key
    if isinstance(key, ed25519.Ed25519PublicKey):
        if key.public_bytes_raw().hex() == record_key:
            raise BadCsr("the certificate request has the key that signs records: TLS needs a key of its own")
        return key
    raise BadCsr("the certificate request's key is none of EC P-256, EC P-384, Ed25519, RSA of 2048 to 8192 bits")


# --- revocation -----------------------------------------------------------------------------------------------------


class Revocation(NamedTuple):
    serial_number: int
    revoked_utc_ms: int


def revocation_list(issuer: Signer, revoked: Iterable[Revocation], number: int) -> x509.CertificateRevocationList:
    """What `issuer` has signed and is revoked. It holds from 1970 and does not end: neither a clock that was set back
    nor a hub that was in a cupboard for a year may lock every desk out."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(ALWAYS)
        .next_update(NEVER)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_key_mark_of_issuer(issuer.certificate.public_key()), critical=False)
    )
    for each in sorted(set(revoked)):
        entry = x509.RevokedCertificateBuilder().serial_number(each.serial_number)
        entry = entry.revocation_date(_moment(max(each.revoked_utc_ms, 1000)))
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(issuer.key, hashes.SHA256())


def list_says(found: x509.CertificateRevocationList, issuer: Signer, revoked: Iterable[Revocation]) -> bool:
    """Whether `found` is this issuer's and names just these."""
    public_key = issuer.certificate.public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    if found.issuer != issuer.certificate.subject or not found.is_signature_valid(public_key):
        return False
    return {entry.serial_number for entry in found} == {each.serial_number for each in revoked}


def list_number(found: x509.CertificateRevocationList) -> int:
    return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


# --- parts ----------------------------------------------------------------------------------------------------------


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _moment(utc_ms: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(utc_ms // 1000, datetime.UTC)


def _key_mark(public_key: ec.EllipticCurvePublicKey) -> str:
    """Two authorities must differ in name: a library finds the issuer by it."""
    return x509.SubjectKeyIdentifier.from_public_key(public_key).digest.hex()[:8]


def _key_mark_of_issuer(public_key: object) -> x509.AuthorityKeyIdentifier:
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(public_key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: TlsKey,
    issuer_key: object,
    begins: datetime.datetime,
    ends: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_key_mark_of_issuer(issuer_key), critical=False)
    )


def _below(
    issuer: Signer, subject: x509.Name, public_key: TlsKey, begins: datetime.datetime, ends_utc_ms_: int
) -> x509.CertificateBuilder:
    """Nothing ends later than what signed it."""
    ends = min(_moment(ends_utc_ms_), issuer.certificate.not_valid_after_utc)
    return _builder(
        subject, issuer.certificate.subject, public_key, issuer.certificate.public_key(), min(begins, ends), ends
    )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _as_authority(builder: x509.CertificateBuilder, path_length: int | None) -> x509.CertificateBuilder:
    return builder.add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True).add_extension(
        _usage(is_authority=True), critical=True
    )


def _as_end(
    builder: x509.CertificateBuilder, purpose: x509.ObjectIdentifier, names: list[x509.GeneralName]
) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(is_authority=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return builder.add_extension(x509.SubjectAlternativeName(names), critical=False) if names else builder
