"""What the running broker really does: one call after the other, as ingest, as nobody, with an old TLS, without any."""

from __future__ import annotations

import datetime
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from hub.broker import MAX_IN_FLIGHT, MAX_PACKET_BYTES, plugin_path
from hub.enrolment import INGEST_NAME, CaFolder

CALL_TIMEOUT_S = 5.0
NEAR_END_DAYS = 7
"""A certificate or list that ends sooner is a finding: a centre may be offline for a week of exams."""
_CONNACK = 0x20
_PROPERTY_BYTES = {0x11: 4, 0x13: 2, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x27: 4, 0x28: 1, 0x29: 1, 0x2A: 1}
"""How long each numeric property of a CONNACK is (MQTT 5, table 2-4)."""
_RECEIVE_MAXIMUM, _MAXIMUM_PACKET_SIZE, _MAXIMUM_QOS = 0x21, 0x27, 0x24


class Finding(NamedTuple):
    """One line of the check; `remedy` is empty when all is well."""

    is_well: bool
    what: str
    remedy: str = ""


class Answer(NamedTuple):
    """What a call came to. `code`: the CONNACK's reason, None when the call did not get so far; `why` says why not."""

    code: int | None
    why: str
    limits: dict[int, int]

    @property
    def is_let_in(self) -> bool:
        return self.code == 0


def connect_packet(client: str, *, version: int = 5, keepalive_s: int = 15) -> bytes:
    """A CONNECT that leaves a session as it is. Version 9 exists nowhere: whoever TLS lets in is answered, and no more
    happens."""
    name = client.encode()
    expiry = b"\x05\x11" + (86_400).to_bytes(4, "big")
    body = b"\0\4MQTT" + bytes([version, 0]) + keepalive_s.to_bytes(2, "big") + expiry
    body += len(name).to_bytes(2, "big") + name
    return bytes([0x10, len(body)]) + body


def call(host: str, port: int, context: ssl.SSLContext | None, packet: bytes) -> Answer:
    """Connect, send one CONNECT, and tell what came of it. Raises nothing that a broker can cause."""
    try:
        with socket.create_connection((host, port), CALL_TIMEOUT_S) as connected:
            if context is None:
                return _answer(connected, packet)
            with context.wrap_socket(connected, server_hostname=host) as secured:
                return _answer(secured, packet)
    except ssl.SSLError as error:
        return Answer(None, error.reason or str(error), {})
    except OSError as error:
        return Answer(None, error.strerror or str(error) or type(error).__name__, {})


def _answer(connected: socket.socket, packet: bytes) -> Answer:
    connected.sendall(packet)
    data = connected.recv(1024)
    if len(data) < 4 or data[0] != _CONNACK:
        return Answer(None, "it hangs up" if not data else "it does not speak MQTT", {})
    if data[3] == 0:
        connected.sendall(b"\xe0\0")
    return Answer(data[3], f"reason {data[3]}", _limits(data[5:]) if len(data) > 4 else {})


def _limits(properties: bytes) -> dict[int, int]:
    found, at = {}, 0
    while at < len(properties) and properties[at] in _PROPERTY_BYTES:
        end = at + 1 + _PROPERTY_BYTES[properties[at]]
        found[properties[at]] = int.from_bytes(properties[at + 1 : end], "big")
        at = end
    return found


# --- files ----------------------------------------------------------------------------------------------------------


NEVER_ENDS_DAYS = 36_500
"""A date that stands for none (RFC 5280, 4.1.2.5)."""


def _is_ended(text: str, ends: datetime.datetime, now: datetime.datetime, remedy: str) -> Finding:
    if now >= ends:
        return Finding(False, f"{text} ended on {ends:%Y-%m-%d %H:%M} UTC", remedy)
    days = (ends - now).days
    if days > NEVER_ENDS_DAYS:
        return Finding(True, f"{text} never ends")
    if days < NEAR_END_DAYS:
        return Finding(False, f"{text} ends in {days} days, on {ends:%Y-%m-%d %H:%M} UTC", remedy)
    return Finding(True, f"{text} holds for {days} days")


def check_certificate(path: Path, what: str, now: datetime.datetime) -> Finding:
    """Whether the first certificate of the file holds now and for a while."""
    remedy = "`ems-hub ca certificates` makes a new one; then reload the broker: `systemctl reload mosquitto`"
    try:
        certificate = x509.load_pem_x509_certificates(path.read_bytes())[0]
    except OSError as error:
        return Finding(False, f"{what} cannot be read: {error}", remedy)
    except ValueError:
        return Finding(False, f"{what} is no certificate: {path}", remedy)
    if now < certificate.not_valid_before_utc:
        text = f"{what} holds only from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        return Finding(False, text, "set this machine's clock: it is probably behind")
    return _is_ended(what, certificate.not_valid_after_utc, now, remedy)


