"""The language of desk and hub: topics, messages, and the record format with its hashing.

Two laws hold in this file. It is pure: bytes and values in, bytes and values out; nothing here reads a clock, a file
or a socket. And it only grows: an unknown field is ignored on reading, a known one never changes its meaning, so that
desks and hub may be upgraded on different days. The files in `tests/wire/v1` hold both sides to it.

Units: `_ms` milliseconds; `utc_ms` since 1970-01-01 on the wall clock as the desk had it; `up_ms` since the machine's
boot (CLOCK_BOOTTIME), which no clock correction moves. Hashes are SHA-256, keys and signatures Ed25519 (RFC 8032),
all written as lower-case hexadecimal.
"""

from __future__ import annotations

import enum
import hashlib
import re
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from msgspec import Meta, Struct

VERSION = 1
MAX_MESSAGE_BYTES = 65_536
"""The largest message either side sends or decodes; the broker is told the same limit."""
GENESIS = "0" * 64
"""`prev` of a desk's very first record."""

UNIT_PATTERN = r"^[a-z0-9-]{1,24}\.[a-z0-9-]{1,24}\Z"
_RECORD_DOMAIN = b"ems-record-v1\n"
_HEAD_DOMAIN = b"ems-head-v1\n"

UnitName = Annotated[str, Meta(pattern=UNIT_PATTERN)]
Ms = Annotated[int, Meta(ge=0, le=2**53)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Hex64 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Hex128 = Annotated[str, Meta(pattern=r"^[0-9a-f]{128}\Z")]
Label = Annotated[str, Meta(max_length=200)]
Text = Annotated[str, Meta(max_length=2000)]


class BadMessage(Exception):
    """The bytes are not a message of this language; the text says why and is safe to store and show."""


class AlertKind(enum.StrEnum):
    """What a desk may raise about the scene: neutral facts, a person may be the cause."""

    SEAT_EMPTY = "seat_empty"
    FACE_NOT_VISIBLE = "face_not_visible"
    MORE_THAN_ONE_FACE = "more_than_one_face"
    CAMERA_COVERED = "camera_covered"
    CAMERA_MOVED = "camera_moved"
    HELP_REQUESTED = "help_requested"


class FaultKind(enum.StrEnum):
    """The equipment needs help."""

    CAMERA_LOST = "camera_lost"
    CAMERA_FROZEN = "camera_frozen"
    RECORDING_STOPPED = "recording_stopped"
    ANALYSIS_STOPPED = "analysis_stopped"
    STORAGE_LOW = "storage_low"
    STORAGE_SLOW = "storage_slow"
    STORAGE_FAILED = "storage_failed"
    CLOCK_UNSYNCED = "clock_unsynced"
    CLOCK_STEPPED = "clock_stepped"
    POWER_LOW = "power_low"
    TOO_HOT = "too_hot"
    HUB_UNREACHABLE = "hub_unreachable"
    PLAN_REFUSED = "plan_refused"


class Mode(enum.StrEnum):
    """What an alert does at once; the plan's mode holds."""

    AUTOMATED = "automated"
    SEMI_AUTOMATED = "semi-automated"
    MANUAL = "manual"


class GapCause(enum.StrEnum):
    """Why a stretch of a sitting has no recording."""

    RESTART = "restart"
    POWER_OR_CRASH = "power_or_crash"
    CAMERA_LOST = "camera_lost"
    STORAGE_FAILED = "storage_failed"
    STORAGE_FULL = "storage_full"
    ENCODER_FAILED = "encoder_failed"
    OVERLOAD = "overload"
    LATE_START = "late_start"


class Instant(NamedTuple):
    """One moment on both clocks."""

    utc_ms: Ms
    up_ms: Ms


# --- rules and plan -------------------------------------------------------------------------------------------------


Share = Annotated[float, Meta(ge=0, le=1)]


class Witnesses(Struct, frozen=True, kw_only=True):
    """From where on a witness says that somebody is at the seat although no face is visible; see
    `agent.core.observation.Seat`. `unreferenced_s` is what a rule about the seat waits longer while there is no
    reference of the empty seat to compare with."""

    person: Share = 0.02
    pose: Share = 0.6
    change: Share = 0.07
    unreferenced_s: Seconds = 0


class Rule(Struct, frozen=True, kw_only=True):
    """One judging rule. It raises when its condition held for `raise_s`, clears when it was gone for `clear_s`.
    `threshold` is the least score, 0..1, with which a face counts for this rule, or for `camera_moved` the least
    shift; `witnesses` are asked by the rules about the seat."""

    kind: AlertKind
    raise_s: Seconds
    clear_s: Seconds
    threshold: Share = 0.5
    is_on: bool = True
    witnesses: Witnesses = Witnesses()


LEAST_SHIFT = 0.05
"""A twentieth of the width: more than a desk shakes."""
DEFAULT_RULES = (
    Rule(kind=AlertKind.SEAT_EMPTY, raise_s=10, clear_s=3, witnesses=Witnesses(unreferenced_s=20)),
    Rule(kind=AlertKind.MORE_THAN_ONE_FACE, raise_s=3, clear_s=5),
    Rule(kind=AlertKind.CAMERA_COVERED, raise_s=3, clear_s=2),
    Rule(kind=AlertKind.CAMERA_MOVED, raise_s=5, clear_s=5, threshold=LEAST_SHIFT),
)
"""What a sitting is judged by unless its plan says otherwise; `agent/README.md` has the reasons. A face that counts has
a score of at least 0.65 already (`agent.vision.look`): the threshold is for plans that want to be stricter."""


MAX_MASKS = 16
"""Of one seat."""


class Mask(Struct, frozen=True, kw_only=True):
    """A polygon of the picture, its corners as (x, y) fractions 0..1 of the frame's width and height.

    In an `ignore` one (a neighbour's desk, a poster) faces do not count; in a `private` one neither, and it is black in
    everything that is looked at, encoded, stored or sent. Raises ValueError for a polygon without area: it would hide
    nothing, and somebody believes that it does.
    """

    kind: Annotated[str, Meta(pattern=r"^(ignore|private)\Z")]
    points: Annotated[tuple[tuple[Share, Share], ...], Meta(min_length=3, max_length=32)]

    def __post_init__(self) -> None:
        (x0, y0), *others = self.points
        away = [(x - x0, y - y0) for x, y in others]
        far_x, far_y = max(away, key=lambda point: abs(point[0]) + abs(point[1]))
        if all(abs(far_x * y - far_y * x) < 1e-9 for x, y in away):
            raise ValueError("a mask whose points lie on one line hides nothing")


class Pause(Struct, frozen=True, kw_only=True):
    """A break of the person at the seat, [from, until) on the wall clock: the rules about an absent person
    (`seat_empty`, `face_not_visible`) are suspended in it, every other goes on. It ends by itself: a break that runs
    over is an empty seat again, hub or no hub."""

    from_utc_ms: Ms
    until_utc_ms: Ms


MAX_PAUSES = 64
"""Of one seat in one sitting."""


class PlannedSitting(Struct, frozen=True, kw_only=True):
    """One sitting at this desk's seat; the desk starts and ends it by itself.

    From `empty_from_utc_ms` until `empty_until_utc_ms` (both or neither) the plan says that the seat is empty: the room
    is set up and nobody admitted yet. It may lie before the start; in it the desk learns how its empty seat looks.
    Candidates write: the buzzer is silent unless `is_buzzer_allowed`. Unless `may_lamp_show_alerts` the lamp shows
    faults, help and a proctor's signal only, whatever the mode.
    """

    sitting: Annotated[str, Meta(pattern=r"^[a-z0-9-]{1,64}\Z")]
    exam: Label
    room: Label
    seat: Label
    start_utc_ms: Ms
    end_utc_ms: Ms
    mode: Mode = Mode.AUTOMATED
    rules: Annotated[tuple[Rule, ...], Meta(max_length=32)] = DEFAULT_RULES
    masks: Annotated[tuple[Mask, ...], Meta(max_length=MAX_MASKS)] = ()
    empty_from_utc_ms: Ms | None = None
    empty_until_utc_ms: Ms | None = None
    is_buzzer_allowed: bool = False
    may_lamp_show_alerts: bool = True
    pauses: Annotated[tuple[Pause, ...], Meta(max_length=MAX_PAUSES)] = ()


END_OF_TIME_MS = 2**53
MAX_STRETCHES = 64
"""Holds, and wishes for film, that one plan can carry; what is more is put together to whole sittings."""


class Stretch(Struct, frozen=True, kw_only=True):
    """A stretch of one sitting's recording, [from, until) on the wall clock; without bounds, all of it."""

    sitting: Label
    from_utc_ms: Ms = 0
    until_utc_ms: Ms = END_OF_TIME_MS


class Plan(Struct, frozen=True, kw_only=True):
    """All a desk has to do until it hears otherwise. `number` rises with every change, an older one is ignored.
    A plan without sittings means: no recording. `masks`, the seat's, are in force at all times, sitting or not.

    What lies in `holds` the desk never removes, whatever the hub has confirmed; what lies in `wanted` it uploads before
    all else: somebody at the hub waits for it.
    """

    number: Count
    sittings: Annotated[tuple[PlannedSitting, ...], Meta(max_length=64)] = ()
    masks: Annotated[tuple[Mask, ...], Meta(max_length=MAX_MASKS)] = ()
    holds: Annotated[tuple[Stretch, ...], Meta(max_length=MAX_STRETCHES)] = ()
    wanted: Annotated[tuple[Stretch, ...], Meta(max_length=MAX_STRETCHES)] = ()
    v: int = VERSION


def rules_in(text: bytes, *, is_toml: bool) -> tuple[Rule, ...]:
    """The rules that a person wrote into a file: JSON, a list of rules; or TOML, `[[rules]]` tables.

    Stricter than a message: an unknown field and a second rule of one kind are refused, for a slip of the pen must not
    leave a rule at its default. Raises BadMessage.
    """
    rules: tuple[Rule, ...] = _written("rules", text, is_toml, Rule)
    kinds = [str(rule.kind) for rule in rules]
    twice = sorted({kind for kind in kinds if kinds.count(kind) > 1})
    if twice:
        raise BadMessage(f"more than one rule for {', '.join(twice)}")
    return rules


def written_rule(given: Any) -> Any:
    """`given`, a rule as somebody wrote it, with the threshold of its kind where it names none: for a shift of the view
    half the picture is no default."""
    if isinstance(given, dict) and "threshold" not in given and given.get("kind") == AlertKind.CAMERA_MOVED:
        return given | {"threshold": LEAST_SHIFT}
    return given


def masks_in(text: bytes, *, is_toml: bool) -> tuple[Mask, ...]:
    """The masks that a person wrote into a file: JSON, a list of masks; or TOML, `[[masks]]` tables. As `rules_in`."""
    masks: tuple[Mask, ...] = _written("masks", text, is_toml, Mask)
    if len(masks) > MAX_MASKS:
        raise BadMessage(f"{len(masks)} masks, the limit is {MAX_MASKS}")
    return masks


def _written(name: str, text: bytes, is_toml: bool, kind: type[Struct]) -> Any:
    try:
        given: Any = msgspec.toml.decode(text) if is_toml else msgspec.json.decode(text)
        listed = given.get(name) if isinstance(given, dict) else given
        if not isinstance(listed, list):
            raise BadMessage(f"no list of {name} in it")
        unknown = sorted(set().union(*(_unknown_fields(kind, each) for each in listed)))
        if unknown:
            raise BadMessage(f"unknown in a {name.removesuffix('s')}: {', '.join(unknown)}")
        return msgspec.convert([written_rule(each) for each in listed], tuple[kind, ...])  # type: ignore[valid-type]
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError) as error:
        raise BadMessage(str(error)[:300]) from None


