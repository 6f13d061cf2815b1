"""What the broker refuses, on a real mosquitto with the configuration that `ems-hub broker config` makes.

The table of refusals in SECURITY.md is held against the list below.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from agent import wire
from agent.wire import MAX_MESSAGE_BYTES
from hub.broker import CONTROL_TOPIC, MAX_IN_FLIGHT, MAX_PACKET_BYTES, end_sessions
from hub.broker_check import Answer, call, connect_packet
from hub.enrolment import INGEST_NAME
from tests.authority import DAY, HOUR, Authority, Centre, Papers, right_now
from tests.brokers import REPOSITORY, secure_mosquitto
from tests.callers import Caller, calling
from tests.support import wait_for

# paho leaves the socket of a failed handshake to the garbage collector, which closes it at once, with a warning
pytestmark = pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")

DESK, OTHER = "c1.d1", "c1.d2"
NO_CONNECTION = "no connection"
NOT_AUTHORIZED = "0x87 not authorized"
NOTHING = "nothing is delivered"
CLOSED = "the connection is closed, 0x95 packet too large"


class Scene:
    """A broker, a desk unit, another one, and ingest, which hears what every desk says. `desk` is the hostile one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.centre = Centre(folder)
        self.broker = secure_mosquitto(folder / "broker", self.centre)
        self.papers = {name: self.centre.issue(name) for name in (DESK, OTHER)}
        self.revoked = self.centre.issue("c1.d9")
        self.centre.revoke(self.revoked)
        self.broker.start()
        self.desk = Caller(self.broker, self.centre.tls(self.papers[DESK]))
        self.other = Caller(self.broker, self.centre.tls(self.papers[OTHER]))
        self.ingest = Caller(self.broker, self.centre.tls(self.ingest_papers))
        assert self.other.subscribe(wire.down_filter(OTHER)) == 1
        assert self.ingest.subscribe(wire.UP_FILTER) == 1
        self._numbers = iter(range(1_000_000))

    @property
    def ingest_papers(self) -> Papers:
        return Papers(self.centre.folder.ingest_certificate, self.centre.folder.ingest_key, 0)

    def close(self) -> None:
        for caller in (self.desk, self.other, self.ingest):
            caller.close()
        self.broker.kill()

    def call(self, papers: Papers | None, *, is_old: bool = False) -> Answer:
        """One CONNECT over TLS with these papers, or with none."""
        context = ssl.create_default_context(cafile=str(self.centre.folder.authorities))
        if is_old:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        if papers is not None:
            context.load_cert_chain(papers.certificate, papers.key)
        return call("127.0.0.1", self.broker.port, context, connect_packet("a", keepalive_s=10))

    def settle(self) -> tuple[list[bytes], list[bytes]]:
        """What ingest and the other desk have heard: all that was sent before, because the broker keeps the order."""
        mark = b"mark %d" % next(self._numbers)
        assert self.other.publish(wire.up_topic(OTHER, "record"), mark) == 0
        assert self.ingest.publish(wire.down_topic(OTHER, "receipt"), mark) == 0
        wait_for(lambda: all(any(mark == data for _, data in each.heard) for each in (self.ingest, self.other)))
        return [data for _, data in self.ingest.heard], [data for _, data in self.other.heard]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    made = Scene(tmp_path_factory.mktemp("refusals"))
    yield made
    made.close()


# --- attempts: each answers what came of it -------------------------------------------------------------------------


def _refused(answer: Answer, alert: str) -> str:
    """The broker may close so fast that its alert is lost; then the connection is reset."""
    assert answer.code is None
    assert re.search(f"{alert}|EOF|reset|hangs up|Broken pipe", answer.why, re.IGNORECASE), answer.why
    return NO_CONNECTION


def _no_certificate(scene: Scene) -> str:
    return _refused(scene.call(None), "CERTIFICATE_REQUIRED")


def _foreign(scene: Scene) -> str:
    papers = scene.centre.issue(DESK, authority=Authority("Test Centre Issuing 1"))
    return _refused(scene.call(papers), "UNKNOWN_CA|DECRYPT_ERROR|DECRYPTION_FAILED|BAD_SIGNATURE")