def check_revoked(path: Path, now: datetime.datetime) -> Finding:
    """Whether each list of revoked certificates is in force: with one that has ended the broker refuses everybody."""
    what, remedy = "the list of revoked certificates", "start the hub's worker, which renews it: `ems-hub worker`"
    try:
        blocks = path.read_bytes().split(b"-----BEGIN X509 CRL-----")[1:]
        lists = [x509.load_pem_x509_crl(b"-----BEGIN X509 CRL-----" + block) for block in blocks]
        ends = min((each.next_update_utc for each in lists if each.next_update_utc is not None), default=None)
    except OSError as error:
        return Finding(False, f"{what} cannot be read: {error}", remedy)
    except ValueError:
        lists, ends = [], None
    if ends is None:
        return Finding(False, f"{what} is empty or damaged: {path}", remedy)
    if now < max(each.last_update_utc for each in lists):
        return Finding(False, f"{what} is of the future", "set this machine's clock: it is probably behind")
    return _is_ended(what, ends, now, remedy)


# --- the broker -----------------------------------------------------------------------------------------------------


def _context(ca: CaFolder, *, has_certificate: bool, is_old: bool = False) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(ca.authorities))
    if is_old:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    if has_certificate:
        context.load_cert_chain(ca.ingest_certificate, ca.ingest_key)
    return context


def check_broker(ca: CaFolder, host: str, port: int, *, may_connect: bool) -> list[Finding]:
    """Call the broker in every way that matters. `may_connect`: ingest is not connected now, so that a session under
    its name disturbs nobody; otherwise the limits are not asked."""
    again = "make the configuration again with `ems-hub broker config`, and restart the broker"
    where = f"the broker at {host}:{port}"
    try:
        own = _context(ca, has_certificate=True)
        old = _context(ca, has_certificate=True, is_old=True)
        nobody = _context(ca, has_certificate=False)
    except OSError as error:
        return [Finding(False, f"ingest's certificate and key cannot be used: {error}", "`ems-hub init` makes them")]
    answer = call(host, port, own, connect_packet(INGEST_NAME, version=5 if may_connect else 9))
    if answer.code is None:
        remedy = "is it running? `systemctl status mosquitto`"
        if any(word in answer.why.upper() for word in ("EOF", "ALERT", "RESET", "CERTIFICATE", "SSL")):
            remedy = (
                "it runs and refuses ingest's certificate, perhaps for want of a new authority or list: "
                "`systemctl restart mosquitto` lets it read them; its log says why"
            )
        return [Finding(False, f"{where} does not let ingest in: {answer.why}", remedy)]
    findings = [Finding(True, f"{where} lets ingest in by its certificate")]
    if may_connect:
        findings.append(_check_limits(answer, again))
    refusals: list[tuple[str, Callable[[], Answer]]] = [
        ("TLS 1.2", lambda: call(host, port, old, connect_packet(INGEST_NAME, version=9))),
        ("a client without a certificate", lambda: call(host, port, nobody, connect_packet("nobody", version=9))),
        ("a client without TLS", lambda: call(host, port, None, connect_packet("nobody", version=9))),
    ]
    for what, try_it in refusals:
        is_refused = try_it().code is None
        findings.append(Finding(is_refused, f"{where} {'refuses' if is_refused else 'takes'} {what}", again))
    return findings


def _check_limits(answer: Answer, again: str) -> Finding:
    limits = answer.limits
    if not answer.is_let_in:
        return Finding(False, f"the broker lets ingest in and then refuses it: {answer.why}", again)
    wanted = {_RECEIVE_MAXIMUM: MAX_IN_FLIGHT, _MAXIMUM_PACKET_SIZE: MAX_PACKET_BYTES, _MAXIMUM_QOS: 1}
    if all(limits.get(number) == value for number, value in wanted.items()):
        return Finding(True, f"its limits are set: packets of {MAX_PACKET_BYTES} bytes, {MAX_IN_FLIGHT} in flight")
    return Finding(False, f"its limits are not those of this version: {limits}", again)


def check_plugin() -> Finding:
    """Whether a revoked unit's session can be ended here."""
    found = plugin_path()
    if found is None:
        remedy = "install a mosquitto that has mosquitto_dynamic_security.so, then `ems-hub broker config` again"
        return Finding(False, "the dynamic-security plugin is missing: a revoked unit keeps the session it has", remedy)
    return Finding(True, f"a revoked unit's session can be ended: {found}")


def all_findings(ca: CaFolder, host: str, port: int, *, may_connect: bool, now: datetime.datetime) -> list[Finding]:
    return [
        check_certificate(ca.ingest_certificate, "ingest's certificate", now),
        check_certificate(ca.server_certificate, "the broker's certificate", now),
        check_revoked(ca.revoked, now),
        check_plugin(),
        *check_broker(ca, host, port, may_connect=may_connect),
    ]
