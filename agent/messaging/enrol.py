"""The desk at the hub's door: how it gets to trust the hub, asks to be let in, and renews its certificate.

Trust begins with the fingerprint that a person gave: the hub's roots are fetched from anybody, and only one with that
fingerprint is believed. Everything after that is TLS 1.3 verified against the trusted roots, hostname included.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Struct

from agent import wire_door
from agent.identity import HubPlace, Identity, IdentityFolder, IdentityProblem
from agent.wire import BadMessage
from agent.wire_door import Authority, EnrolmentRequest, EnrolmentState, RenewalRequest, StateRequest, Trouble

MAX_ANSWER_BYTES = 262_144
"""Certificates, roots and a plan at their largest, with room."""
ANSWER_WITHIN_S = 10.0
REPEAT_AFTER = 60
"""Looks at the state after which the whole request is sent again: the hub forgets what nobody repeats for a day."""


class DoorProblem(Exception):
    """The hub cannot be asked, or refuses. The text is one sentence that says what to do. `code` is a Trouble's, or one
    of: unreachable, untrusted, wrong_fingerprint, not_a_hub, rejected."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


class Rhythm(Struct, frozen=True, kw_only=True):
    """Seconds between two looks: the first, the longest while a person is awaited, the longest while the hub does not
    answer, and before a rejected desk asks anew."""

    shortest_s: float = 2.0
    waiting_s: float = 10.0
    trouble_s: float = 60.0
    rejected_s: float = 60.0


class Standing(NamedTuple):
    """How far a desk has come. `stage` is asking, waiting, approved, rejected, unreachable or trouble."""

    stage: str
    code: str = ""
    why: str = ""


class Machine(Struct, frozen=True, kw_only=True):
    """What the desk tells of itself."""

    serial: str = ""
    model: str = ""
    software: str = ""


# --- the door -------------------------------------------------------------------------------------------------------


def fetch_root(place: HubPlace) -> str:
    """The root with the given fingerprint, in PEM, from whoever answers at the hub's door. Raises DoorProblem."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # the fingerprint decides
    found: Authority = _decoded(place, Authority, _call(place, context, "GET", wire_door.AUTHORITY_PATH))
    try:
        roots = x509.load_pem_x509_certificates(found.authorities.encode())
    except ValueError:
        raise _no_hub(place) from None
    wanted = wire_door.read_fingerprint(place.ca_fingerprint)
    shown = []
    for root in roots:
        der = root.public_bytes(serialization.Encoding.DER)
        if wire_door.is_fingerprint_of(wanted, der):
            return root.public_bytes(serialization.Encoding.PEM).decode()
        shown.append(wire_door.fingerprint_for_people(wire_door.fingerprint(der), len(wanted)))
    given = wire_door.fingerprint_for_people(wanted, len(wanted))
    raise DoorProblem(
        "wrong_fingerprint",
        f"the hub at {place.hub} has the fingerprint {' or '.join(shown)}, but {given} was given: compare "
        "with `ems-hub ca show` at the hub itself; if they differ, this is not your hub",
    )


def check_hub(place: HubPlace, root: str) -> None:
    """Reach the hub's door as a desk that trusts just this root. Raises DoorProblem."""
    _call(place, _trusting(root), "GET", wire_door.AUTHORITY_PATH)


def _trusting(roots: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=roots)
    except (ssl.SSLError, ValueError):
        raise DoorProblem("untrusted", "the kept authorities cannot be read: run `ems-agent setup` again") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


class Door:
    """Signed requests to a hub that is trusted by `roots` (PEM)."""

    def __init__(self, place: HubPlace, roots: str, key: Ed25519PrivateKey) -> None:
        """Raises DoorProblem when the roots cannot be read."""
        self.place = place
        self._key = key
        self.public_key = key.public_key().public_bytes_raw().hex()
        self._context = _trusting(roots)

    def ask(self, path: str, message: Struct) -> EnrolmentState:
        """Raises DoorProblem."""
        answer: EnrolmentState = self.post(path, message, EnrolmentState)
        return answer

    def post(self, path: str, message: Struct, answer: type[Any]) -> Any:
        """A signed message; what comes back is of the kind `answer`. Raises DoorProblem."""
        body = wire_door.encode(message)
        return self.send(answer, path, body, signed=body)

    def send(self, kind: type[Any], path: str, body: bytes, *, signed: bytes, within_s: float = ANSWER_WITHIN_S) -> Any:
        """The hub's answer, of this kind, to `body`; `signed` is what the signature covers besides the path. Raises
        DoorProblem."""
        signature = {wire_door.SIGNATURE_HEADER: wire_door.sign(path, signed, self._key.sign)}
        answer = _call(self.place, self._context, "POST", path, body, signature, within_s)
        return _decoded(self.place, kind, answer)