def _unknown_fields(kind: type[Struct], given: Any) -> set[str]:
    if not isinstance(given, dict):
        return set()
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    inner = (_unknown_fields(fields[key], value) for key, value in given.items() if _is_struct(fields.get(key)))
    return (set(given) - set(fields)).union(*inner)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


# --- record bodies --------------------------------------------------------------------------------------------------


class Evidence(Struct, frozen=True, kw_only=True):
    """What the observation that completed the dwell said: the numbers behind the rule's decision, as
    `agent.core.observation` defines them. None: not asked, or cannot be told."""

    doubt: float | None = None
    person: float | None = None
    pose: float | None = None
    change: float | None = None
    brightness: float | None = None
    detail: float | None = None
    shift: float | None = None


class Alert(Struct, frozen=True, kw_only=True, tag="alert", tag_field="kind"):
    """A rule that held long enough. The same `alert` comes again with each change of state; `state` is `raised`,
    `updated` or `cleared`. `began` lies at least `rule.raise_s` before `raised`."""

    alert: Label
    alert_kind: AlertKind
    state: Annotated[str, Meta(pattern=r"^(raised|updated|cleared)\Z")]
    sitting: Label
    seat: Label
    began: Instant
    raised: Instant
    cleared: Instant | None = None
    rule: Rule
    mode: Mode = Mode.AUTOMATED
    faces: Count = 0
    score: float | None = None
    evidence: Evidence = Evidence()
    model_sha256: str = ""
    software: Label = ""
    still_sha256: Hex64 | None = None
    is_drill: bool = False


