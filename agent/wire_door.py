"""What desk and hub say to each other over HTTPS, at the hub's `door`: enrolment and the renewal of certificates.

Pure, and it only grows, as `agent.wire`. Desks call; the hub answers. The desk authenticates the hub by TLS: it trusts
the one authority whose fingerprint it was given. The hub authenticates the desk by a signature over path and body with
the unit's Ed25519 key, the one that signs its records: so a unit that was off until its certificate had expired can
still renew it, and one whose clock is wrong too.

    GET  /door/v1/authority     -> Authority         open; believed only when its fingerprint is the one that was given
    POST /door/v1/enrolments    EnrolmentRequest -> EnrolmentState    by a key that may be unknown; safe to repeat
    POST /door/v1/state         StateRequest -> EnrolmentState        what became of the newest request of this key
    POST /door/v1/renewals      RenewalRequest -> EnrolmentState      by the key of an enrolled unit; safe to repeat

A refusal is a 4xx or 5xx with a Trouble: `words` is one sentence for a person, `code` never changes its meaning.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta, Struct

from agent.wire import UNIT_PATTERN, BadMessage, Hex64, Label, Ms, Plan, Text, UnitName

PORT = 8443
SERVICE_TYPE = "_ems-hub._tcp.local."
"""By which desks may look for the door on their own network (DNS-SD, RFC 6763)."""
AUTHORITY_PATH = "/door/v1/authority"
ENROLMENTS_PATH = "/door/v1/enrolments"
STATE_PATH = "/door/v1/state"
RENEWALS_PATH = "/door/v1/renewals"
SIGNATURE_HEADER = "Ems-Signature"
"""128 hexadecimal digits: Ed25519 (RFC 8032) over `signed_bytes`."""
MAX_BODY_BYTES = 16_384
MIN_FINGERPRINT_DIGITS = 32
"""Of the 64 of a SHA-256: 128 bits, which nobody finds a second authority for, and a person can still type."""
_DOMAIN = b"ems-door-v1\n"

Pem = Annotated[str, Meta(max_length=32_768)]
Csr = Annotated[str, Meta(max_length=4_096)]
UnitNameOrNone = Annotated[str, Meta(pattern=rf"^\Z|{UNIT_PATTERN}")]
PortNumber = Annotated[int, Meta(ge=1, le=65_535)]


class EnrolmentRequest(Struct, frozen=True, kw_only=True):
    """A unit asks to be let in. `csr` is a PKCS#10 request in PEM, signed by the unit's TLS key (not its record key);
    the hub takes nothing from it but the public key. `serial` is the machine's own, `model` as its firmware says it.
    `wanted` is a name it proposes, `replaces` the unit whose place it takes; either may be ''."""

    csr: Csr
    public_key: Hex64
    serial: Label = ""
    model: Label = ""
    software: Label = ""
    wanted: UnitNameOrNone = ""
    replaces: UnitNameOrNone = ""
    v: int = 1


class StateRequest(Struct, frozen=True, kw_only=True):
    """What became of the newest request of this key?"""

    public_key: Hex64
    v: int = 1


class RenewalRequest(Struct, frozen=True, kw_only=True):
    """An enrolled unit asks for a certificate for a new TLS key; nobody needs to approve it."""

    unit: UnitName
    public_key: Hex64
    csr: Csr
    serial: Label = ""
    model: Label = ""
    software: Label = ""
    v: int = 1


class Grant(Struct, frozen=True, kw_only=True):
    """What an approved unit gets. `certificate` is its own and the issuing authorities', leaf first; `authorities` are
    all roots to trust from now on, which is how a new root reaches desks. `broker_host` '' means the host that the
    door was found at."""

    unit: UnitName
    certificate: Pem
    authorities: Pem
    broker_port: PortNumber
    broker_host: Label = ""
    plan: Plan | None = None


class EnrolmentState(Struct, frozen=True, kw_only=True):
    """`state`: `unknown` (no request of this key), `waiting` for a person, `approved` (the certificate is being made;
    `reason` says what keeps it, if anything does), `rejected` (see `reason`) or `granted`. `code` is the claim code
    that the desk shows and the person compares: the hub makes it up for each request, so nobody can bring about the
    code that another desk shows."""

    state: Annotated[str, Meta(pattern=r"^(unknown|waiting|approved|rejected|granted)\Z")]
    code: Label = ""
    reason: Text = ""
    grant: Grant | None = None
    hub_utc_ms: Ms = 0
    v: int = 1


class Authority(Struct, frozen=True, kw_only=True):
    """The hub's roots in PEM. Public."""

    authorities: Pem
    hub: Label = ""
    v: int = 1


class Trouble(Struct, frozen=True, kw_only=True):
    """Why a request was refused. `code` is one of: bad_request, bad_signature, too_large, not_found, not_enrolled,
    revoked, too_many, hub_unwell."""

    code: Label
    words: Text
    v: int = 1


def signed_bytes(path: str, body: bytes) -> bytes:
    """What a request's signature covers."""
    return _DOMAIN + path.encode() + b"\n" + body


def sign(path: str, body: bytes, key_sign: Callable[[bytes], bytes]) -> str:
    """The signature header's value; `key_sign` is the unit's Ed25519 private key's method."""
    return key_sign(signed_bytes(path, body)).hex()


def is_signed_by(public_key: str, path: str, body: bytes, signature: str) -> bool:
    """Whether the holder of `public_key` (64 hexadecimal digits) signed this request."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(signature), signed_bytes(path, body))
    except (InvalidSignature, ValueError):
        return False
    return True


def encode(message: Struct) -> bytes:
    return msgspec.json.encode(message)


def decode(kind: type[Any], data: bytes) -> Any:
    """A message of this kind, unknown fields ignored. Raises BadMessage for anything else, whatever the bytes."""
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadMessage(str(error)[:300]) from None


# --- fingerprints ---------------------------------------------------------------------------------------------------


def fingerprint(certificate_der: bytes) -> str:
    """SHA-256 of a certificate in DER, 64 lower-case hexadecimal digits."""
    return hashlib.sha256(certificate_der).hexdigest()


def fingerprint_for_people(text: str, digits: int = MIN_FINGERPRINT_DIGITS) -> str:
    """A fingerprint in groups to read out and type: `1a2b 3c4d ...`, as many of its digits as are wanted."""
    return " ".join(text[at : min(at + 4, digits)] for at in range(0, digits, 4))


def read_fingerprint(typed: str) -> str:
    """A fingerprint as a person wrote it (spaces, colons, dashes and capitals do not matter), at least
    MIN_FINGERPRINT_DIGITS of its digits. Raises ValueError."""
    digits = re.sub(r"[\s:-]", "", typed).lower()
    if re.fullmatch("[0-9a-f]+", digits) is None or not MIN_FINGERPRINT_DIGITS <= len(digits) <= 64:
        raise ValueError(
            f"a fingerprint has {MIN_FINGERPRINT_DIGITS} to 64 digits 0-9 a-f, as `ems-hub ca show` prints it"
        )
    return digits


def is_fingerprint_of(given: str, certificate_der: bytes) -> bool:
    """Whether `given`, as `read_fingerprint` answers it, is the beginning of this certificate's fingerprint."""
    return len(given) >= MIN_FINGERPRINT_DIGITS and fingerprint(certificate_der).startswith(given)
