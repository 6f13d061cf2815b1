"""The hub's evidence key: made and renewed like the hub's other certificates, and good for nothing but signing."""

from __future__ import annotations

import itertools
import ssl
import stat
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hub import authority, enrolment
from hub.enrolment import AuthorityProblem, CaFolder
from hub.evidence.seal import is_sealed, open_seal
from tests.hub.authorities import NAMES, NOW, client_side, made_folder, server_side, shake_hands

DOMAIN = b"ems-test-v1\n"


@pytest.fixture
def folder(tmp_path: Path) -> CaFolder:
    return made_folder(tmp_path / "ca")


def test_what_is_sealed_verifies_and_nothing_else(folder: CaFolder) -> None:
    """The signature covers domain and text; another text, another domain or another key is found out."""
    seal = open_seal(folder)
    signature = seal.sign(DOMAIN, b"text")
    assert is_sealed(seal.chain_pem, DOMAIN, b"text", signature)
    assert not is_sealed(seal.chain_pem, DOMAIN, b"texts", signature)
    assert not is_sealed(seal.chain_pem, b"ems-other-v1\n", b"text", signature)
    assert not is_sealed(seal.chain_pem, DOMAIN, b"text", "00" * 64)
    assert not is_sealed(folder.server_certificate.read_text(), DOMAIN, b"text", signature)
    assert not is_sealed("", DOMAIN, b"text", signature)
    with pytest.raises(ValueError, match="one line"):
        seal.sign(b"no line feed", b"text")


def test_the_chain_leads_to_the_root_and_the_key_is_the_workers(folder: CaFolder) -> None:
    """Leaf first, root last; the key can be read by its owner alone."""
    seal = open_seal(folder)
    chain = enrolment.read_certificates(folder.evidence_certificate)
    assert all(authority.is_issued_by(below, above) for below, above in itertools.pairwise(chain))
    assert authority.fingerprint(chain[-1]) == authority.fingerprint(enrolment.roots(folder)[0])
    assert seal.fingerprint == authority.fingerprint(chain[0])
    assert stat.S_IMODE(folder.evidence_key.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.evidence_key.parent.stat().st_mode) == 0o700


def test_it_poses_as_nobody(folder: CaFolder, tmp_path: Path) -> None:
    """Neither OpenSSL nor a real handshake takes it for a client's or a server's."""
    leaf = tmp_path / "leaf.pem"
    leaf.write_bytes(authority.pem(enrolment.read_certificates(folder.evidence_certificate)[0]))
    for purpose, expected in (("sslclient", 2), ("sslserver", 2), ("any", 0)):
        asked = f"openssl verify -purpose {purpose} -CAfile {folder.authorities}"
        asked += f" -untrusted {folder.issuing_certificate} {leaf}"
        done = subprocess.run(asked.split(), capture_output=True, text=True)
        assert done.returncode == expected, done
    client = client_side(folder.authorities.read_text(), folder.evidence_certificate, folder.evidence_key)
    with pytest.raises(ssl.SSLError, match="purpose"):
        shake_hands(server_side(folder), client)


def test_renewal_keeps_the_key_and_old_signatures(folder: CaFolder) -> None:
    """A renewed certificate is for the same key, and what was signed before verifies with what was kept then."""
    before = open_seal(folder)
    signature = before.sign(DOMAIN, b"text")
    later = NOW + 300 * authority.DAY_MS
    assert f"evidence certificate {folder.evidence_certificate}" in enrolment.renew(folder, NAMES, later)
    after = open_seal(folder)
    assert after.fingerprint != before.fingerprint
    assert after.key.private_bytes_raw() == before.key.private_bytes_raw()
    assert is_sealed(before.chain_pem, DOMAIN, b"text", signature)
    assert is_sealed(after.chain_pem, DOMAIN, b"text", signature)


def test_a_seal_that_cannot_be_used_says_what_to_do(folder: CaFolder) -> None:
    """Missing files and files that do not belong together are told in one line."""
    folder.evidence_key.write_bytes(authority.key_pem(Ed25519PrivateKey.generate()))
    with pytest.raises(AuthorityProblem, match="do not belong together"):
        open_seal(folder)
    folder.evidence_key.write_bytes(authority.key_pem(authority.make_key()))
    with pytest.raises(AuthorityProblem, match="not the kind of key"):
        open_seal(folder)
    folder.evidence_certificate.unlink()
    with pytest.raises(AuthorityProblem, match="ems-hub init"):
        open_seal(folder)
