"""Finds hubs on the desk's own network by multicast DNS (RFC 6762, 6763). It only saves typing a name: anybody can
answer, and the fingerprint that a person gave decides who is believed."""

from __future__ import annotations

import threading
from typing import NamedTuple

from zeroconf import ServiceBrowser, ServiceInfo, ServiceStateChange, Zeroconf

from agent.wire_door import SERVICE_TYPE

LISTEN_S = 3.0
"""Answers come within a fraction of a second; a busy network may lose the first question."""
_ASK_MS = 1_000


class Found(NamedTuple):
    """A hub's door: the names and addresses by which it may be called, the likeliest first."""

    names: tuple[str, ...]
    port: int


def hubs_near(listen_s: float = LISTEN_S) -> list[Found]:
    """The hubs that answer within this time. Raises OSError where the network does not do multicast."""
    heard: set[str] = set()

    def take(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        heard.add(name)

    with Zeroconf() as asker:
        browser = ServiceBrowser(asker, SERVICE_TYPE, handlers=[take])
        threading.Event().wait(listen_s)
        browser.cancel()
        found = [info for name in sorted(heard) if (info := asker.get_service_info(SERVICE_TYPE, name, _ASK_MS))]
    return [_told(info) for info in found]


def _told(info: ServiceInfo) -> Found:
    name = (info.properties.get(b"name") or b"").decode(errors="replace")
    names = (name, (info.server or "").rstrip("."), *info.parsed_addresses())
    return Found(tuple(dict.fromkeys(each[:253] for each in names if each)), info.port or 0)