class Fault(Struct, frozen=True, kw_only=True, tag="fault", tag_field="kind"):
    """The equipment needs help, from `began` until `cleared`. `state` is `raised` or `cleared`."""

    fault: Label
    fault_kind: FaultKind
    state: Annotated[str, Meta(pattern=r"^(raised|cleared)\Z")]
    sitting: Label = ""
    began: Instant
    raised: Instant
    cleared: Instant | None = None
    detail: Text = ""


class Gap(Struct, frozen=True, kw_only=True, tag="gap", tag_field="kind"):
    """A stretch of a sitting with no recording. Without a trusted clock its length may be unknown."""

    sitting: Label
    began: Instant
    ended: Instant
    cause: GapCause
    is_length_known: bool = True
    detail: Text = ""
    seat: Label = ""


class SegmentClosed(Struct, frozen=True, kw_only=True, tag="segment_closed", tag_field="kind"):
    """One finished file of the recording. `is_cut`: power or process went while it was open. `seat` is the one the
    desk was planned for, '' where it no longer knew."""

    sitting: Label
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,128}\Z")]
    began: Instant
    ended: Instant
    frames: Count
    size_bytes: Count
    sha256: Hex64
    is_cut: bool = False
    seat: Label = ""


class ModelFile(Struct, frozen=True, kw_only=True):
    """One model that the desk decides with, by its name in the manifest."""

    name: Label
    sha256: Hex64