def _call(
    place: HubPlace,
    context: ssl.SSLContext,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    within_s: float = ANSWER_WITHIN_S,
) -> bytes:
    with _in_words(place):
        line = http.client.HTTPSConnection(place.hub, place.door_port, timeout=within_s, context=context)
        try:
            line.request(method, path, body, headers or {})
            response = line.getresponse()
            data = response.read(MAX_ANSWER_BYTES + 1)
        finally:
            line.close()
    if response.status != 200:
        try:
            trouble: Trouble = wire_door.decode(Trouble, data)
        except BadMessage:
            raise _no_hub(place) from None
        raise DoorProblem(trouble.code, f"the hub at {place.hub} says: {trouble.words}")
    return data


def _decoded(place: HubPlace, kind: type[Any], data: bytes) -> Any:
    try:
        if len(data) > MAX_ANSWER_BYTES:
            raise BadMessage("too large")
        return wire_door.decode(kind, data)
    except BadMessage:
        raise _no_hub(place) from None


def _no_hub(place: HubPlace) -> DoorProblem:
    return DoorProblem(
        "not_a_hub",
        f"what answers at {place.hub} port {place.door_port} does not speak as a hub's door: look at the port, and "
        "whether desk and hub have the same version",
    )


_DATES = {9, 10}
"""X509_V_ERR_CERT_NOT_YET_VALID and _HAS_EXPIRED."""
_NAMES = {62, 63, 64}
"""X509_V_ERR_HOSTNAME_MISMATCH, _EMAIL_MISMATCH and _IP_ADDRESS_MISMATCH."""


