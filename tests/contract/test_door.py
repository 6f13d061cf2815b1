"""The hub's door as a process over TLS: what it answers to desks, to people's decisions, and to everybody else."""

from __future__ import annotations

import secrets
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import wire_door
from agent.wire_door import ENROLMENTS_PATH, RENEWALS_PATH, STATE_PATH
from hub import authority, ca_files, enrolment
from hub.door.server import MOST_READS, serve
from hub.enrolment import CaFolder
from hub.store import enrolling
from hub.terminal import now_utc_ms
from tests.hub.doors import NAMES, Card, Hub, door_process
from tests.hub.hubs import value
from tests.support import wait_for


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    made = Hub(tmp_path_factory.mktemp("hub"))
    with door_process(made):
        yield made
    made.store.close()


@pytest.fixture
def card() -> Card:
    return Card()


def enrolled(hub: Hub, card: Card) -> str:
    """The unit that this card has become."""
    unit = hub.approve(hub.post(ENROLMENTS_PATH, card.request(), card.key).state().code)
    hub.work()
    return unit


# --- a desk's way ---------------------------------------------------------------------------------------------------


def test_from_unknown_to_granted(hub: Hub, card: Card) -> None:
    """A desk asks, a person compares the code and approves, the worker signs, and the desk gets all it needs."""
    assert hub.post(STATE_PATH, card.state(), card.key).state().state == "unknown"
    asked = hub.post(ENROLMENTS_PATH, card.request(serial="s-1", model="Pi 5", wanted="hall.desk-41"), card.key).state()
    assert asked.state == "waiting"
    assert hub.post(ENROLMENTS_PATH, card.request(), card.key).state().code == asked.code
    waiting = hub.post(STATE_PATH, card.state(), card.key).state()
    assert (waiting.state, waiting.code) == ("waiting", asked.code)
    assert abs(waiting.hub_utc_ms - now_utc_ms()) < 60_000
    unit = hub.approve(asked.code, unit="hall.desk-41")
    assert hub.post(STATE_PATH, card.state(), card.key).state().state == "approved"
    hub.work()
    granted = hub.post(STATE_PATH, card.state(), card.key).state()
    assert granted.state == "granted"
    assert granted.grant is not None
    assert (granted.grant.unit, granted.grant.broker_port) == (unit, 8883)
    assert granted.grant.authorities == hub.roots
    assert granted.grant.plan is not None
    assert granted.grant.plan.number > 0
    assert granted.grant.certificate.count("BEGIN CERTIFICATE") == 2


def test_a_desk_that_follows_its_request_is_heard_of(hub: Hub, card: Card) -> None:
    """People see that it still waits, and it is not forgotten after a day; what is decided stays as it is."""

    def heard() -> int:
        return int(value(hub.store, f"select heard_utc_ms from enrolments where public_key = '{card.public_key}'"))

    def follow() -> int:
        with hub.store.write() as connection:
            connection.execute("update enrolments set heard_utc_ms = ? where public_key = ?", [asked, card.public_key])
        hub.post(STATE_PATH, card.state(), card.key).state()
        return heard()

    code = hub.post(ENROLMENTS_PATH, card.request(), card.key).state().code
    asked = heard() - 3_600_000
    assert follow() > asked + 3_000_000
    hub.approve(code)
    assert follow() == asked


def test_a_known_key_is_let_in_again_without_a_person(hub: Hub, card: Card) -> None:
    """A desk that lost its certificate asks as at first, and one that has it renews: same unit, nobody approves."""
    unit = enrolled(hub, card)
    for path, message in ((ENROLMENTS_PATH, Card().request()), (RENEWALS_PATH, card.renewal(unit))):
        own = wire_door.decode(
            type(message),
            wire_door.encode(message).replace(
                message.public_key.encode(),
                card.public_key.encode(),
            ),
        )
        assert hub.post(path, own, card.key).state().state == "approved"
        hub.work()
        answer = hub.post(path, own, card.key).state()
        assert answer.state == "granted"
        assert answer.grant is not None
        assert answer.grant.unit == unit


