"""A share of the fleet, in a process of its own: the desk's own `Link` many times, each with a spool in memory.

Written to standard output, one JSON object a line: {"connected": n, "waiting": n, "sealed": n, "refused": n}. A line
on standard input that says `quiet` ends the making of records, `stop` ends the process; at the end a last line with
the names of all records that were sealed.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from agent import wire
from agent.core.delivery import Item
from agent.messaging.link import Link, LinkSettings
from agent.messaging.tls import Tls
from agent.wire import Instant

RECORD_EVERY_S = 4.0
HEARTBEAT_EVERY_S = 2.0
TELL_EVERY_S = 0.1
KEEPALIVE_S = 10


def now() -> Instant:
    return Instant(time.time_ns() // 1_000_000, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000)


class MemorySpool:
    """The chain and what of it has no receipt; safe for the link's thread and ours."""

    def __init__(self, unit: str, key: Ed25519PrivateKey) -> None:
        self.unit, self._key = unit, key
        self._lock = threading.Lock()
        self._waiting: dict[Item, wire.Record] = {}
        self._prev = wire.GENESIS
        self.sealed = 0

    def append(self, body: wire.Body) -> None:
        with self._lock:
            record = wire.seal(
                body,
                unit=self.unit,
                boot=1,
                seq=self.sealed + 1,
                now=now(),
                is_clock_ok=True,
                prev=self._prev,
                sign=self._key.sign,
            )
            self.sealed += 1
            self._prev = record.hash
            self._waiting[Item(1, self.sealed, False)] = record

    def depth(self) -> int:
        return len(self._waiting)

    def pending(self, limit: int, first: tuple[int, int] = (0, 0), before: tuple[int, int] = (2**62, 0)) -> list[Item]:
        with self._lock:
            return [item for item in self._waiting if first <= (item.boot, item.seq) < before][:limit]

    def live_from(self, since_up_ms: int) -> tuple[int, int]:
        with self._lock:
            live = [item.seq for item, record in self._waiting.items() if record.header.up_ms >= since_up_ms]
            return 1, min([*live, self.sealed + 1])

    def message(self, item: Item) -> wire.Record | None:
        with self._lock:
            return self._waiting.get(item)

    def receipt(self, receipt: wire.Receipt, now: Instant) -> None:
        with self._lock:
            for boot, seq in receipt.records:
                self._waiting.pop(Item(boot, seq, False), None)


class FleetDesk:
    """One unit: its link, its spool, and when it speaks next."""

    def __init__(self, folder: Path, unit: str, port: int, number: int) -> None:
        own = folder / "desks" / unit
        key = Ed25519PrivateKey.from_private_bytes((own / "record.key").read_bytes())
        self.spool = MemorySpool(unit, key)
        birth = wire.Status(
            boot=1, is_online=True, public_key=key.public_key().public_bytes_raw().hex(), software="fleet"
        )
        self.link = Link(
            LinkSettings(
                host="127.0.0.1",
                port=port,
                unit=unit,
                tls=Tls(
                    authority=folder / "hub" / "ca" / "public" / "authorities.pem",
                    certificate=own / "tls.crt",
                    key=own / "tls.key",
                ),
                keepalive_s=KEEPALIVE_S,
            ),
            birth=birth,
            spool=self.spool,
            on_plan=lambda _payload: None,
            on_command=lambda _command: None,
            now=now,
        )
        spread = number % 100 / 100
        self._record_at_s = time.monotonic() + RECORD_EVERY_S * spread
        self._heartbeat_at_s = time.monotonic() + HEARTBEAT_EVERY_S * spread

    def turn(self, at_s: float, *, is_quiet: bool) -> None:
        if at_s >= self._heartbeat_at_s:
            self._heartbeat_at_s += HEARTBEAT_EVERY_S
            beat = wire.Heartbeat(boot=1, now=now(), is_clock_ok=True, state="recording", spool=self.spool.depth())
            self.link.publish_heartbeat(beat)
        if at_s >= self._record_at_s and not is_quiet:
            self._record_at_s += RECORD_EVERY_S
            began = now()
            self.spool.append(
                wire.SegmentClosed(
                    sitting="fleet-1",
                    name=f"1-{self.spool.sealed:06d}.ts",
                    began=began,
                    ended=began,
                    frames=150,
                    size_bytes=1_875_000,
                    sha256="ab" * 32,
                )
            )
            self.link.wake()


def main(argv: Sequence[str]) -> int:
    logging.disable()  # five hundred desks that say the same; what one of them finds is told below
    folder, port, units = Path(argv[0]), int(argv[1]), argv[2:]
    desks = [FleetDesk(folder, unit, port, number) for number, unit in enumerate(units)]
    words: set[str] = set()

    def listen() -> None:
        for line in sys.stdin:
            words.add(line.strip())
        words.add("stop")

    threading.Thread(target=listen, daemon=True).start()
    for desk in desks:
        desk.link.start()
    told_s, pause = 0.0, threading.Event()
    while "stop" not in words:
        at_s = time.monotonic()
        for desk in desks:
            desk.turn(at_s, is_quiet="quiet" in words)
        if at_s - told_s >= TELL_EVERY_S:
            told_s = at_s
            _tell(desks)
        pause.wait(0.05)
    print(json.dumps({"names": {desk.spool.unit: desk.spool.sealed for desk in desks}}), flush=True)
    for desk in desks:
        desk.link.stop(0.2)
    return 0


def _tell(desks: Sequence[FleetDesk]) -> None:
    state = {
        "connected": sum(desk.link.connected_since is not None for desk in desks),
        "waiting": sum(desk.spool.depth() for desk in desks),
        "sealed": sum(desk.spool.sealed for desk in desks),
        "refused": sum(desk.link.refused for desk in desks),
        "trouble": next((desk.link.trouble for desk in desks if desk.link.trouble), None),
    }
    print(json.dumps(state), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
