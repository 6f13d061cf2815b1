"""The hub's evidence key: with it the hub signs what must hold before a third party, and nothing else.

It is an Ed25519 key whose certificate the issuing authority signs (`hub.authority.evidence_certificate`). Whatever is
signed is kept with the certificates of that time, so that it verifies after they were renewed or the authority
changed. What is signed stands behind a domain prefix that only one kind of text has, so that none can pose as another.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509 import Certificate, load_pem_x509_certificates

from hub import authority, enrolment
from hub.enrolment import AuthorityProblem, CaFolder


class Signing(Protocol):
    """What is needed of a Seal by whoever signs with it."""

    @property
    def chain_pem(self) -> str: ...

    def sign(self, domain: bytes, message: bytes) -> str: ...


class Seal(NamedTuple):
    """The key that signs now; `chain_pem` has its certificate first, up to the root."""

    key: Ed25519PrivateKey
    certificate: Certificate
    chain_pem: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, 64 hexadecimal digits."""
        return authority.fingerprint(self.certificate)

    def sign(self, domain: bytes, message: bytes) -> str:
        """128 hexadecimal digits. `domain` names the kind of text and ends in a line feed, as `b"ems-purge-v1\\n"`."""
        return self.key.sign(_prefixed(domain, message)).hex()


def open_seal(ca: CaFolder) -> Seal:
    """Read key and certificate, which `ems-hub init` and the worker make and renew. Raises AuthorityProblem."""
    chain = enrolment.read_certificates(ca.evidence_certificate)
    key = enrolment.read_evidence_key(ca.evidence_key)
    if not authority.fits(key, chain[0]):
        raise AuthorityProblem(
            f"{ca.evidence_key} and {ca.evidence_certificate} do not belong together: put back both from a backup, "
            "or delete the certificate and run `ems-hub init`"
        )
    return Seal(key, chain[0], authority.pem(*chain).decode())


def is_sealed(chain_pem: str, domain: bytes, message: bytes, signature: str) -> bool:
    """Whether the holder of the first certificate of `chain_pem` signed this; asks nothing of the certificates."""
    try:
        key = load_pem_x509_certificates(chain_pem.encode())[0].public_key()
        if not isinstance(key, Ed25519PublicKey):
            return False
        key.verify(bytes.fromhex(signature), _prefixed(domain, message))
    except (InvalidSignature, ValueError):
        return False
    return True


def strangers(chain_pem: str, roots: Sequence[Certificate]) -> list[str]:
    """A line when the chain does not lead from a certificate for evidence to one of `roots`, the centre's own; [] when
    it does. Every one above the first must be an authority's: a desk's certificate vouches for nobody."""
    chain = load_pem_x509_certificates(chain_pem.encode())
    if not _is_for_evidence(chain[0]):
        return ["who signed it has no certificate for evidence"]
    for below, above in itertools.pairwise(chain):
        if not authority.is_issued_by(below, above) or not _is_authority(above):
            return ["its chain of certificates is broken"]
    if chain[-1] in roots or any(authority.is_issued_by(chain[-1], root) for root in roots):
        return []
    return ["who signed it does not belong to this centre"]


def _is_for_evidence(certificate: Certificate) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return authority.EVIDENCE_URN in names.get_values_for_type(x509.UniformResourceIdentifier)


def _is_authority(certificate: Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _prefixed(domain: bytes, message: bytes) -> bytes:
    if not domain.endswith(b"\n") or b"\n" in domain[:-1]:
        raise ValueError("a domain is one line")
    return domain + message