class Restart(Struct, frozen=True, kw_only=True, tag="restart", tag_field="kind"):
    """The agent started. `os_boot` names the machine's boot: `up_ms` of records compare only within one.
    `model_sha256`, which every alert carries too, is the SHA-256 of the lines `name sha256` of `models`, in order.
    `is_chain_new`: the card's records were lost or damaged, and the chain begins anew with this start."""

    os_boot: Label
    previous_boot: Count
    is_clean: bool
    software: Label
    model_sha256: str = ""
    models: Annotated[tuple[ModelFile, ...], Meta(max_length=16)] = ()
    is_chain_new: bool = False


class ClockStep(Struct, frozen=True, kw_only=True, tag="clock_step", tag_field="kind"):
    """The wall clock was set while the agent ran: `step_ms` forward, negative backward."""

    step_ms: Annotated[int, Meta(ge=-(2**53), le=2**53)]
    is_synced: bool


class SittingState(Struct, frozen=True, kw_only=True, tag="sitting", tag_field="kind"):
    """Recording of a sitting `started`, `resumed` or `ended` at this desk."""

    sitting: Label
    seat: Label
    state: Annotated[str, Meta(pattern=r"^(started|resumed|ended)\Z")]
    plan: Count


class Attended(Struct, frozen=True, kw_only=True, tag="attended", tag_field="kind"):
    """Somebody came to the desk and pressed its button briefly: the `alerts` that stood then are attended. `is_signal`:
    a proctor's signal was shown; `is_drill`: a drill was, so that the press says that its lamp was seen."""

    sitting: Label
    seat: Label
    alerts: Annotated[tuple[Label, ...], Meta(max_length=32)] = ()
    is_signal: bool = False
    is_drill: bool = False