def test_a_rejection_reaches_the_desk_in_its_words(hub: Hub, card: Card) -> None:
    """Another request after it is a new one, with a new code."""
    code = hub.post(ENROLMENTS_PATH, card.request(), card.key).state().code
    with hub.store.write() as connection:
        request = enrolling.by_code(connection, code)
        enrolling.reject(connection, request.enrolment_id, reason="not ours", who="ada", now_utc_ms=now_utc_ms())
    rejected = hub.post(STATE_PATH, card.state(), card.key).state()
    assert (rejected.state, rejected.reason) == ("rejected", "not ours")
    card.csr = Card().csr
    again = hub.post(ENROLMENTS_PATH, card.request(), card.key).state()
    assert again.state == "waiting"
    assert again.code != code


def test_a_revoked_unit_gets_nothing_more(hub: Hub, card: Card) -> None:
    """Not by asking anew, not for its certificate of before, not by renewal: 403 each time."""
    unit = enrolled(hub, card)
    hub.revoke(unit)
    for path, message in (
        (ENROLMENTS_PATH, card.request()),
        (STATE_PATH, card.state()),
        (RENEWALS_PATH, card.renewal(unit)),
    ):
        answer = hub.post(path, message, card.key)
        assert (answer.status, answer.trouble().code) == (403, "revoked")
        assert "ems-agent replace" in answer.trouble().words


def test_nobody_renews_for_another(hub: Hub, card: Card) -> None:
    """A unit's name with another key, and a name that is nobody's, are both not enrolled."""
    unit = enrolled(hub, card)
    other = Card()
    for name in (unit, "hall.nobody"):
        answer = hub.post(RENEWALS_PATH, other.renewal(name), other.key)
        assert (answer.status, answer.trouble().code) == (403, "not_enrolled")


def test_what_keeps_a_certificate_is_said(hub: Hub, card: Card) -> None:
    """A hub whose clock is not trusted signs nothing, and the desk learns why; so it does when no worker runs."""
    code = hub.post(ENROLMENTS_PATH, card.request(), card.key).state().code
    hub.approve(code)
    facts = {"beat_utc_ms": now_utc_ms(), "is_clock_trusted": False, "clock": "no time server answers", "trouble": ""}
    hub.worker._live.put_worker(facts, now_utc_ms())
    answer = hub.post(STATE_PATH, card.state(), card.key).state()
    assert answer.state == "approved"
    assert "no time server answers" in answer.reason
    hub.worker._live.put_worker(facts | {"beat_utc_ms": now_utc_ms() - 60_000}, now_utc_ms())
    assert "ems-hub worker" in hub.post(STATE_PATH, card.state(), card.key).state().reason
    hub.work()
    assert hub.post(STATE_PATH, card.state(), card.key).state().state == "granted"


def test_the_authority_is_open_to_all(hub: Hub) -> None:
    """It is public; the fingerprint that a person gave decides whether it is believed."""
    answer = hub.call("GET", wire_door.AUTHORITY_PATH)
    assert answer.status == 200
    found: wire_door.Authority = wire_door.decode(wire_door.Authority, answer.body)
    assert (found.authorities, found.hub) == (hub.roots, "hub.centre.example")


# --- hostile --------------------------------------------------------------------------------------------------------


