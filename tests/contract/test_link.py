"""The link over real brokers, each test on mosquitto and on the embedded amqtt."""

from __future__ import annotations

import datetime
import ipaddress
import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from agent import wire
from agent.messaging.tls import Tls
from tests.brokers import REPOSITORY, Broker, embedded, mosquitto
from tests.contract.desk_side import SMALL_STILL, UNIT, Desk, alert, fault, now
from tests.contract.hub_side import HubSide
from tests.support import wait_for


def heartbeat(number: int) -> wire.Heartbeat:
    return wire.Heartbeat(boot=number, now=now(), is_clock_ok=True, state="waiting")


def run_desk(folder: Path, broker: Broker) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.contract.desk_side", str(folder), str(broker.port), str(broker.protocol)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_birth_at_connect_and_will_at_kill(broker: Broker, tmp_path: Path) -> None:
    """A second client sees the retained birth with the public key, and after kill -9 of the desk the will."""
    with HubSide(broker) as hub:
        process = run_desk(tmp_path / "desk", broker)
        try:
            online = wait_for(lambda: hub.all_of("status"))[0]
        finally:
            process.kill()
            process.communicate()
        wait_for(lambda: [status.is_online for status in hub.all_of("status")] == [True, False])
        assert (online.boot, len(online.public_key)) == (1, 64)
    with HubSide(broker) as late:
        wait_for(lambda: late.all_of("status"))
        kind, status, is_retained = late.heard[0]
        assert (kind, status.is_online, status.public_key, is_retained) == ("status", False, online.public_key, True)


def test_clean_stop_says_farewell_at_once(broker: Broker, tmp_path: Path) -> None:
    """A stopped desk is offline without waiting for its will, and both threads have ended."""
    with HubSide(broker) as hub:
        desk = Desk.at(broker, tmp_path).connected()
        wait_for(lambda: hub.all_of("status"))
        was_alive = desk.link.is_alive
        assert desk.close()
        wait_for(lambda: [status.is_online for status in hub.all_of("status")] == [True, False])
        assert (was_alive, desk.link.is_alive, desk.link.failure) == (True, False, None)


def test_records_and_stills_arrive_as_sealed_and_leave_the_spool(broker: Broker, tmp_path: Path) -> None:
    """Each record and evidence still arrives byte for byte; receipts empty the spool."""
    with HubSide(broker) as hub, Desk.at(broker, tmp_path).connected() as desk:
        sealed = [desk.append(fault(n)) for n in range(20)]
        sealed.append(desk.append(alert(SMALL_STILL), SMALL_STILL))
        wait_for(lambda: not desk.records.pending(1))
        assert hub.records == {record.key: record for record in sealed}
        assert hub.evidence[wire.sha256_hex(SMALL_STILL)].jpeg == SMALL_STILL
        assert hub.evidence[wire.sha256_hex(SMALL_STILL)].note.seq == sealed[-1].header.seq
        assert desk.records.depth() == 0


def test_nothing_is_forgotten_on_the_brokers_word(broker: Broker, tmp_path: Path) -> None:
    """A hub that hears but does not commit gets everything again and again, until its receipt."""
    with HubSide(broker, is_receipting=False) as hub, Desk.at(broker, tmp_path).connected() as desk:
        record = desk.append(fault(1))
        wait_for(lambda: hub.arrivals[record.key] >= 3)
        assert desk.records.depth() == 1
        hub.is_receipting = True
        wait_for(lambda: desk.records.depth() == 0)


def test_retained_plan_arrives_at_every_connect(broker: Broker, tmp_path: Path) -> None:
    """The plan that was left while the desk was away is there when it comes, and again after a reconnect."""
    plan = wire.Plan(number=7)
    with HubSide(broker) as hub:
        hub.tell(UNIT, "plan", plan, is_retained=True)
        with Desk.at(broker, tmp_path) as desk:
            wait_for(lambda: desk.plans == [plan])
            command = wire.Command(number=1, name=wire.CommandKind.CONFIRM_ALERT, alert="a", expires_utc_ms=9)
            hub.tell(UNIT, "command", command)
            wait_for(lambda: desk.commands == [command])
        with Desk.at(broker, tmp_path) as desk:
            wait_for(lambda: desk.plans == [plan])