class Span(Struct, frozen=True, array_like=True):
    """A stretch within `Observed` that shows one thing: offset from `began` and length, `seat` a SeatState of the desk
    (`face`, `somebody`, `empty`, `unknown`), and how many faces were visible."""

    start_ms: Ms
    length_ms: Ms
    seat: Label
    faces: Count = 0


class Observed(Struct, frozen=True, kw_only=True, tag="observed", tag_field="kind"):
    """A sitting's observations in brief, a minute or less of them; `looks` frames were analysed. `spans` come in their
    order and do not overlap; where there is none, nothing was looked at."""

    sitting: Label
    began: Instant
    ended: Instant
    looks: Count
    spans: Annotated[tuple[Span, ...], Meta(max_length=240)]


class Other(Struct, frozen=True, kw_only=True):
    """A body of a later version's kind: kept and receipted by whoever does not understand it."""

    kind: Label


_KnownBody = Alert | Fault | Gap | SegmentClosed | Restart | ClockStep | SittingState | Observed | Attended
Body = _KnownBody | Other
RECORD_KINDS = frozenset(str(kind.__struct_config__.tag) for kind in _KnownBody.__args__)


class Header(Struct, frozen=True, kw_only=True):
    """What is signed, and stays when a body is erased by rule: the body is bound by its hash only.

    (unit, boot, seq) names the record for ever. `prev` is the hash of the desk's record before. `is_durable` is
    false when the card could not be written at that time; a restart may then have lost it at the desk, and the next
    chain link may skip it.
    """

    unit: UnitName
    boot: Count
    seq: Annotated[int, Meta(ge=1, le=2**53)]
    kind: Label
    utc_ms: Ms
    up_ms: Ms
    is_clock_ok: bool
    body_sha256: Hex64
    prev: Hex64
    is_durable: bool = True
    v: int = VERSION


class _Envelope(Struct, frozen=True, kw_only=True):
    header: str
    body: str
    signature: Hex128


class Record(Struct, frozen=True, kw_only=True):
    """One sealed record. `header_text` and `body_text` are the exact texts that hash and signature cover, so that a
    later version's unknown fields survive and verify."""

    header: Header
    body: Body
    header_text: str
    body_text: str
    signature: str

    @property
    def hash(self) -> str:
        return hash_of(self.header_text)

    @property
    def key(self) -> tuple[str, int, int]:
        return (self.header.unit, self.header.boot, self.header.seq)


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def kind_of(body: Body) -> str:
    return body.kind if isinstance(body, Other) else str(body.__struct_config__.tag)


def hash_of(header_text: str) -> str:
    """A record's hash: SHA-256 of its signed header under a domain prefix, so that no other text can pose as one."""
    return sha256_hex(_RECORD_DOMAIN + header_text.encode())


def seal(
    body: Body,
    *,
    unit: str,
    boot: int,
    seq: int,
    now: Instant,
    is_clock_ok: bool,
    prev: str,
    sign: Callable[[bytes], bytes],
    is_durable: bool = True,
) -> Record:
    """Make the record of `body`; `sign` is the unit's Ed25519 private key's method."""
    body_text = msgspec.json.encode(body).decode()
    header = Header(
        unit=unit,
        boot=boot,
        seq=seq,
        kind=kind_of(body),
        utc_ms=now.utc_ms,
        up_ms=now.up_ms,
        is_clock_ok=is_clock_ok,
        body_sha256=sha256_hex(body_text.encode()),
        prev=prev,
        is_durable=is_durable,
    )
    header_text = msgspec.json.encode(header).decode()
    signature = sign(_RECORD_DOMAIN + header_text.encode()).hex()
    return Record(header=header, body=body, header_text=header_text, body_text=body_text, signature=signature)