def test_a_wrong_signature_changes_nothing(hub: Hub, card: Card) -> None:
    """By another key, for another path, for another body, or none: 403, and no request is kept."""
    body = wire_door.encode(card.request())
    renewal = wire_door.encode(card.renewal("hall.desk-01"))
    before = value(hub.store, "select count(*) from enrolments")
    for path, sent, signature in (
        (ENROLMENTS_PATH, body, wire_door.sign(ENROLMENTS_PATH, body, Card().key.sign)),
        (ENROLMENTS_PATH, body, wire_door.sign(RENEWALS_PATH, body, card.key.sign)),
        (RENEWALS_PATH, renewal, wire_door.sign(ENROLMENTS_PATH, renewal, card.key.sign)),
        (ENROLMENTS_PATH, body + b" ", wire_door.sign(ENROLMENTS_PATH, body, card.key.sign)),
        (ENROLMENTS_PATH, body, "00" * 64),
        (ENROLMENTS_PATH, body, "no signature"),
        (ENROLMENTS_PATH, body, None),
    ):
        answer = hub.call("POST", path, sent, signature, source="127.0.0.3")
        assert (answer.status, answer.trouble().code) == (403, "bad_signature")
    assert value(hub.store, "select count(*) from enrolments") == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 10_000,
        b'{"public_key":"' + b"a" * 63 + b'"}',
        secrets.token_bytes(4000),
    ],
    ids=["empty", "no fields", "list", "null", "no text", "deep", "short key", "random"],
)
def test_garbage_is_refused_in_one_sentence(hub: Hub, body: bytes) -> None:
    """Whatever the bytes, at every path."""
    for path in (ENROLMENTS_PATH, STATE_PATH, RENEWALS_PATH):
        answer = hub.call("POST", path, body, "00" * 64, source="127.0.0.4")
        assert (answer.status, answer.trouble().code) == (400, "bad_request")


def test_too_much_is_refused_unread(hub: Hub) -> None:
    """One byte more than the limit, ten megabytes, and a body that does not say its length."""
    answer = hub.call("POST", STATE_PATH, b"x" * (wire_door.MAX_BODY_BYTES + 1), "00" * 64)
    assert (answer.status, answer.trouble().code) == (413, "too_large")
    context = ssl.create_default_context(cadata=hub.roots)
    head = f"POST {STATE_PATH} HTTP/1.1\r\nHost: hub\r\n"
    for length, body in (
        (f"Content-Length: {10_000_000}", b"x" * 10_000_000),
        ("Transfer-Encoding: chunked", b"2710\r\n" + b"x" * 10_000 + b"\r\n" + b"2710\r\n" + b"x" * 10_000 + b"\r\n"),
    ):
        with (
            socket.create_connection(("127.0.0.1", hub.port), timeout=20) as line,
            context.wrap_socket(line, server_hostname="127.0.0.1") as tls,
        ):
            try:
                tls.sendall(f"{head}{length}\r\n\r\n".encode() + body)
                first = tls.recv(100)
            except OSError:  # cut off in the middle
                continue
            assert first == b"" or b" 413 " in first or b" 411 " in first
    assert hub.call("GET", wire_door.AUTHORITY_PATH).status == 200


def test_other_paths_and_methods_are_trouble_too(hub: Hub) -> None:
    """No HTML, no hint of what serves here."""
    for method, path, status in (
        ("GET", "/", 404),
        ("GET", "/static/x", 404),
        ("GET", "/door/v1/../../etc/passwd", 404),
        ("GET", STATE_PATH, 405),
        ("POST", wire_door.AUTHORITY_PATH, 405),
    ):
        answer = hub.call(method, path)
        assert answer.status == status
        assert answer.trouble().words


def test_no_tls_old_tls_and_no_http_get_no_answer(hub: Hub) -> None:
    """The door speaks TLS 1.3 or nothing; what is no HTTP within it is a Trouble."""
    with socket.create_connection(("127.0.0.1", hub.port), timeout=20) as line:
        line.sendall(b"GET /door/v1/authority HTTP/1.1\r\nHost: hub\r\n\r\n")
        try:
            assert b"HTTP" not in line.recv(1000)
        except ConnectionResetError:
            pass
    old = ssl.create_default_context(cadata=hub.roots)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", hub.port), timeout=20) as line,
        pytest.raises((ssl.SSLError, ConnectionResetError)),
    ):
        old.wrap_socket(line, server_hostname="127.0.0.1")
    new = ssl.create_default_context(cadata=hub.roots)
    with (
        socket.create_connection(("127.0.0.1", hub.port), timeout=20) as line,
        new.wrap_socket(line, server_hostname="127.0.0.1") as tls,
    ):
        tls.sendall(b"garbage\r\n\r\n")
        answer = tls.recv(1000)
        assert b"bad_request" in answer
        assert b"<" not in answer


