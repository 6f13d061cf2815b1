"""A desk's records and link together, without the rest of the agent; run as a program it stays until it is killed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, Self

from agent import wire
from agent.core.delivery import Pace
from agent.messaging.link import Link, LinkSettings
from agent.messaging.tls import Tls
from agent.records import Records
from tests.brokers import Broker
from tests.support import wait_for

UNIT = "hall.desk-01"
QUICK = Pace(first_wait_s=0.5, longest_wait_s=1.0)
"""Re-sending soon, so that a test need not wait 10 s."""
SMALL_STILL = b"\xff\xd8" + b"still" * 100 + b"\xff\xd9"


def now() -> wire.Instant:
    return wire.Instant(time.time_ns() // 1_000_000, time.monotonic_ns() // 1_000_000)


def fault(number: int) -> wire.Fault:
    at = now()
    return wire.Fault(fault=f"f{number}", fault_kind=wire.FaultKind.CAMERA_LOST, state="raised", began=at, raised=at)


def alert(still: bytes) -> wire.Alert:
    at = now()
    return wire.Alert(
        alert="a1",
        alert_kind=wire.AlertKind.SEAT_EMPTY,
        state="raised",
        sitting="maths-1",
        seat="A1",
        began=at,
        raised=at,
        rule=wire.DEFAULT_RULES[0],
        still_sha256=wire.sha256_hex(still),
    )


def birth(records: Records) -> wire.Status:
    return wire.Status(boot=records.boot, is_online=True, public_key=records.public_key, software="test")


class Desk:
    """Records and link of one unit, started."""

    def __init__(
        self,
        folder: Path,
        port: int,
        protocol: Literal[4, 5],
        pace: Pace = QUICK,
        on_plan: Callable[[bytes], object] | None = None,
        tls: Tls | None = None,
    ) -> None:
        self.records = Records(folder, UNIT)
        self.plans: list[wire.Plan] = []
        self.commands: list[wire.Command] = []
        self.link = Link(
            LinkSettings(
                host="127.0.0.1",
                port=port,
                unit=UNIT,
                protocol=protocol,
                tls=tls,
                shortest_pause_s=0.1,
                longest_pause_s=0.5,
            ),
            birth=birth(self.records),
            spool=self.records,
            on_plan=on_plan or (lambda payload: self.plans.append(wire.decode_down("plan", payload))),
            on_command=self.commands.append,
            now=now,
            pace=pace,
        )
        self.link.start()

    @classmethod
    def at(
        cls,
        broker: Broker,
        folder: Path,
        pace: Pace = QUICK,
        on_plan: Callable[[bytes], object] | None = None,
        tls: Tls | None = None,
    ) -> Self:
        return cls(folder, broker.port, broker.protocol, pace, on_plan, tls)

    def connected(self) -> Self:
        wait_for(lambda: self.link.connected_since)
        return self

    def append(self, body: wire.Body, still: bytes | None = None) -> wire.Record:
        record = self.records.append(body, now(), True, still)
        self.link.wake()
        return record

    def close(self) -> bool:
        has_ended = self.link.stop()
        self.records.close()
        return has_ended

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


if __name__ == "__main__":
    desk = Desk(Path(sys.argv[1]), int(sys.argv[2]), 5 if sys.argv[3] == "5" else 4)
    number = 0
    while True:
        done = desk.append(fault(number))
        print(done.header.boot, done.header.seq, flush=True)
        number += 1
        time.sleep(0.02)