@contextlib.contextmanager
def _in_words(place: HubPlace) -> Iterator[None]:
    at = f"{place.hub} port {place.door_port}"
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        if error.verify_code in _NAMES:
            words = (
                f"the hub's certificate does not hold for the name {place.hub}: add it to EMS_HUB_NAMES at the hub and "
                "run `ems-hub init` there, or set this desk up with a name that `ems-hub ca show` lists"
            )
        elif error.verify_code in _DATES:
            words = (
                f"the certificate of the hub at {at} does not hold now ({error.verify_message}): set the clock of this "
                "desk, or run `ems-hub init` at the hub"
            )
        else:
            words = (
                f"what answers at {at} is not the hub that this desk trusts ({error.verify_message}): if the hub's "
                "authority was made anew, run `ems-agent setup` with its fingerprint"
            )
        raise DoorProblem("untrusted", words) from None
    except socket.gaierror as error:
        raise DoorProblem(
            "unreachable", f"no host is known as {place.hub} ({error.strerror}): look at its name and at the network"
        ) from None
    except ssl.SSLError as error:
        raise DoorProblem(
            "not_a_hub", f"what answers at {at} speaks no TLS 1.3 ({error.reason}): look at the door's port"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DoorProblem(
            "unreachable", f"the hub does not answer at {at} ({why}): is `ems-hub door` running, and the network well?"
        ) from None


# --- enrolment ------------------------------------------------------------------------------------------------------


class Enroller:
    """One desk's way to a certificate, its first or the next. `tell` is called with one sentence whenever there is
    something new for a person to know."""

    def __init__(
        self,
        place: HubPlace,
        folder: IdentityFolder,
        key: Ed25519PrivateKey,
        machine: Machine,
        *,
        wanted: str = "",
        tell: Callable[[str], None],
        stopping: threading.Event,
        rhythm: Rhythm | None = None,
    ) -> None:
        self._place = place
        self._folder = folder
        self._key = key
        self._machine = machine
        self._wanted = wanted
        self._tell = tell
        self._stopping = stopping
        self._rhythm = rhythm or Rhythm()
        self._told = ""
        self._looks = 0
        self.standing = Standing("asking")
        self._rejection = ""
        self.looks_made = 0
        """Grows with each look at the hub, answered or not; stands still when this hangs."""

    def enrol(self) -> Identity | None:
        """Ask until granted; None when `stopping` was set before. A rejected desk says so and asks anew, slowly."""
        pause_s = self._rhythm.shortest_s
        while not self._stopping.is_set():
            try:
                state = self._look(self._enrolment)
                if state.state == "granted":
                    identity = self._take(state)
                    if identity is not None:
                        return identity
                    self._looks = 0
                longest_s = self._rhythm.waiting_s
                self._say_state(state)
                if state.state == "rejected":
                    self._folder.begin_anew()
                    self._looks = 0
                    pause_s = longest_s = self._rhythm.rejected_s
                elif state.state == "approved":
                    pause_s = self._rhythm.shortest_s
            except (DoorProblem, IdentityProblem, OSError) as problem:
                is_away = isinstance(problem, DoorProblem) and problem.code == "unreachable"
                self.standing = Standing("unreachable" if is_away else "trouble", self.standing.code, str(problem))
                self._say(str(problem))
                longest_s, self._looks = self._rhythm.trouble_s, 0
            self._stopping.wait(pause_s * random.uniform(0.7, 1))  # noqa: S311 - a room's desks must not come in step
            pause_s = min(longest_s, pause_s * 1.5)
        return None

    def renew(self, unit: str, within_s: float = 120.0) -> Identity | None:
        """Another certificate for an enrolled unit; None when stopped, or when the hub does not make it in this time:
        the next call goes on. Raises DoorProblem, IdentityProblem, OSError."""
        self._looks, left_s = 0, within_s
        while not self._stopping.is_set() and left_s > 0:
            state = self._look(lambda: self._renewal(unit))
            if state.state == "granted":
                identity = self._take(state)
                if identity is not None:
                    return identity
                self._looks = 0
            elif state.state == "rejected":
                self._folder.begin_anew()
                raise DoorProblem("rejected", f"the hub at {self._place.hub} rejected the renewal: {state.reason}")
            else:
                self._say_state(state)
            pause_s = self._rhythm.shortest_s * random.uniform(0.7, 1)  # noqa: S311
            self._stopping.wait(pause_s)
            left_s -= pause_s
        return None

    def _look(self, request: Callable[[], tuple[str, Struct]]) -> EnrolmentState:
        self.looks_made += 1
        door = self._door()
        if self._looks % REPEAT_AFTER == 0:
            path, message = request()
        else:
            path, message = wire_door.STATE_PATH, StateRequest(public_key=door.public_key)
        state = door.ask(path, message)
        self._looks = 0 if state.state == "unknown" else self._looks + 1
        return state

    def _door(self) -> Door:
        roots = self._folder.roots()
        if not roots:
            roots = fetch_root(self._place)
            self._folder.put_hub(self._place, roots)
        return Door(self._place, roots, self._key)

    def _enrolment(self) -> tuple[str, Struct]:
        return wire_door.ENROLMENTS_PATH, EnrolmentRequest(
            csr=self._folder.pending().csr,
            public_key=self._key.public_key().public_bytes_raw().hex(),
            serial=self._machine.serial,
            model=self._machine.model,
            software=self._machine.software,
            wanted=self._wanted,
            replaces=self._place.replaces,
        )

    def _renewal(self, unit: str) -> tuple[str, Struct]:
        return wire_door.RENEWALS_PATH, RenewalRequest(
            unit=unit,
            csr=self._folder.pending().csr,
            public_key=self._key.public_key().public_bytes_raw().hex(),
            serial=self._machine.serial,
            model=self._machine.model,
            software=self._machine.software,
        )

    def _take(self, state: EnrolmentState) -> Identity | None:
        if state.grant is None:
            raise _no_hub(self._place)
        return self._folder.take(state.grant, self._place.hub)

    def _say_state(self, state: EnrolmentState) -> None:
        if state.state == "rejected":
            self._rejection = f"the request before was rejected: {state.reason or 'no reason was given'}"
        why = self._rejection if state.state == "waiting" else state.reason
        self.standing = Standing(state.state, state.code if state.state == "waiting" else "", why)
        if state.state == "waiting":
            self._folder.note_code(state.code)
            self._say(f"claim code {state.code}: approve it at the hub {self._place.hub}")
        elif state.state == "approved":
            self._say(f"approved; {state.reason or 'the certificate is being made'}")
        elif state.state == "rejected":
            self._say(f"the hub rejected this desk: {state.reason}; it asks again, with a new claim code")

    def _say(self, words: str) -> None:
        if words != self._told:
            self._told = words
            self._tell(words)