def test_who_sends_byte_by_byte_is_cut_off(hub: Hub) -> None:
    """Slow callers cannot hold the door's threads: after so many reads the connection ends, whatever comes."""
    context = ssl.create_default_context(cadata=hub.roots)
    with (
        socket.create_connection(("127.0.0.1", hub.port), timeout=20) as line,
        context.wrap_socket(line, server_hostname="127.0.0.1") as tls,
    ):
        tls.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sent = 0

        def is_cut_off() -> bool:
            nonlocal sent
            try:
                tls.send(b"G")
            except OSError:
                return True
            sent += 1
            return False

        wait_for(is_cut_off, every_s=0.01)
        assert sent > MOST_READS / 4


def test_a_flood_from_one_address_is_slowed_and_others_get_through(hub: Hub) -> None:
    """Enrolments are counted by address; what people are to decide stays bounded by the store."""
    codes = set()
    for _ in range(70):
        answer = hub.call("POST", ENROLMENTS_PATH, b"{}", "", source="127.0.0.9")
        codes.add(answer.trouble().code)
        if answer.status == 429:
            break
    assert codes == {"bad_request", "too_many"}
    assert hub.call("POST", ENROLMENTS_PATH, b"{}", "", source="127.0.0.10").status == 400
    assert hub.call("POST", STATE_PATH, b"{}", "", source="127.0.0.9").status == 400


def test_no_key_and_no_body_reaches_the_log(hub: Hub, card: Card) -> None:
    """The log names unit or code, outcome and address."""
    unit = enrolled(hub, card)
    hub.post(STATE_PATH, card.state(), card.key)
    log = wait_for(lambda: text if f"{unit}: enrolment granted" in (text := hub.log.read_text()) else "")
    assert "from 127.0.0.1" in log
    for secret in (card.public_key, card.csr.splitlines()[1], "BEGIN", "Traceback"):
        assert secret not in log


# --- the hub's own --------------------------------------------------------------------------------------------------


def test_a_new_server_certificate_is_used_without_a_restart(hub: Hub) -> None:
    """The next connection has it; a pair that does not fit, as in the middle of a change, leaves the old one."""

    def shown() -> bytes:
        context = ssl.create_default_context(cadata=hub.roots)
        with (
            socket.create_connection(("127.0.0.1", hub.port), timeout=20) as line,
            context.wrap_socket(line, server_hostname="127.0.0.1") as tls,
        ):
            return tls.getpeercert(binary_form=True) or b""

    first = shown()
    signer = enrolment.issuing(hub.ca)
    key = authority.make_key()
    made = authority.server_certificate(signer, key.public_key(), NAMES, now_utc_ms())
    ca_files.put_file(hub.ca.server_key, authority.key_pem(key), is_secret=True)
    assert shown() == first
    ca_files.put_file(hub.ca.server_certificate, authority.pem(made, signer.certificate))
    assert shown() != first


def test_it_says_what_keeps_it_from_starting(tmp_path: Path, capsys: pytest.CaptureFixture[str], hub: Hub) -> None:
    """A taken port and a missing certificate: one line each, with the remedy."""
    from tests.brokers import free_port
    from tests.hub.hubs import settings_for

    assert serve(settings_for(tmp_path, ca_path=str(hub.ca.path), door_port=hub.port), now_utc_ms) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "EMS_DOOR_PORT" in said
    empty = str(CaFolder(tmp_path / "none").path)
    assert serve(settings_for(tmp_path, ca_path=empty, door_port=free_port()), now_utc_ms) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "ems-hub init" in said
