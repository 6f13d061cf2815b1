"""The connection to the broker, as settings and identity name it."""

from __future__ import annotations

from collections.abc import Callable

from agent import host, wire
from agent.config import Settings
from agent.core.bodies import Maker
from agent.drill import Drill
from agent.enrolling import tls_of
from agent.identity import Identity
from agent.messaging.link import Link, LinkSettings
from agent.records import Records
from agent.wire import Command, Instant


def link_of(
    settings: Settings,
    identity: Identity | None,
    records: Records,
    spool: Drill,
    maker: Maker,
    on_command: Callable[[Command], None],
    now: Callable[[], Instant],
) -> Link:
    """A link that is not started yet; `identity` None for a plain connection."""
    return Link(
        LinkSettings(
            host=settings.broker_host,
            port=settings.broker_port,
            unit=settings.unit,
            protocol=5 if settings.broker_protocol == 5 else 4,
            tls=tls_of(identity),
        ),
        birth=wire.Status(
            boot=records.boot,
            is_online=True,
            public_key=records.public_key,
            software=maker.software,
            machine=host.machine_serial(),
            os_boot=host.os_boot_id(),
        ),
        spool=spool,
        on_plan=records.save_plan,
        on_command=on_command,
        now=now,
    )