def _revoked(scene: Scene) -> str:
    return _refused(scene.call(scene.revoked), "CERTIFICATE_REVOKED")


def _expired(scene: Scene) -> str:
    papers = scene.centre.issue(DESK, not_before=right_now() - DAY, not_after=right_now() - HOUR)
    return _refused(scene.call(papers), "CERTIFICATE_EXPIRED")


def _not_yet(scene: Scene) -> str:
    papers = scene.centre.issue(DESK, not_before=right_now() + HOUR, not_after=right_now() + DAY)
    return _refused(scene.call(papers), "BAD_CERTIFICATE")


def _servers(scene: Scene) -> str:
    papers = Papers(scene.centre.folder.server_certificate, scene.centre.folder.server_key, 0)
    return _refused(scene.call(papers), "UNSUPPORTED_CERTIFICATE")


def _old_tls(scene: Scene) -> str:
    return _refused(scene.call(scene.papers[DESK], is_old=True), "PROTOCOL_VERSION")


def _plain(scene: Scene) -> str:
    answer = call("127.0.0.1", scene.broker.port, None, connect_packet(DESK))
    return _refused(answer, "does not speak MQTT")


def _publish(topic: str, payload: bytes, *, is_retained: bool = False) -> Callable[[Scene], str]:
    def attempt(scene: Scene) -> str:
        code = scene.desk.publish(topic, payload, is_retained=is_retained)
        assert all(payload not in heard for heard in scene.settle())
        return NOT_AUTHORIZED if code == 0x87 else f"reason {code}"

    return attempt


def _will(scene: Scene) -> str:
    for unit, topic in (("c1.d3", wire.up_topic(OTHER, "status")), ("c1.d4", wire.up_topic("c1.d4", "status"))):
        with calling(scene.broker, scene.centre.tls(scene.centre.issue(unit)), will_topic=topic) as caller:
            caller.drop()
    wait_for(lambda: (wire.up_topic("c1.d4", "status"), b"will") in scene.ingest.heard)
    scene.settle()
    return NOTHING if [data for _, data in scene.ingest.heard].count(b"will") == 1 else "delivered"


def _listen(*filters: str) -> Callable[[Scene], str]:
    """Subscribe as a unit of its own; then what all others say must not reach it, and what is meant for it must."""

    def attempt(scene: Scene) -> str:
        unit = f"c1.listener{next(scene._numbers)}"
        with calling(scene.broker, scene.centre.tls(scene.centre.issue(unit))) as caller:
            for each in filters:
                caller.subscribe(each)
            assert caller.subscribe(wire.down_filter(unit)) == 1
            scene.settle()
            assert scene.ingest.publish(CONTROL_TOPIC, end_sessions(["c1.nobody"])) == 0
            assert scene.ingest.publish(wire.down_topic(unit, "receipt"), b"for you") == 0
            wait_for(lambda: caller.heard)
            topics = {topic for topic, _ in caller.heard}
        return NOTHING if topics == {wire.down_topic(unit, "receipt")} else f"heard {topics}"

    return attempt


def _oversized(scene: Scene) -> str:
    """Too large by a little or by far; the broker may close so fast that the reason is lost."""
    assert scene.desk.publish(wire.up_topic(DESK, "record"), b"m" * MAX_MESSAGE_BYTES) == 0
    for size in (MAX_PACKET_BYTES, 200_000):
        with calling(scene.broker, scene.centre.tls(scene.centre.issue("c1.big"))) as caller:
            assert caller.publish(wire.up_topic("c1.big", "record"), b"n" * size) is None
            assert caller.gone in (0x95, 0x80)
    heard, _ = scene.settle()
    return CLOSED if max(len(data) for data in heard) == MAX_MESSAGE_BYTES else "delivered"