def is_signed_by(record: Record, public_key: str) -> bool:
    """Whether the holder of `public_key` (64 hex digits) signed this record's header."""
    return _is_valid(public_key, record.signature, _RECORD_DOMAIN + record.header_text.encode())


def _is_valid(public_key: str, signature: str, message: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key)).verify(bytes.fromhex(signature), message)
    except (InvalidSignature, ValueError):
        return False
    return True


# --- other messages -------------------------------------------------------------------------------------------------


class Head(Struct, frozen=True, kw_only=True):
    """The signed end of a desk's chain: nothing before it can be cut off unnoticed."""

    boot: Count
    seq: Count
    hash: Hex64
    signature: Hex128


def sign_head(boot: int, seq: int, record_hash: str, sign: Callable[[bytes], bytes]) -> Head:
    message = _HEAD_DOMAIN + f"{boot} {seq} {record_hash}".encode()
    return Head(boot=boot, seq=seq, hash=record_hash, signature=sign(message).hex())


def is_head_signed_by(head: Head, public_key: str) -> bool:
    message = _HEAD_DOMAIN + f"{head.boot} {head.seq} {head.hash}".encode()
    return _is_valid(public_key, head.signature, message)


class StandingFault(Struct, frozen=True, kw_only=True):
    kind: FaultKind
    began: Instant
    detail: Text = ""


class StandingAlert(Struct, frozen=True, kw_only=True):
    alert: Label
    kind: AlertKind
    began: Instant
    raised: Instant


class Lamp(Struct, frozen=True, kw_only=True):
    """What the lamp and buzzer do now: `pattern` is a row of `agent.wire_lamp`, `colour` as #rrggbb."""

    pattern: Label
    colour: Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}\Z")]
    is_buzzing: bool = False


class ClockQuality(Struct, frozen=True, kw_only=True):
    """How well a desk's wall clock is known. `offset_ms`: hub's clock minus desk's, asked by SNTP (RFC 4330), None when
    the hub's time service does not answer; `round_trip_ms` of that question; `error_ms`: the kernel's own bound
    (adjtimex `maxerror`); `source`: `hub` when the hub's time service answered, else ''."""

    offset_ms: float | None = None
    round_trip_ms: float | None = None
    error_ms: float | None = None
    source: Label = ""


class Heartbeat(Struct, frozen=True, kw_only=True):
    """`I am well`, with readings; newest wins, never spooled. A number the desk cannot read is None, never 0.

    `state` is `waiting` (no sitting now), `recording` or `stopped` (a sitting, and no recording). `seat` is what the
    newest look says of the seat, as in a Span, '' without one. `vision_fps` is what the desk looks, `vision_wanted_fps`
    what its setting asks for, and `vision_slowed` why it chose to look less often, '' when it did not.
    """

    boot: Count
    now: Instant
    is_clock_ok: bool
    state: Annotated[str, Meta(pattern=r"^(waiting|recording|stopped)\Z")]
    sitting: Label = ""
    faces: Count | None = None
    is_covered: bool | None = None
    is_low_light: bool | None = None
    is_frozen: bool | None = None
    capture_fps: float | None = None
    vision_fps: float | None = None
    vision_ms: float | None = None
    vision_wanted_fps: float | None = None
    vision_slowed: Text = ""
    seat: Label = ""
    frames_dropped: Count = 0
    recorded_s: float = 0.0
    spool: Count = 0
    free_bytes: Count | None = None
    temperature_c: float | None = None
    lamp: Lamp | None = None
    faults: Annotated[tuple[StandingFault, ...], Meta(max_length=32)] = ()
    alerts: Annotated[tuple[StandingAlert, ...], Meta(max_length=32)] = ()
    head: Head | None = None
    plan: Count | None = None
    software: Label = ""
    model_sha256: Label = ""
    has_reference: bool | None = None
    """Whether the desk knows what its seat looks like when nobody is there; without, `seat_empty` waits longer."""
    clock: ClockQuality | None = None
    certificate_ends_utc_ms: Ms | None = None
    waiting_segments: Count | None = None
    """Closed segments that the hub has not confirmed yet, and how many bytes they are."""
    waiting_bytes: Count | None = None
    upload_bytes_per_s: float | None = None
    """How fast the hub has taken film lately; None while none is sent."""
    brightness: float | None = None
    """Of the newest look, as `Evidence` has them."""
    detail: float | None = None
    shift: float | None = None
    record_bytes_per_s: float | None = None
    """What recording takes on the card: the mean of the newest minutes, else what the encoder is set to."""
    receipt_ms: float | None = None
    """From sending the newest record that was answered within this run to the hub's receipt for it."""
    is_signalled: bool = False
    """Whether a proctor's signal is shown."""
    refused_command: Count | None = None
    """The number of the newest command that this run of the desk did not do, and why; None when it did a later one."""
    refusal: Text = ""
    v: int = VERSION


