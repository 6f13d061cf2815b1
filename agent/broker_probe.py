"""Knock at the broker as this unit would: TCP, then TLS with the unit's certificate, then MQTT's own yes or no.

Only while no agent runs: one identity has one session, and a second connection would end the first.
"""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

TIMEOUT_S = 5.0
_CONNECT, _CONNACK = 0x10, 0x20
REFUSALS = {
    0x84: "it does not speak MQTT 5",
    0x85: "the client identifier is not allowed",
    0x86: "user name or password is wrong",
    0x87: "not authorised: the hub does not know this unit, or has revoked it",
    0x88: "the server is unavailable",
    0x89: "the server is busy",
    0x8A: "banned",
    0x9F: "too many connections, wait a moment",
}
"""Reason codes of CONNACK, MQTT 5.0 section 3.2.2.2."""


class Refused(Exception):
    """The broker, or what answers in its place, said no; the text says why and what to do."""


def context_of(authorities: Path, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Raises Refused when a file cannot be used."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        made.load_verify_locations(authorities)
        if certificate is not None:
            # a wrong password instead of a question at the terminal
            made.load_cert_chain(certificate, key, password="")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise Refused(f"{authorities.parent}: {_words(error)}; enrol again with `ems-agent replace`") from None
    return made


def knock(host: str, port: int, context: ssl.SSLContext | None, client_id: str = "") -> str:
    """What was found, in words. Without `client_id` only TCP and TLS are tried. Raises Refused, OSError."""
    with socket.create_connection((host, port), timeout=TIMEOUT_S) as plain:
        if context is None:
            return "answers, without encryption"
        try:
            with context.wrap_socket(plain, server_hostname=host) as secure:
                version = secure.version() or "TLS"
                if client_id:
                    _say_hello(secure, client_id)
                return f"answers over {version}{', and lets this unit in' if client_id else ''}"
        except ssl.SSLCertVerificationError as error:
            raise Refused(
                f"its certificate is not the hub's ({error.verify_message}): right hub? right clock?"
            ) from None
        except ssl.SSLError as error:
            raise Refused(_refusal_of(error)) from None
        except (ConnectionResetError, BrokenPipeError):
            raise Refused("it closed the connection: it does not take this unit's certificate") from None


def _say_hello(secure: ssl.SSLSocket, client_id: str) -> None:
    name = client_id.encode()
    # protocol name and level, clean start, keep-alive 10 s, no properties; then the client identifier
    variable = b"\x00\x04MQTT\x05\x02\x00\x0a\x00" + len(name).to_bytes(2, "big") + name
    secure.sendall(bytes((_CONNECT, len(variable))) + variable)
    answer = secure.recv(4)  # with TLS 1.3 a refused certificate shows here, not in the handshake
    if not answer:
        raise Refused("it closed the connection: it does not take this unit's certificate")
    if len(answer) < 4 or answer[0] != _CONNACK:
        raise Refused("what answers there is no MQTT broker")
    if answer[3]:
        raise Refused(f"refused: {REFUSALS.get(answer[3], f'reason 0x{answer[3]:02x}')}")
    secure.sendall(b"\xe0\x00")


def _refusal_of(error: ssl.SSLError) -> str:
    text = _words(error)
    for sign, words in (
        ("revoked", "the hub has revoked this unit's certificate: ask the technician, then `ems-agent replace`"),
        ("expired", "the hub calls this unit's certificate expired: look at the clock, or enrol again"),
        ("unknown ca", "the hub does not know who issued this unit's certificate: enrol again with it"),
    ):
        if sign in text.lower().replace("_", " "):
            return words
    return f"no encrypted connection: {text}"


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return getattr(error, "strerror", None) or str(error)
