"""What desk and hub say to each other over HTTPS, at the hub's `door`: enrolment and the renewal of certificates.

Pure, and it only grows, as `agent.wire`. Desks call; the hub answers. The desk authenticates the hub by TLS: it trusts
the one authority whose fingerprint it was given. The hub authenticates the desk by a signature over path and body with
the unit's Ed25519 key, the one that signs its records: so a unit that was off until its certificate had expired can
still renew it, and one whose clock is wrong too.

    GET  /door/v1/authority     -> Authority         open; believed only when its fingerprint is the one that was given
    POST /door/v1/enrolments    EnrolmentRequest -> EnrolmentState    by a key that may be unknown; safe to repeat
    POST /door/v1/state         StateRequest -> EnrolmentState        what became of the newest request of this key
    POST /door/v1/renewals      RenewalRequest -> EnrolmentState      by the key of an enrolled unit; safe to repeat
    POST /door/v1/segments      SegmentOffer -> SegmentState          by an enrolled unit: send it, and from where?
    POST /door/v1/segments/data?unit=&boot=&seq=&offset=&size_bytes=&sha256=    bytes of the file -> SegmentState
    POST /door/v1/records       RecordsRequest -> RecordsPage         a unit's own records, for a card that lost them

A segment is sent in pieces, each at the offset at which the hub has its beginning: what the hub's disk holds of an
unfinished one is its state, so both sides may die at any byte, and every request may be repeated. The query of a piece
says how many bytes follow and their SHA-256; its signature covers path and query, as of a request without a body: so
the hub knows who sends before it reads a megabyte, and the bytes are bound all the same. The last piece makes the hub
check size and SHA-256 against the record (unit, boot, seq), and only `confirmed` says that the film is on the hub's
storage for good.

A refusal is a 4xx or 5xx with a Trouble: `words` is one sentence for a person, `code` never changes its meaning.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta, Struct

from agent.wire import UNIT_PATTERN, BadMessage, Count, Hex64, Label, Ms, Plan, Text, UnitName

PORT = 8443
SERVICE_TYPE = "_ems-hub._tcp.local."
"""By which desks may look for the door on their own network (DNS-SD, RFC 6763)."""
AUTHORITY_PATH = "/door/v1/authority"
ENROLMENTS_PATH = "/door/v1/enrolments"
STATE_PATH = "/door/v1/state"
RENEWALS_PATH = "/door/v1/renewals"
SEGMENTS_PATH = "/door/v1/segments"
DATA_PATH = "/door/v1/segments/data"
RECORDS_PATH = "/door/v1/records"
SIGNATURE_HEADER = "Ems-Signature"
"""128 hexadecimal digits: Ed25519 (RFC 8032) over `signed_bytes`."""
MAX_BODY_BYTES = 16_384
"""Of every request but a piece of film."""
MAX_PIECE_BYTES = 1_048_576
MAX_PAGE_RECORDS = 200
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
    revoked, too_many, hub_unwell; and of a segment: record_missing (send the record first), other_segment (the record
    of that name says something else), wrong_offset (ask again from where), too_long (more bytes than announced),
    wrong_hash (what came is not what the record says; it was dropped, begin anew), hub_full. `too_many` for a segment:
    so many desks send film just now, ask again in some seconds."""

    code: Label
    words: Text
    v: int = 1


class SegmentOffer(Struct, frozen=True, kw_only=True):
    """A unit has the file that its record (boot, seq) names, and would send it. `is_urgent`: it belongs to an incident,
    or somebody at the hub waits for it."""

    unit: UnitName
    public_key: Hex64
    boot: Count
    seq: Count
    name: Label
    size_bytes: Count
    sha256: Hex64
    is_urgent: bool = False
    v: int = 1


class Piece(Struct, frozen=True, kw_only=True):
    """Some bytes of a segment's file, as the query names them: `size_bytes` of them from `offset` on."""

    unit: UnitName
    boot: Count
    seq: Count
    offset: Count
    size_bytes: Annotated[int, Meta(ge=1, le=MAX_PIECE_BYTES)]
    sha256: Hex64


class SegmentState(Struct, frozen=True, kw_only=True):
    """`wanted`: send it, from `offset` on. `confirmed`: the hub has all of it, checked and synced. `purged`: the hub
    had it and removed it by rule; it is not wanted again."""

    state: Annotated[str, Meta(pattern=r"^(wanted|confirmed|purged)\Z")]
    offset: Count = 0
    v: int = 1


class RecordsRequest(Struct, frozen=True, kw_only=True):
    """A unit asks for its own records after (boot, seq), oldest first."""

    unit: UnitName
    public_key: Hex64
    boot: Count = 0
    seq: Count = 0
    v: int = 1


class SealedRecord(Struct, frozen=True, kw_only=True):
    """A record as the hub holds it, in the exact texts that hash and signature cover. `body` is None where it was
    erased by rule. `is_stored`: for a segment, that the hub has confirmed its file."""

    header: str
    body: str | None
    signature: str
    is_stored: bool = False


class RecordsPage(Struct, frozen=True, kw_only=True):
    """At most MAX_PAGE_RECORDS of them; `is_last`: there are no more."""

    records: Annotated[tuple[SealedRecord, ...], Meta(max_length=MAX_PAGE_RECORDS)]
    is_last: bool
    v: int = 1


def data_path(piece: Piece) -> str:
    """Path and query of one piece of a segment, as they are sent, and signed with an empty body."""
    return f"{DATA_PATH}?{'&'.join(f'{name}={value}' for name, value in msgspec.structs.asdict(piece).items())}"


def piece_in(query: Mapping[str, str]) -> Piece:
    """The piece that a query names. Raises BadMessage."""
    try:
        return msgspec.convert(dict(query), Piece, strict=False)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadMessage(str(error)[:300]) from None


def signed_bytes(path: str, body: bytes) -> bytes:
    """What a request's signature covers; a query belongs to the path."""
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
