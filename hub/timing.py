"""The hub's time service: chrony's file, so that desks have one clock to follow, also where there is no internet."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
from collections.abc import Iterable, Sequence

DEFAULT_NETWORKS = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8", "fe80::/10")
"""The private networks (RFC 1918, RFC 4193) and the link's own: a centre's desks are in one of them."""
DEFAULT_SOURCES = ("pool.ntp.org",)
LOCAL_STRATUM = 10
"""Far enough down that a real time server always wins over a hub that only counts on by itself."""


def networks_of(texts: Iterable[str]) -> tuple[str, ...]:
    """As chrony wants them. Raises ValueError naming the one that is no network."""
    found = []
    for text in texts:
        try:
            found.append(str(ipaddress.ip_network(text.strip(), strict=False)))
        except ValueError:
            raise ValueError(f"{text!r} is no network: write it as 192.168.7.0/24") from None
    return tuple(found)


def chrony_conf(networks: Sequence[str], sources: Sequence[str] = DEFAULT_SOURCES) -> str:
    """The hub's chrony.conf: serves `networks`, follows `sources` (none: only itself). Raises ValueError for a source
    that could carry a directive of its own."""
    for source in sources:
        if not source or any(sign.isspace() or not sign.isprintable() or sign in "#!;%" for sign in source):
            raise ValueError(f"{source!r} is no host: give the time server's name or address")
    followed = (
        "\n".join(f"pool {source} iburst maxsources 4" for source in sources) or "# No source: this hub counts alone."
    )
    allowed = "\n".join(f"allow {network}" for network in networks)
    return f"""\
# Written by `ems-hub time config`: the time of the centre's desks.
{followed}
makestep 1.0 3
rtcsync
driftfile /var/lib/chrony/chrony.drift
# Without internet the desks still get one common time from here; any real time server wins over it.
local stratum {LOCAL_STRATUM}
# Who may ask: nobody else.
{allowed}
# No commands over the network, only over the local socket.
cmdport 0
"""


def tracking(program: str = "chronyc") -> dict[str, str] | None:
    """What `chronyc tracking` says, by its own labels; None when there is no chrony that answers."""
    found = shutil.which(program)
    if found is None:
        return None
    try:
        done = subprocess.run([found, "-n", "tracking"], capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    pairs = (line.partition(":") for line in done.stdout.splitlines())
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


def in_words(found: dict[str, str] | None) -> str:
    """One sentence about chrony."""
    if found is None:
        return "chrony does not answer here: install it (apt install chrony) and give it `ems-hub time config`"
    status = found.get("Leap status", "unknown")
    if status == "Not synchronised":
        return "chrony runs, and has no source that it trusts yet"
    if found.get("Stratum") == str(LOCAL_STRATUM):
        return "chrony counts on by itself: no outer time server answers, the desks follow this hub's clock as it is"
    return f"chrony follows {found.get('Reference ID', '?')}, stratum {found.get('Stratum', '?')}, {status.lower()}"
