"""The hub's clock as this desk sees it: asked by SNTP (RFC 4330), beside whatever sets the clock; and chrony's file.

It only measures. Setting the clock is chrony's work, by the file that `chrony_conf` writes. A hub that does not answer
is no fault by itself: the clock may be well without it.
"""

from __future__ import annotations

import ctypes
import ipaddress
import math
import threading
from collections.abc import Callable
from typing import NamedTuple

import ntplib

from agent.wire import ClockQuality

PORT = 123
EVERY_S = 64
"""RFC 5905's default interval between questions to one server; a desk asks no more than that."""
TIMEOUT_S = 3.0
MAX_STRATUM = 15
_NEVER_SYNCHRONISED = 3
"""The leap indicator of a server whose own clock is not set."""
_SERVER_MODE = 4
_TIMEX_BYTES = 208
_MAXERROR_AT = 24
"""Of `struct timex` on 64-bit Linux: int modes, padding, long offset, long freq, long maxerror."""
UNKNOWN_ERROR_US = 16_000_000
"""What the kernel counts up to (NTP_PHASE_LIMIT) when nothing disciplines the clock: no bound at all."""


class TimeProblem(Exception):
    """The time service gave no answer that can be used; the text says why."""


class Answer(NamedTuple):
    """`offset_ms`: the service's clock minus this machine's; `round_trip_ms` bounds its error by a half."""

    offset_ms: float
    round_trip_ms: float
    stratum: int


def ask(host: str, port: int = PORT, timeout_s: float = TIMEOUT_S) -> Answer:
    """Ask once. Raises TimeProblem for no answer and for one that RFC 4330 section 5 says to discard."""
    try:
        found = ntplib.NTPClient().request(host, version=4, port=port, timeout=timeout_s)
    except (ntplib.NTPException, OSError) as error:
        raise TimeProblem(f"{host}: {error}") from None
    if found.mode != _SERVER_MODE:
        raise TimeProblem(f"{host}: an answer of mode {found.mode}, which no time server sends")
    if found.stratum == 0:
        code = int(found.ref_id).to_bytes(4, "big").decode("ascii", "replace").strip("\0")
        raise TimeProblem(f"{host}: it wants not to be asked ({code or 'no reason given'})")
    if found.leap == _NEVER_SYNCHRONISED or found.stratum > MAX_STRATUM:
        raise TimeProblem(f"{host}: its own clock is not set")
    if not _is_same_question(found) or found.tx_timestamp == 0 or found.recv_timestamp == 0:
        raise TimeProblem(f"{host}: an answer to another question")
    offset_ms, round_trip_ms = found.offset * 1000, found.delay * 1000
    if not (math.isfinite(offset_ms) and 0 <= round_trip_ms + 1 <= timeout_s * 1000 + 1):
        raise TimeProblem(f"{host}: times that cannot be (a round trip of {round_trip_ms:.0f} ms)")
    return Answer(round(offset_ms, 3), round(max(0.0, round_trip_ms), 3), found.stratum)


def _is_same_question(found: ntplib.NTPStats) -> bool:
    """The library keeps no copy of what it asked, but it asked within the time-out: an older stamp is of another."""
    return bool(0 <= found.dest_timestamp - found.orig_timestamp <= TIMEOUT_S * 4)


def kernel_error_ms() -> float | None:
    """The kernel's own bound of the wall clock's error, None while nothing disciplines it."""
    timex = ctypes.create_string_buffer(_TIMEX_BYTES)  # modes = 0: only ask
    if int(ctypes.CDLL(None, use_errno=True).adjtimex(timex)) == -1:
        return None
    error_us = ctypes.c_long.from_buffer(timex, _MAXERROR_AT).value
    return error_us / 1000 if 0 <= error_us < UNKNOWN_ERROR_US else None


def server_of(hub: str, broker_host: str) -> str:
    """Whom to ask: the hub of the settings, else a broker on another machine; '' for nobody."""
    return hub or ("" if _is_this_machine(broker_host) else broker_host)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or not host


class TimeService:
    """Asks every EVERY_S seconds on a thread of its own; `quality` is what was last found and never waits."""

    def __init__(self, host: str, *, port: int = PORT, on_trouble: Callable[[str], object] = lambda _: None) -> None:
        """Without a host it asks nobody, and says only what the kernel does. `on_trouble` gets each new reason for
        which there is no answer, and '' when there is one again."""
        self._host, self._port, self._on_trouble = host, port, on_trouble
        self._answer: Answer | None = None
        self.trouble = ""
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="time", daemon=True)

    def start(self) -> None:
        if self._host:
            self._thread.start()

    def stop(self) -> None:
        """End soon; a question under way is not waited for."""
        self._stopping.set()

    def quality(self) -> ClockQuality:
        """What rides on heartbeats."""
        answer = self._answer
        return ClockQuality(
            offset_ms=None if answer is None else answer.offset_ms,
            round_trip_ms=None if answer is None else answer.round_trip_ms,
            error_ms=kernel_error_ms(),
            source="" if answer is None else "hub",
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._ask_once()
            self._stopping.wait(EVERY_S)

    def _ask_once(self) -> None:
        try:
            self._answer, trouble = ask(self._host, self._port), ""
        except TimeProblem as problem:
            self._answer, trouble = None, str(problem)
        except Exception as error:  # whatever a stranger's datagram makes of a library, the next question starts afresh
            self._answer, trouble = None, f"{self._host}: {type(error).__name__}"
        if trouble != self.trouble:
            self.trouble = trouble
            self._on_trouble(trouble)


def chrony_conf(hub: str) -> str:
    """The desk's chrony.conf. `hub`: name or address as chrony may resolve it. Raises ValueError for one that could
    carry a directive of its own."""
    if not hub or any(character.isspace() or not character.isprintable() or character in "#!;%" for character in hub):
        raise ValueError(f"{hub!r} is no host: give the hub's name or address")
    return f"""\
# Written by `ems-agent time config`: this desk's clock follows its hub.
server {hub} iburst minpoll 4 maxpoll 6
# A Pi without a battery starts in the past: step at any time in the first updates, later only steer.
makestep 1.0 3
# Desks have no RTC worth keeping; where there is one the kernel writes it.
rtcsync
driftfile /var/lib/chrony/chrony.drift
# Serve nobody, and take commands only over the local socket.
port 0
cmdport 0
"""
