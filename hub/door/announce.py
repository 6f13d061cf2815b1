"""Lets desks find the hub on their own network by multicast DNS (RFC 6762, 6763). Whoever is found this way is believed
no more than before: the fingerprint of its authority decides."""

from __future__ import annotations

import ipaddress
import logging
import socket
from collections.abc import Callable

import ifaddr
from zeroconf import ServiceInfo, Zeroconf

from agent.wire_door import SERVICE_TYPE
from hub.config import Settings

log = logging.getLogger(__name__)


def announce(settings: Settings) -> Callable[[], None]:
    """Answer questions for the hub's door until the function that is returned is called. A network that cannot do it
    is said in the log, and is no reason not to serve."""
    addresses = _addresses(settings.door_host)
    named = [name.strip() for name in settings.hub_names.split(",") if name.strip()]
    host = socket.gethostname().split(".")[0]
    info = ServiceInfo(
        SERVICE_TYPE,
        f"{host}.{SERVICE_TYPE}",
        port=settings.door_port,
        server=f"{host}.local.",
        parsed_addresses=addresses,
        properties={"name": named[0] if named else host},
    )
    try:
        speaker = Zeroconf(interfaces=addresses)
        speaker.register_service(info)
    except Exception as error:  # no multicast, the name taken, the port held: several kinds, from sockets to zeroconf's
        log.warning("the hub cannot be found by mDNS: %s: %s", type(error).__name__, error)
        return lambda: None

    def end() -> None:
        speaker.unregister_all_services()
        speaker.close()

    return end


def _addresses(door_host: str) -> list[str]:
    """Where the door listens, as addresses of this machine that others reach."""
    if not ipaddress.ip_address(door_host).is_unspecified:
        return [door_host]
    found = [str(each.ip) for adapter in ifaddr.get_adapters() for each in adapter.ips if each.is_IPv4]
    return [address for address in found if not ipaddress.ip_address(address).is_loopback]
