"""The hub's evidence key: with it the hub signs what must hold before a third party, and nothing else.

It is an Ed25519 key whose certificate the issuing authority signs (`hub.authority.evidence_certificate`). Whatever is
signed is kept with the certificates of that time, so that it verifies after they were renewed or the authority
changed. What is signed stands behind a domain prefix that only one kind of text has, so that none can pose as another.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.x509 import Certificate, load_pem_x509_certificates

from hub import authority, enrolment
from hub.enrolment import AuthorityProblem, CaFolder


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


def _prefixed(domain: bytes, message: bytes) -> bytes:
    if not domain.endswith(b"\n") or b"\n" in domain[:-1]:
        raise ValueError("a domain is one line")
    return domain + message