def test_broker_killed_with_persistence_off_loses_nothing(broker: Broker, tmp_path: Path) -> None:
    """kill -9 of the broker, several times while records are made: all arrive, and the link tells its state."""
    with HubSide(broker) as hub, Desk.at(broker, tmp_path).connected() as desk:
        sealed = []
        for round_number in range(3):
            sealed += [desk.append(fault(100 * round_number + n)) for n in range(30)]
            broker.kill()
            wait_for(lambda: desk.link.disconnected_since)
            assert desk.link.connected_since is None
            assert wait_for(lambda: desk.link.trouble)
            assert desk.link.is_alive
            sealed += [desk.append(fault(100 * round_number + 50 + n)) for n in range(30)]
            broker.start()
            desk.connected()
        wait_for(lambda: desk.records.depth() == 0, timeout_s=60)
        assert hub.records.keys() == {record.key for record in sealed}
        assert desk.link.trouble is None
        assert desk.records.verify() == []


def test_desk_killed_at_random_loses_nothing(broker: Broker, tmp_path: Path) -> None:
    """kill -9 of the desk between append, publish and receipt: what append returned reaches the hub, with no number
    missing."""
    promised: set[tuple[str, int, int]] = set()
    chance = random.Random(5)
    with HubSide(broker) as hub:
        for _ in range(5):
            process = run_desk(tmp_path, broker)
            assert process.stdout is not None
            last = chance.randrange(3, 25)
            for line in process.stdout:
                boot, seq = map(int, line.split())
                promised.add((UNIT, boot, seq))
                if seq == last:
                    os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        with Desk.at(broker, tmp_path) as desk:
            wait_for(lambda: desk.link.connected_since and not desk.records.pending(1), timeout_s=60)
            assert desk.records.verify() == []
        assert promised <= hub.records.keys()
        for boot in {key[1] for key in hub.records}:
            numbers = sorted(key[2] for key in hub.records if key[1] == boot)
            assert numbers == list(range(1, len(numbers) + 1))


def test_absent_hub_gets_everything_when_it_comes(broker: Broker, tmp_path: Path) -> None:
    """Records published while no hub listened, and PUBACKed by the broker, arrive later."""
    with Desk.at(broker, tmp_path).connected() as desk:
        sealed = [desk.append(fault(n)) for n in range(100)]
        wait_for(lambda: desk.link.ticks > 3)
        with HubSide(broker) as hub:
            wait_for(lambda: desk.records.depth() == 0, timeout_s=60)
            assert hub.records.keys() == {record.key for record in sealed}


def test_broker_that_drops_past_its_queue_limit_loses_nothing(tmp_path: Path) -> None:
    """mosquitto keeps 5 messages for an absent hub and drops the rest with success: re-sending brings them all."""
    with mosquitto(tmp_path / "broker", max_queued=5) as broker:
        HubSide(broker, keeps_session=True).close()
        with Desk.at(broker, tmp_path / "desk").connected() as desk:
            sealed = [desk.append(fault(n)) for n in range(150)]
            wait_for(lambda: desk.link.ticks > 3)
            with HubSide(broker, keeps_session=True) as hub:
                wait_for(lambda: desk.records.depth() == 0, timeout_s=90)
                assert hub.records.keys() == {record.key for record in sealed}


def test_heartbeats_are_never_spooled(broker: Broker, tmp_path: Path) -> None:
    """A heartbeat made while there is no connection is gone; the next one after it arrives."""
    with HubSide(broker) as hub, Desk.at(broker, tmp_path).connected() as desk:
        assert desk.link.publish_heartbeat(heartbeat(1))
        wait_for(lambda: [beat.boot for beat in hub.all_of("heartbeat")] == [1])
        broker.kill()
        wait_for(lambda: desk.link.disconnected_since)
        assert not desk.link.publish_heartbeat(heartbeat(2))
        hub.is_listening.clear()
        broker.start()
        desk.connected()
        wait_for(hub.is_listening.is_set)
        assert desk.link.publish_heartbeat(heartbeat(3))
        wait_for(lambda: [beat.boot for beat in hub.all_of("heartbeat")] == [1, 3])


