"""The centre's certificate authority: what stands in its certificates, who believes them, and who is refused."""

from __future__ import annotations

import datetime
import fcntl
import os
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import threading
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion

from hub import authority, enrolment, rotation
from hub.authority import BadCsr, Revocation
from hub.enrolment import INGEST_NAME, AuthorityProblem, CaFolder
from tests.brokers import REPOSITORY, Broker, mosquitto
from tests.hub.authorities import (
    NAMES,
    NOW,
    Desk,
    client_side,
    connect,
    connect_ingest,
    csr,
    made_folder,
    server_side,
    shake_hands,
)
from tests.support import wait_for

DAY_MS = authority.DAY_MS


@pytest.fixture
def folder(tmp_path: Path) -> CaFolder:
    return made_folder(tmp_path / "ca")


def _leaf(path: Path) -> x509.Certificate:
    return enrolment.read_certificates(path)[0]


def _usages(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


# --- what is made ---------------------------------------------------------------------------------------------------


def test_init_makes_everything_once(folder: CaFolder) -> None:
    """A second init changes no byte."""
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    assert enrolment.init(folder, NAMES, list, NOW + DAY_MS) == []
    assert {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()} == before


def test_keys_are_secret_and_certificates_are_not(folder: CaFolder) -> None:
    """Keys 0600 in folders 0700; certificates and lists 0644, whatever the umask."""
    for path in folder.path.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.is_dir():
            assert mode == (0o755 if path.name == "public" else 0o700), path
        else:
            assert mode == (0o600 if path.suffix == ".key" or path.name == ".lock" else 0o644), path


def test_what_root_makes_belongs_to_the_folders_owner(folder: CaFolder) -> None:
    """An admin's `sudo ems-hub ca rotate` leaves nothing that the hub's own user cannot read."""
    owner = 12_345 if os.geteuid() == 0 else os.geteuid()
    if os.geteuid() == 0:
        for path in (folder.path, *folder.path.rglob("*")):
            os.chown(path, owner, owner)
    rotation.rotate(folder, folder.root.folder, NAMES, list, NOW)
    shutil.rmtree(folder.server_key.parent)
    rotation.new_root(folder, folder.root.folder, NAMES, list, NOW)
    assert {path.stat().st_uid for path in (folder.path, *folder.path.rglob("*"))} == {owner}
    assert stat.S_IMODE(folder.server_key.stat().st_mode) == 0o600


def test_the_issuing_authority_can_make_no_other(folder: CaFolder) -> None:
    """Path length 0; five years; below the root, which holds for twenty."""
    issuing, root = _leaf(folder.issuing_certificate), _leaf(folder.root_certificate)
    basic = issuing.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    assert authority.is_issued_by(issuing, root)
    assert authority.ends_utc_ms(issuing) == NOW + 5 * 365 * DAY_MS
    assert authority.ends_utc_ms(root) == NOW + 20 * 365 * DAY_MS


def test_server_and_ingest_can_each_be_only_that(folder: CaFolder) -> None:
    """The server's certificate serves under all its names; ingest's is a client's, with the name no unit can have."""
    server, ingest = _leaf(folder.server_certificate), _leaf(folder.ingest_certificate)
    assert _usages(server) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert _usages(ingest) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert _common_name(ingest) == INGEST_NAME
    names = authority.names_of(server)
    assert names.dns == {"hub.centre.example", "localhost", "examhub", "examhub.local"}
    assert {str(each) for each in names.addresses} == {"10.0.0.5", "127.0.0.1", "::1"}


@pytest.mark.parametrize(
    ("told", "host", "dns"),
    [
        ("", "examhub", {"localhost", "examhub", "examhub.local"}),
        ("", "examhub.centre.example", {"localhost", "examhub.centre.example", "examhub.local"}),
        ("", "under_score", {"localhost"}),
        (" Hub.Example. ,", "", {"localhost", "hub.example"}),
    ],
)
def test_names_of_the_hub(told: str, host: str, dns: set[str]) -> None:
    """The machine's own name always holds if it can, with and without `.local`."""
    assert authority.hub_names(told, host).dns == dns


@pytest.mark.parametrize("told", ["two words", "10.0.0.256", "-a", "a..b", "*.example", "http://hub", "a/b"])
def test_what_is_no_name_is_refused(told: str) -> None:
    with pytest.raises(ValueError, match="neither a host's name nor an address"):
        authority.hub_names(told, "")


# --- units ----------------------------------------------------------------------------------------------------------


def test_nothing_of_a_request_counts_but_its_key(folder: CaFolder, tmp_path: Path) -> None:
    """A request that names the hub, wants to serve and to be an authority gets a plain unit's certificate."""
    key = ec.generate_private_key(ec.SECP384R1())
    greedy = csr(
        key,
        INGEST_NAME,
        [
            x509.BasicConstraints(ca=True, path_length=None),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
            x509.SubjectAlternativeName([x509.DNSName("hub.centre.example")]),
        ],
    )
    leaf = authority.unit_certificate(
        enrolment.issuing(folder), authority.read_csr(greedy, "ab" * 32), "c.desk-01", "ab" * 32, 90, NOW
    )
    assert leaf.public_key() == key.public_key()
    assert _common_name(leaf) == "c.desk-01"
    assert len(leaf.subject) == 1
    assert _usages(leaf) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [each.value for each in names] == [f"urn:ems:record-key:{'ab' * 32}"]
    assert (authority.begins_utc_ms(leaf), authority.ends_utc_ms(leaf)) == (NOW - DAY_MS, NOW + 90 * DAY_MS)


@pytest.mark.parametrize("make", [lambda: rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate])
def test_other_keys_that_are_strong_enough(make: type[ed25519.Ed25519PrivateKey]) -> None:
    """RSA of 2048 bits and Ed25519 are taken too."""
    key = make()
    assert authority.read_csr(csr(key), "ab" * 32) == key.public_key()


def _weak() -> dict[str, str]:
    record_key = ed25519.Ed25519PrivateKey.from_private_bytes(b"r" * 32)
    good = csr()
    return {
        "small RSA": csr(rsa.generate_private_key(65537, 1024)),
        "another curve": csr(ec.generate_private_key(ec.SECP521R1())),
        "the record key": csr(record_key),
        "nothing": "",
        "no PEM": "hello",
        "a certificate": good.replace("CERTIFICATE REQUEST", "CERTIFICATE"),
        "cut off": good[:200],
        "surrogates": "\ud800",
    }


@pytest.mark.parametrize("what", _weak())
def test_bad_requests_are_refused_in_words(what: str) -> None:
    """One sentence for a person, never another kind of failure."""
    record_key = ed25519.Ed25519PrivateKey.from_private_bytes(b"r" * 32).public_key().public_bytes_raw().hex()
    with pytest.raises(BadCsr, match="certificate request"):
        authority.read_csr(_weak()[what], record_key)


def test_a_request_must_be_signed_with_its_own_key() -> None:
    """Whoever sends somebody else's public key gets no certificate for it."""
    from cryptography.hazmat.primitives import serialization

    der = bytearray(x509.load_pem_x509_csr(csr().encode()).public_bytes(serialization.Encoding.DER))
    at = bytes(der).index(b"whatever")
    der[at] ^= 1
    text = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(BadCsr, match="not signed with its own key"):
        authority.read_csr(text, "ab" * 32)


@given(st.binary(max_size=300))
def test_any_bytes_as_a_request_are_refused(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    with pytest.raises(BadCsr):
        authority.read_csr(text, "ab" * 32)


def test_a_unit_never_outlives_what_signed_it(folder: CaFolder, tmp_path: Path) -> None:
    """Near the issuing authority's end its certificates are shorter."""
    late = NOW + authority.ISSUING_LIFE_MS - 10 * DAY_MS
    desk = Desk(folder, tmp_path / "desk", now=late)
    assert desk.issued.not_after_utc_ms == NOW + authority.ISSUING_LIFE_MS


# --- who believes whom ----------------------------------------------------------------------------------------------


@pytest.fixture
def live(tmp_path: Path) -> CaFolder:
    """An authority made at the machine's own time: TLS libraries ask the machine's clock."""
    return made_folder(tmp_path / "live", _real_now())


def _real_now() -> int:
    return int(datetime.datetime.now(datetime.UTC).timestamp() * 1000)


def _desk(folder: CaFolder, place: Path, unit: str = "c.desk-01", *, ago_days: int = 0, days: int = 90) -> Desk:
    return Desk(folder, place, unit, _real_now() - ago_days * DAY_MS, days)


@pytest.mark.parametrize("name", ["hub.centre.example", "localhost", "examhub.local", "10.0.0.5", "::1"])
def test_desk_and_hub_believe_each_other(live: CaFolder, tmp_path: Path, name: str) -> None:
    """A real handshake, strict, with the list of revoked certificates in use, by each kind of name."""
    connect(live, live.authorities.read_text(), _desk(live, tmp_path / "desk"), name)
    connect_ingest(live)


def test_who_is_refused(live: CaFolder, tmp_path: Path) -> None:
    """Another name, another authority on either side, an expired unit, the server's certificate as a client's."""
    roots, desk = live.authorities.read_text(), _desk(live, tmp_path / "desk")
    other = made_folder(tmp_path / "other", _real_now())
    with pytest.raises(ssl.SSLError, match="match"):
        connect(live, roots, desk, "elsewhere.example")
    with pytest.raises(ssl.SSLError, match=r"unable to get local issuer|self-signed"):
        connect(live, other.authorities.read_text(), desk)
    with pytest.raises(ssl.SSLError):
        connect(live, roots, _desk(other, tmp_path / "foreign"))
    with pytest.raises(ssl.SSLError, match="expired"):
        connect(live, roots, _desk(live, tmp_path / "late", ago_days=30, days=10))
    with pytest.raises(ssl.SSLError, match="purpose"):
        shake_hands(server_side(live), client_side(roots, live.server_certificate, live.server_key))


def test_a_unit_cannot_pass_for_the_hub(live: CaFolder, tmp_path: Path) -> None:
    """A desk refuses a server that shows a unit's certificate, though it comes from the right authority."""
    desk = _desk(live, tmp_path / "desk")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(desk.certificate, desk.key)
    with pytest.raises(ssl.SSLError, match="purpose"):
        shake_hands(server, client_side(live.authorities.read_text(), desk.certificate, desk.key), "c.desk-01")


@pytest.mark.parametrize("at_s", [2, 86_400, 4_000_000])
def test_a_desk_whose_clock_was_never_set_believes_the_hub(live: CaFolder, at_s: int) -> None:
    """OpenSSL itself, told that it is 1970, accepts the server: a desk without a clock can be told the time by it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.fail("this test asks OpenSSL about another time: install it with `apt-get install openssl`")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(live.server_certificate, live.server_key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve_one, args=(server, listening))
        thread.start()
        words = (
            f"s_client -connect 127.0.0.1:{listening.getsockname()[1]} -verify_return_error -verify_hostname localhost"
        )
        done = subprocess.run(
            [openssl, *words.split(), "-attime", str(at_s), "-CAfile", live.authorities],
            input=b"",
            capture_output=True,
            check=False,
            timeout=60,
        )
        thread.join(60)
    assert b"Verify return code: 0 (ok)" in done.stdout, done.stderr.decode()


def _serve_one(context: ssl.SSLContext, listening: socket.socket) -> None:
    connection, _ = listening.accept()
    try:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1)
    except OSError:
        pass  # the other side has ended it: what it found is in its own words


# --- revocation -----------------------------------------------------------------------------------------------------


def test_a_revoked_unit_is_refused_and_others_are_not(live: CaFolder, tmp_path: Path) -> None:
    desk, other = _desk(live, tmp_path / "desk"), _desk(live, tmp_path / "desk", "c.desk-02")
    roots = live.authorities.read_text()
    connect(live, roots, desk)
    assert enrolment.put_revoked(live, [(desk.issued.serial_number, desk.issued.issuer, _real_now())])
    with pytest.raises(ssl.SSLError, match="revoked"):
        connect(live, roots, desk)
    connect(live, roots, other)
    connect_ingest(live)
    assert enrolment.count_revoked(live) == 1


def test_the_list_stays_as_it_is_while_it_is_right(folder: CaFolder) -> None:
    """The same revocations in any order change no byte; a damaged or missing list is written anew; numbers rise."""
    issuer = authority.fingerprint(enrolment.issuing(folder).certificate)
    revoked = [(f"{number:x}", issuer, NOW + number) for number in (5, 3, 99)]
    assert enrolment.put_revoked(folder, revoked)
    first = folder.revoked.read_bytes()
    assert not enrolment.put_revoked(folder, reversed(revoked))
    assert folder.revoked.read_bytes() == first
    listed = x509.load_pem_x509_crl(first)
    assert authority.list_number(listed) == 2
    assert [entry.serial_number for entry in listed] == [3, 5, 99]
    folder.revoked.write_text("damaged")
    assert enrolment.put_revoked(folder, revoked)
    folder.revoked.unlink()
    assert enrolment.put_revoked(folder, revoked)
    assert enrolment.count_revoked(folder) == 3


def test_the_list_never_ends(folder: CaFolder) -> None:
    """It holds since 1970 and outlives every certificate: an expired list would lock every desk out."""
    listed = x509.load_pem_x509_crl(folder.revoked.read_bytes())
    assert listed.last_update_utc == authority.ALWAYS
    assert listed.next_update_utc is not None
    assert listed.next_update_utc > _leaf(folder.root_certificate).not_valid_after_utc


@given(st.lists(st.tuples(st.integers(1, 2**158), st.integers(0, NOW)), unique_by=lambda each: each[0], max_size=20))
def test_a_list_says_what_it_was_given(revoked: list[tuple[int, int]]) -> None:
    signer = _SIGNER
    wanted = [Revocation(*each) for each in revoked]
    made = authority.revocation_list(signer, wanted, 7)
    assert authority.list_says(made, signer, wanted)
    assert not authority.list_says(made, signer, [*wanted, Revocation(2**159 - 1, 0)])


def _signer() -> authority.Signer:
    key = authority.make_key()
    return authority.Signer(key, authority.root_certificate(key, NOW))


_SIGNER = _signer()


# --- renewal of the hub's own ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "is_renewed"), [(200, False), (243, False), (244, True), (400, True)])
def test_the_hub_renews_its_certificates_in_time(folder: CaFolder, days: int, is_renewed: bool) -> None:
    """When a third of the year is left; the keys stay."""
    before = folder.server_certificate.read_bytes(), folder.ingest_certificate.read_bytes()
    keys = folder.server_key.read_bytes(), folder.ingest_key.read_bytes()
    made = enrolment.renew(folder, NAMES, NOW + days * DAY_MS)
    assert len(made) == 3 * is_renewed
    assert ((folder.server_certificate.read_bytes(), folder.ingest_certificate.read_bytes()) != before) == is_renewed
    assert (folder.server_key.read_bytes(), folder.ingest_key.read_bytes()) == keys
    assert enrolment.renew(folder, NAMES, NOW + days * DAY_MS) == []


def test_another_name_makes_another_server_certificate(folder: CaFolder) -> None:
    """Only the server's, and once."""
    names = authority.hub_names("other.example", "examhub")
    assert len(enrolment.renew(folder, names, NOW)) == 1
    assert authority.names_of(_leaf(folder.server_certificate)) == names
    assert enrolment.renew(folder, names, NOW) == []


def test_a_damaged_server_certificate_is_made_anew(folder: CaFolder) -> None:
    folder.server_certificate.write_text("damaged")
    assert len(enrolment.renew(folder, NAMES, NOW)) == 1
    folder.server_key.unlink()
    assert len(enrolment.renew(folder, NAMES, NOW)) == 1


def test_renewal_near_the_authoritys_end_does_not_run_wild(folder: CaFolder) -> None:
    """A certificate that cannot last longer is not made again and again."""
    late = NOW + authority.ISSUING_LIFE_MS - 30 * DAY_MS
    assert len(enrolment.renew(folder, NAMES, late)) == 3
    assert enrolment.renew(folder, NAMES, late + DAY_MS) == []


# --- rotation -------------------------------------------------------------------------------------------------------


def test_a_new_issuing_authority_leaves_desks_in_peace(live: CaFolder, tmp_path: Path) -> None:
    """What the old one signed still holds, and can still be revoked; the new one signs from now on."""
    desk, revoked = _desk(live, tmp_path / "desk"), _desk(live, tmp_path / "desk", "c.desk-02")
    roots = live.authorities.read_text()
    told = [(revoked.issued.serial_number, revoked.issued.issuer, _real_now())]
    assert len(rotation.rotate(live, live.root.folder, NAMES, lambda: told, _real_now())) == 4
    fresh = _desk(live, tmp_path / "desk", "c.desk-03")
    assert fresh.issued.issuer != desk.issued.issuer
    connect(live, roots, desk)
    connect(live, roots, fresh)
    connect_ingest(live)
    with pytest.raises(ssl.SSLError, match="revoked"):
        connect(live, roots, revoked)
    told.append((desk.issued.serial_number, desk.issued.issuer, _real_now()))
    enrolment.put_revoked(live, told)
    with pytest.raises(ssl.SSLError, match="revoked"):
        connect(live, roots, desk)
    connect(live, roots, fresh)


def test_a_new_root_reaches_desks_without_a_visit(live: CaFolder, tmp_path: Path) -> None:
    """Between new-root and retire-root a desk that knows only the old root, one that knows only the new one, and one
    that knows both connect, with certificates of before and after."""
    old_roots, before = live.authorities.read_text(), _desk(live, tmp_path / "desk")
    rotation.new_root(live, live.root.folder, NAMES, list, _real_now())
    both = live.authorities.read_text()
    new_root = live.root_certificate.read_text()
    assert (len(enrolment.roots(live)), both.endswith(old_roots), both.startswith(new_root)) == (2, True, True)
    after = _desk(live, tmp_path / "desk", "c.desk-02")
    for roots in (old_roots, new_root, both):
        connect(live, roots, before)
        connect(live, roots, after)
    connect_ingest(live)


def test_a_root_is_retired_when_nobody_needs_it(live: CaFolder, tmp_path: Path) -> None:
    """Refused while a unit's certificate hangs by it; then desks that know only it are told apart from the hub."""
    old_roots, before = live.authorities.read_text(), _desk(live, tmp_path / "desk")
    with pytest.raises(AuthorityProblem, match="only one root"):
        rotation.retire_root(live, list, NAMES, _real_now())
    rotation.new_root(live, live.root.folder, NAMES, list, _real_now())
    old = (before.issued.unit, before.issued.issuer, True)
    with pytest.raises(AuthorityProblem, match="retire the older one first"):
        rotation.new_root(live, live.root.folder, NAMES, list, _real_now())
    with pytest.raises(AuthorityProblem, match=r"1 units still need the old root \(c\.desk-01\)"):
        rotation.retire_root(live, lambda: [old], NAMES, _real_now())
    for behind in ((before.issued.unit, before.issued.issuer, False), ("c.desk-07", "", False)):
        with pytest.raises(AuthorityProblem, match=rf"old root \({behind[0]}\).*--force"):  # it was off, or never came
            rotation.retire_root(live, [behind].copy, NAMES, _real_now())
    after = _desk(live, tmp_path / "renewed")
    new = (after.issued.unit, after.issued.issuer, False)
    with pytest.raises(AuthorityProblem, match=r"\(c\.desk-01\)"):  # it has a new one, but may not have fetched it
        rotation.retire_root(live, lambda: [old, new], NAMES, _real_now())
    rotation.retire_root(live, lambda: [(*old[:2], False), new], NAMES, _real_now())
    assert live.authorities.read_text() == live.root_certificate.read_text()
    assert not live.bridge.exists()
    connect(live, live.authorities.read_text(), after)
    connect_ingest(live)
    with pytest.raises(ssl.SSLError):
        connect(live, old_roots, after)
    with pytest.raises(ssl.SSLError):
        connect(live, live.authorities.read_text(), before)
    rotation.new_root(live, live.root.folder, NAMES, list, _real_now())  # and once more, years later


def test_what_is_revoked_meanwhile_is_on_the_list(live: CaFolder) -> None:
    """A command that waits for the folder asks for the revoked certificates when its turn has come."""

    def told() -> list[tuple[str, str, int]]:
        with (live.path / ".lock").open() as lock, pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return [("2a", authority.fingerprint(enrolment.issuing(live).certificate), NOW)]

    enrolment.init(live, NAMES, told, _real_now())
    assert enrolment.count_revoked(live) == 1
    live.revoked.unlink()
    rotation.rotate(live, live.root.folder, NAMES, told, _real_now())
    assert enrolment.count_revoked(live) == 1
    live.revoked.unlink()
    rotation.new_root(live, live.root.folder, NAMES, told, _real_now())
    assert enrolment.count_revoked(live) == 1


def test_the_root_may_lie_in_a_safe(live: CaFolder, tmp_path: Path) -> None:
    """Without it all goes on but rotation, which names the folder it wants; with it on a stick rotation works."""
    stick = tmp_path / "stick"
    shutil.move(live.root.folder, stick)
    assert enrolment.init(live, NAMES, list, _real_now()) == []
    connect(live, live.authorities.read_text(), _desk(live, tmp_path / "desk"))
    for change in (rotation.rotate, rotation.new_root):
        with pytest.raises(AuthorityProblem, match=r"no root\.key in .*--root DIR"):
            change(live, live.root.folder, NAMES, list, _real_now())
    rotation.rotate(live, stick, NAMES, list, _real_now())
    rotation.new_root(live, stick, NAMES, list, _real_now())
    assert not live.root.folder.exists()
    connect(live, live.authorities.read_text(), _desk(live, tmp_path / "desk"))


def test_a_strange_root_changes_nothing(live: CaFolder, tmp_path: Path) -> None:
    other = made_folder(tmp_path / "other", _real_now())
    with pytest.raises(AuthorityProblem, match="not a root of this centre"):
        rotation.rotate(live, other.root.folder, NAMES, list, _real_now())


def test_a_lost_issuing_key_is_told_and_replaced(live: CaFolder, tmp_path: Path) -> None:
    """One line says what to do, and doing it helps."""
    live.issuing_certificate.unlink()
    stick = tmp_path / "stick"
    shutil.move(live.root.folder, stick)
    with pytest.raises(AuthorityProblem, match="ca rotate --root DIR"):
        enrolment.init(live, NAMES, list, _real_now())
    rotation.rotate(live, stick, NAMES, list, _real_now())
    connect(live, live.authorities.read_text(), _desk(live, tmp_path / "desk"))


@pytest.mark.parametrize("which", ["issuing_key", "issuing_certificate", "authorities"])
def test_damaged_files_are_told_in_one_line(folder: CaFolder, which: str) -> None:
    path: Path = getattr(folder, which)
    path.write_text("damaged")
    read = enrolment.roots if which == "authorities" else enrolment.issuing
    with pytest.raises(AuthorityProblem, match=str(path)) as found:
        read(folder)
    assert "\n" not in str(found.value)


def test_what_cannot_be_read_is_told(folder: CaFolder) -> None:
    """A missing file names the command that makes it; another trouble is not mistaken for that."""
    folder.issuing_key.unlink()
    with pytest.raises(AuthorityProblem, match=r"there is no .*issuing\.key: make it with"):
        enrolment.issuing(folder)
    folder.issuing_key.mkdir()
    with pytest.raises(AuthorityProblem, match=r"issuing\.key cannot be read: Is a directory"):
        enrolment.issuing(folder)


def test_files_that_do_not_belong_together_are_told(folder: CaFolder, tmp_path: Path) -> None:
    other = made_folder(tmp_path / "other")
    shutil.copy(other.issuing_key, folder.issuing_key)
    with pytest.raises(AuthorityProblem, match="do not belong together"):
        enrolment.issuing(folder)


# --- power cuts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["init", "rotate", "new_root", "retire_root"])
def test_killed_at_any_step_the_same_command_completes_it(what: str, tmp_path: Path) -> None:
    """kill -9 before each change of a file, one after the other: what then lies there still serves every desk, and the
    command once more makes it whole."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hub.cut_off", what, tmp_path],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=170,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) >= {"init": 30, "rotate": 15, "new_root": 25, "retire_root": 5}[what]


# --- the field's own broker -----------------------------------------------------------------------------------------


def _at_broker(broker: Broker, roots: str, certificate: Path, key: Path) -> bool:
    """Whether mosquitto lets this client in."""
    answers: list[bool] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_connect = lambda *about: answers.append(not about[3].is_failure)
    client.on_disconnect = lambda *_: answers.append(False)
    client.tls_set_context(client_side(roots, certificate, key))
    try:
        client.connect("localhost", broker.port)
    except OSError:
        return False
    client.loop_start()
    try:
        return wait_for(lambda: answers)[0]
    finally:
        client.disconnect()
        client.loop_stop()


def test_mosquitto_takes_the_files_as_they_are(live: CaFolder, tmp_path: Path) -> None:
    """Lists that began in 1970 and never end, several in one file, two roots and a bridge: those it shall let in come
    in, a revoked unit does not."""
    before, revoked = _desk(live, tmp_path / "desk"), _desk(live, tmp_path / "desk", "c.desk-02")
    old_roots = live.authorities.read_text()
    told = [(revoked.issued.serial_number, revoked.issued.issuer, _real_now())]
    enrolment.put_revoked(live, told)
    files = (
        f"cafile {live.authorities}\ncrlfile {live.revoked}\ncertfile {live.server_certificate}\n"
        f"keyfile {live.server_key}\nrequire_certificate true\nuse_identity_as_username true\ntls_version tlsv1.3"
    )
    with mosquitto(tmp_path / "broker", more=files) as broker:
        assert _at_broker(broker, old_roots, before.certificate, before.key)
        assert _at_broker(broker, old_roots, live.ingest_certificate, live.ingest_key)
        assert not _at_broker(broker, old_roots, revoked.certificate, revoked.key)
        rotation.new_root(live, live.root.folder, NAMES, lambda: told, _real_now())
        after = _desk(live, tmp_path / "desk", "c.desk-03")
        broker.stop()
        broker.start()
        for roots in (old_roots, live.root_certificate.read_text()):
            assert _at_broker(broker, roots, before.certificate, before.key)
            assert _at_broker(broker, roots, after.certificate, after.key)
            assert not _at_broker(broker, roots, revoked.certificate, revoked.key)
        assert _at_broker(broker, live.authorities.read_text(), live.ingest_certificate, live.ingest_key)