def _too_many_queued(scene: Scene) -> str:
    broker = secure_mosquitto(scene.folder / "queues", scene.centre, max_queued=50)
    ingest, desk = scene.centre.tls(scene.ingest_papers), scene.centre.tls(scene.papers[DESK])
    with broker, calling(broker, desk) as sender:
        with calling(broker, ingest, expiry_s=60) as absent:
            absent.subscribe(wire.UP_FILTER)
        for number in range(50 + MAX_IN_FLIGHT + 100):
            sender.publish(wire.up_topic(DESK, "record"), b"%d" % number)
        with calling(broker, ingest, expiry_s=60) as back:
            sender.publish(wire.up_topic(DESK, "record"), b"last")
            wait_for(lambda: any(data == b"last" for _, data in back.heard))
            count = len(back.heard) - 1
    return (
        "the rest is dropped, and sent again for want of a receipt" if 50 <= count <= 50 + MAX_IN_FLIGHT else str(count)
    )


def _too_many(scene: Scene) -> str:
    broker = secure_mosquitto(scene.folder / "many", scene.centre, max_connections=2)
    with broker:
        callers = [Caller(broker, scene.centre.tls(scene.centre.issue(f"c1.m{n}"))) for n in range(3)]
        connected = [caller.is_connected for caller in callers]
        for caller in callers:
            caller.close()
    return NO_CONNECTION if connected == [True, True, False] else f"{connected}"


def _other_id(scene: Scene) -> str:
    with calling(scene.broker, scene.centre.tls(scene.centre.issue("c1.thief")), client_id=OTHER) as thief:
        assert thief.is_connected
        scene.settle()
        assert scene.other.is_connected
        code = thief.publish(wire.up_topic(OTHER, "record"), b"stolen")
    assert all(b"stolen" not in heard for heard in scene.settle())
    return "the other stays connected" if code == 0x87 else f"reason {code}"


def _odd_names(scene: Scene) -> str:
    """An authority that signs such a name is broken; what a unit of that name could do is bounded all the same."""
    for name in ("+", "#", f"{OTHER}/#", "c1/d2", f"{OTHER}/up", "+/up/+", "C1.D2", f"{OTHER} ", "x/up/y"):
        with calling(scene.broker, scene.centre.tls(scene.centre.issue(name))) as caller:
            if not caller.is_connected:
                continue
            for unit in (OTHER, name):
                for topic in (wire.up_topic(OTHER, "record"), f"ems/1/{unit}/up/record", f"ems/1/{unit}/down/receipt"):
                    if caller.is_connected and not {"+", "#"} & set(topic):
                        caller.publish(topic, f"odd {name} {unit}".encode())
            if caller.is_connected:
                caller.subscribe(wire.down_filter(OTHER))
            scene.settle()
            assert not caller.heard
    spoken = [data for heard in scene.settle() for data in heard]
    mine = [
        data for data in spoken if data.startswith(b"odd ") and not data.startswith((b"odd C1.D2 C1", b"odd c1.d2  c1"))
    ]
    return "no connection, or a name of its own" if not mine else f"{mine}"


RECEIPT = wire.encode(wire.Receipt(records=((1, 1),)))


class Refusal(NamedTuple):
    what: str
    outcome: str
    attempt: Callable[[Scene], str]