class Status(Struct, frozen=True, kw_only=True):
    """Retained birth and last will. The broker itself publishes the will, so `is_online=False` needs no desk."""

    boot: Count
    is_online: bool
    public_key: Hex64
    software: Label = ""
    machine: Label = ""
    """The machine's own serial number. With `os_boot` it tells two machines that speak with one identity apart."""
    os_boot: Label = ""
    v: int = VERSION


class Receipt(Struct, frozen=True, kw_only=True):
    """The hub has committed these: records as (boot, seq), evidence stills by their hash."""

    records: Annotated[tuple[tuple[Count, Count], ...], Meta(max_length=1000)] = ()
    stills: Annotated[tuple[Hex64, ...], Meta(max_length=1000)] = ()
    v: int = VERSION


class CommandKind(enum.StrEnum):
    """`confirm_alert`: a proctor stands behind the alert, the lamp may show it in semi-automated mode.
    `dismiss_alert`: a proctor has judged it, the lamp shows it no longer.
    `signal`: a proctor asks for somebody to come to the desk; shown until the button is pressed, `end_signal`, or
    SIGNAL_MS. `drill`: raise a drill's alert. `show_live`: publish live pictures on `up/live` until the command
    expires; whoever watches asks again before."""

    CONFIRM_ALERT = "confirm_alert"
    DISMISS_ALERT = "dismiss_alert"
    SIGNAL = "signal"
    END_SIGNAL = "end_signal"
    DRILL = "drill"
    SHOW_LIVE = "show_live"


SIGNAL_MS = 300_000
"""A signal that nobody attends to in five minutes is shown no longer: the lamp must be free for what comes then."""


class Command(Struct, frozen=True, kw_only=True):
    """Something to do now; forgotten after `expires_utc_ms` of the hub's clock. `alert` for the two about one; `reason`
    is a person's, kept in the desk's log: a drill within a sitting needs one."""

    number: Count
    name: CommandKind
    alert: Label = ""
    expires_utc_ms: Ms
    reason: Text = ""
    v: int = VERSION


class StillNote(Struct, frozen=True, kw_only=True):
    """The line before the JPEG bytes of a still. An evidence still names the record that carries its hash."""

    boot: Count
    at: Instant
    sha256: Hex64
    seq: Count | None = None
    v: int = VERSION


class Still(NamedTuple):
    """One JPEG picture with its note."""

    note: StillNote
    jpeg: bytes


# --- encoding -------------------------------------------------------------------------------------------------------

Message = Record | Heartbeat | Status | Still | Plan | Receipt | Command