def test_largest_still_passes(broker: Broker, tmp_path: Path) -> None:
    """A live still and an evidence still near the limit of 64 KiB pass whole."""
    jpeg = b"\xff\xd8" + os.urandom(65_000)
    note = wire.StillNote(boot=1, at=now(), sha256=wire.sha256_hex(jpeg))
    with HubSide(broker) as hub, Desk.at(broker, tmp_path).connected() as desk:
        assert desk.link.publish_still(wire.Still(note, jpeg))
        wait_for(lambda: [still.jpeg for still in hub.all_of("still")] == [jpeg])
        desk.append(alert(jpeg), jpeg)
        wait_for(lambda: not desk.records.pending(1))
        assert hub.evidence[note.sha256].jpeg == jpeg


def test_bad_messages_harm_nobody(broker: Broker, tmp_path: Path) -> None:
    """Bytes that are no message are counted and thrown away; the link goes on."""
    bad = [b"", b"\xff\xfe", b"{}", b"[" * 5000, b'{"number":-1}', b'{"records":[[1,"x"]]}', os.urandom(2000)]
    with HubSide(broker) as hub, Desk.at(broker, tmp_path).connected() as desk:
        for data in bad:
            hub.tell(UNIT, "plan", data)
        hub.tell(UNIT, "shutdown", b"{}")
        hub.tell(UNIT, "plan", wire.Plan(number=3))
        wait_for(lambda: desk.plans)
        assert desk.link.rejected == len(bad) + 1
        assert desk.link.is_alive


@pytest.mark.parametrize("make", [mosquitto, embedded])
def test_missing_broker_is_no_error(make: type, tmp_path: Path) -> None:
    """The link starts without a broker, says so, keeps records waiting and connects when one comes."""
    broker = make(tmp_path / "broker")
    with Desk.at(broker, tmp_path / "desk") as desk:
        wait_for(lambda: desk.link.trouble)
        assert desk.link.is_alive
        assert desk.link.disconnected_since is not None
        record = desk.append(fault(1))
        with broker, HubSide(broker) as hub:
            wait_for(lambda: desk.records.depth() == 0)
            assert hub.records.keys() == {record.key}


def test_stop_without_broker_is_quick_and_clean(tmp_path: Path) -> None:
    """Stopping needs no broker; stopping what was never started needs nothing."""
    broker = mosquitto(tmp_path / "broker")
    desk = Desk.at(broker, tmp_path / "desk")
    wait_for(lambda: desk.link.trouble)
    assert desk.close()


def test_refusal_is_counted_and_told(tmp_path: Path) -> None:
    """On MQTT 5 a broker that forbids the topic says so, and so does the link; the record stays in the spool."""
    acl = tmp_path / "acl"
    acl.write_text("topic read #\ntopic write ems/1/+/up/status\n")
    acl.chmod(0o600)
    with (
        mosquitto(tmp_path / "broker", more=f"acl_file {acl}") as broker,
        Desk.at(broker, tmp_path / "desk").connected() as desk,
    ):
        desk.append(fault(1))
        wait_for(lambda: desk.link.refused)
        assert desk.link.refusal == "publishing: Not authorized"
        assert desk.records.depth() == 1


def test_refused_login_is_told(tmp_path: Path) -> None:
    """A broker that does not let the desk in: no connection, and the reason in words."""
    (tmp_path / "none").touch(0o600)
    with (
        mosquitto(tmp_path / "broker", more=f"password_file {tmp_path / 'none'}\nallow_anonymous false") as broker,
        Desk.at(broker, tmp_path / "desk") as desk,
    ):
        wait_for(lambda: "Not authorized" in (desk.link.trouble or ""))
        assert desk.link.connected_since is None