REFUSALS = [
    Refusal("no certificate", NO_CONNECTION, _no_certificate),
    Refusal("a certificate of another authority", NO_CONNECTION, _foreign),
    Refusal("a revoked certificate", NO_CONNECTION, _revoked),
    Refusal("an expired certificate", NO_CONNECTION, _expired),
    Refusal("a certificate that is not valid yet", NO_CONNECTION, _not_yet),
    Refusal("the hub's server certificate as a client's", NO_CONNECTION, _servers),
    Refusal("TLS 1.2", NO_CONNECTION, _old_tls),
    Refusal("no TLS", NO_CONNECTION, _plain),
    Refusal("writing another desk's `up/`", NOT_AUTHORIZED, _publish(wire.up_topic(OTHER, "record"), b"as another")),
    Refusal("a last will for another desk", NOTHING, _will),
    Refusal("a forged receipt for another desk", NOT_AUTHORIZED, _publish(wire.down_topic(OTHER, "receipt"), RECEIPT)),
    Refusal("a forged receipt for itself", NOT_AUTHORIZED, _publish(wire.down_topic(DESK, "receipt"), RECEIPT)),
    Refusal(
        "a forged plan, retained",
        NOT_AUTHORIZED,
        _publish(wire.down_topic(OTHER, "plan"), b"a forged plan", is_retained=True),
    ),
    Refusal("a forged command", NOT_AUTHORIZED, _publish(wire.down_topic(OTHER, "command"), b"a forged command")),
    Refusal("a topic outside the system", NOT_AUTHORIZED, _publish("somewhere/else", b"elsewhere")),
    Refusal(
        "an unknown kind, retained",
        NOT_AUTHORIZED,
        _publish(f"ems/1/{DESK}/up/novel", b"an unknown kind", is_retained=True),
    ),
    Refusal("a topic below its own", NOT_AUTHORIZED, _publish(f"ems/1/{DESK}/up/record/x", b"below")),
    Refusal("the broker's own topics", NOT_AUTHORIZED, _publish("$SYS/broker/version", b"version")),
    Refusal("commands to the broker", NOT_AUTHORIZED, _publish(CONTROL_TOPIC, end_sessions([OTHER]))),
    Refusal("listening to `#`", NOTHING, _listen("#")),
    Refusal("listening to `ems/#`", NOTHING, _listen("ems/#")),
    Refusal("listening to every desk's `down/`", NOTHING, _listen("ems/1/+/down/+", wire.down_filter(OTHER))),
    Refusal("listening to every desk's `up/`", NOTHING, _listen(wire.UP_FILTER, wire.up_topic(OTHER, "record"))),
    Refusal("listening by a shared subscription", NOTHING, _listen("$share/g/ems/1/+/up/+", "$share/g/#")),
    Refusal("listening to `$SYS/#` and `$CONTROL/#`", NOTHING, _listen("$SYS/#", "$CONTROL/#")),
    Refusal("a message of more than 64 KiB and a topic", CLOSED, _oversized),
    Refusal(
        "more messages than ingest's queue holds",
        "the rest is dropped, and sent again for want of a receipt",
        _too_many_queued,
    ),
    Refusal("more connections than are allowed", NO_CONNECTION, _too_many),
    Refusal("the client id of another desk", "the other stays connected", _other_id),
    Refusal("a certificate for `+`, `#`, `c1/d2` and the like", "no connection, or a name of its own", _odd_names),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.what)
def test_the_broker_refuses(scene: Scene, refusal: Refusal) -> None:
    """What a hostile client tries comes to what SECURITY.md says; the honest ones stay connected."""
    assert refusal.attempt(scene) == refusal.outcome
    assert scene.other.is_connected
    assert scene.ingest.is_connected


def test_what_the_broker_lets_pass(scene: Scene) -> None:
    """The same desk may do what is its own: the refusals above are not a broker that refuses all."""
    assert scene.desk.subscribe(wire.down_filter(DESK)) == 1
    for kind in wire.UP:
        assert scene.desk.publish(wire.up_topic(DESK, kind), b"my own") == 0
    assert scene.ingest.publish(wire.down_topic(DESK, "receipt"), b"for the desk") == 0
    wait_for(lambda: b"for the desk" in [data for _, data in scene.desk.heard])
    assert b"my own" in scene.settle()[0]
    assert scene.call(scene.centre.issue("c1.d7")).is_let_in


def test_the_table_of_refusals_is_the_one_in_the_document() -> None:
    """SECURITY.md names each refusal with its outcome, and none that is not tried here."""
    text = (REPOSITORY / "SECURITY.md").read_text().partition("## What the broker refuses")[2].partition("\n## ")[0]
    told = re.findall(r"^\| (.+?) \| (.+?) \|$", text, flags=re.MULTILINE)[1:]
    assert told == [(refusal.what, refusal.outcome) for refusal in REFUSALS]


def test_the_log_holds_no_message_and_no_key(scene: Scene) -> None:
    """Names and addresses stand in the broker's log, and nothing that anybody sent."""
    log = scene.broker.log()
    assert OTHER in log
    assert INGEST_NAME in log
    for secret in ("as another", "a forged plan", "PRIVATE KEY"):
        assert secret not in log