def encode(message: Message) -> bytes:
    """The bytes of a message. Raises BadMessage when they would be more than MAX_MESSAGE_BYTES."""
    if isinstance(message, Still):
        data = msgspec.json.encode(message.note) + b"\n" + message.jpeg
    elif isinstance(message, Record):
        data = msgspec.json.encode(
            _Envelope(header=message.header_text, body=message.body_text, signature=message.signature)
        )
    else:
        data = msgspec.json.encode(message)
    if len(data) > MAX_MESSAGE_BYTES:
        raise BadMessage(f"{len(data)} bytes, the limit is {MAX_MESSAGE_BYTES}")
    return data


def _decode(kind: Any, data: bytes | str) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise BadMessage(str(error)[:300]) from None


def _decode_record(data: bytes) -> Record:
    envelope: _Envelope = _decode(_Envelope, data)
    header: Header = _decode(Header, envelope.header)
    if sha256_hex(envelope.body.encode()) != header.body_sha256:
        raise BadMessage("the body is not the one whose hash the header carries")
    is_known = header.kind in RECORD_KINDS
    body: Body = _decode(_KnownBody if is_known else Other, envelope.body)
    if kind_of(body) != header.kind:
        raise BadMessage(f"the header says {header.kind!r}, the body {kind_of(body)!r}")
    return Record(
        header=header,
        body=body,
        header_text=envelope.header,
        body_text=envelope.body,
        signature=envelope.signature,
    )


def _decode_still(data: bytes) -> Still:
    line, newline, jpeg = data.partition(b"\n")
    if not newline:
        raise BadMessage("a still without its note")
    note: StillNote = _decode(StillNote, line)
    if not jpeg.startswith(b"\xff\xd8") or sha256_hex(jpeg) != note.sha256:
        raise BadMessage("the picture is not the one whose hash the note carries")
    return Still(note, jpeg)


def _decoder_of(kind: Any) -> Callable[[bytes], Any]:
    return lambda data: _decode(kind, data)


UP: dict[str, Callable[[bytes], Any]] = {
    "record": _decode_record,
    "evidence": _decode_still,
    "heartbeat": _decoder_of(Heartbeat),
    "status": _decoder_of(Status),
    "still": _decode_still,
    "live": _decode_still,
}
"""What a desk writes, by the last level of its topic."""

DOWN: dict[str, Callable[[bytes], Any]] = {
    "receipt": _decoder_of(Receipt),
    "plan": _decoder_of(Plan),
    "command": _decoder_of(Command),
}
"""What a desk reads: exactly three kinds."""


def decode_up(kind: str, data: bytes) -> Any:
    """The message a desk sent on `up/<kind>`; raises BadMessage for anything else, whatever the bytes."""
    return _decode_limited(UP, kind, data)


def decode_down(kind: str, data: bytes) -> Any:
    """The message the hub sent on `down/<kind>`; raises BadMessage for anything else, whatever the bytes."""
    return _decode_limited(DOWN, kind, data)


def _decode_limited(table: dict[str, Callable[[bytes], Any]], kind: str, data: bytes) -> Any:
    if kind not in table:
        raise BadMessage(f"no message is called {kind[:40]!r}")
    if len(data) > MAX_MESSAGE_BYTES:
        raise BadMessage(f"{len(data)} bytes, the limit is {MAX_MESSAGE_BYTES}")
    return table[kind](data)


# --- topics ---------------------------------------------------------------------------------------------------------

UP_FILTER = "ems/1/+/up/+"
"""What the hub subscribes to."""
_TOPIC = re.compile(r"^ems/1/([^/]+)/(up|down)/([a-z]{1,24})\Z")


def up_topic(unit: str, kind: str) -> str:
    return f"ems/1/{unit}/up/{kind}"


def down_topic(unit: str, kind: str) -> str:
    return f"ems/1/{unit}/down/{kind}"


def down_filter(unit: str) -> str:
    return f"ems/1/{unit}/down/+"


def parse_topic(topic: str) -> tuple[str, str, str]:
    """(unit, "up" or "down", kind) of a topic. Raises BadMessage when it is not one of ours."""
    match = _TOPIC.match(topic)
    if match is None or not re.match(UNIT_PATTERN, match[1]):
        raise BadMessage(f"not a topic of this system: {topic[:120]!r}")
    return match[1], match[2], match[3]