def test_failing_work_is_seen(broker: Broker, tmp_path: Path) -> None:
    """If the work thread fails, the link says so, is not alive, and the broker publishes the will."""

    def fail(payload: bytes) -> None:
        raise RuntimeError(f"a plan of {len(payload)} bytes cannot be kept")

    with HubSide(broker) as hub, Desk.at(broker, tmp_path, on_plan=fail).connected() as desk:
        wait_for(lambda: hub.all_of("status"))
        plan = wire.Plan(number=3)
        hub.tell(UNIT, "plan", plan)
        wait_for(lambda: not desk.link.is_alive)
        assert desk.link.failure == f"RuntimeError: a plan of {len(wire.encode(plan))} bytes cannot be kept"
        wait_for(lambda: [status.is_online for status in hub.all_of("status")] == [True, False])


def test_work_and_network_survive_a_flood(broker: Broker, tmp_path: Path) -> None:
    """Appends from several threads while heartbeats and stills fly: everything durable arrives."""
    with HubSide(broker) as hub, Desk.at(broker, tmp_path).connected() as desk:

        def make(start: int) -> None:
            for number in range(40):
                desk.append(fault(start + number))
                desk.link.publish_heartbeat(heartbeat(number))

        threads = [threading.Thread(target=make, args=(100 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_for(lambda: desk.records.depth() == 0, timeout_s=60)
        assert len(hub.records) == 160
        assert hub.all_of("heartbeat")


def certificate(name: str, issuer: str, key: EllipticCurvePrivateKey, issuer_key: EllipticCurvePrivateKey) -> bytes:
    """A short-lived PEM certificate for `name` and for 127.0.0.1; an authority when it is its own issuer."""
    today = datetime.datetime.now(datetime.UTC)
    extensions: list[x509.ExtensionType] = [
        x509.BasicConstraints(ca=name == issuer, path_length=None),
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
        x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
        # from Python 3.13 on, one that does not say by which key it was signed is refused
        x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
    ]
    if name == issuer:
        signs = dict.fromkeys(("key_cert_sign", "crl_sign"), True)
        others = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
        never = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
        extensions.append(x509.KeyUsage(**signs, **never))
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(issuer_key, SHA256()).public_bytes(Encoding.PEM)


# paho leaves the socket of a failed handshake to the garbage collector, which closes it at once, with a warning
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_link_over_tls_with_certificates_of_the_centre(tmp_path: Path) -> None:
    """With the centre's authority the desk connects by its certificate; a broker of another authority is refused, in
    words."""
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("centre", "broker", UNIT)}
    for name, key in keys.items():
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / f"{name}.key").write_bytes(pem)
        (tmp_path / f"{name}.pem").write_bytes(certificate(name, "centre", key, keys["centre"]))
    stranger = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "stranger.pem").write_bytes(certificate("stranger", "stranger", stranger, stranger))
    more = "\n".join(
        [
            f"cafile {tmp_path}/centre.pem",
            f"certfile {tmp_path}/broker.pem",
            f"keyfile {tmp_path}/broker.key",
            "require_certificate true",
            "use_identity_as_username true",
        ]
    )
    own = {"certificate": tmp_path / f"{UNIT}.pem", "key": tmp_path / f"{UNIT}.key"}
    with mosquitto(tmp_path / "broker", more=more) as broker:
        with Desk.at(broker, tmp_path / "a", tls=Tls(authority=tmp_path / "centre.pem", **own)) as desk:
            desk.connected()
        with Desk.at(broker, tmp_path / "b", tls=Tls(authority=tmp_path / "stranger.pem", **own)) as desk:
            wait_for(lambda: "certificate verify failed" in (desk.link.trouble or ""))
        with Desk.at(broker, tmp_path / "c", tls=Tls(authority=tmp_path / "gone.pem", **own)) as desk:
            wait_for(lambda: "No such file" in (desk.link.trouble or ""))
            assert desk.link.is_alive
