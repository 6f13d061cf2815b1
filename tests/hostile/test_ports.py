"""What a stranger on the hub's network can reach: pages, door, broker and time service, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.hosts import Host, two_hosts
from tests.journey.trusted import TrustedCentre
from tests.support import wait_for

PORTS = {"web": 443, "door": 8443, "broker": 8883}
TIME_PORT = 123
SCAN = """
import errno, select, socket, sys
waiting, found, poll = {}, [], select.poll()

def finish():
    for number, _ in poll.poll(5_000):
        line, port = waiting.pop(number)
        poll.unregister(number)
        if line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
            found.append(port)
        line.close()

for port in range(1, 65_536):
    line = socket.socket()
    line.setblocking(False)
    if line.connect_ex((sys.argv[1], port)) == errno.EINPROGRESS:
        waiting[line.fileno()] = line, port
        poll.register(line, select.POLLOUT)
    while len(waiting) >= 200:
        finish()
while waiting:
    finish()
print(*sorted(found))
"""


def open_ports(scanner: Host, address: str) -> set[int]:
    """Every TCP port at which something takes a call."""
    return {int(port) for port in scanner.run(sys.executable, "-c", SCAN, address).split()}


def is_local(address: str) -> bool:
    """Whether an address of /proc/net is a loopback one."""
    return address in {"0100007F", "00000000000000000000000001000000"}


def test_the_hub_is_reached_at_four_ports_only(tmp_path: Path) -> None:
    """All of the hub runs on one host; another tries every TCP port, and the kernel lists every UDP one."""
    with two_hosts() as (hub_host, scanner):
        settings = {f"EMS_{name.upper()}_PORT": str(port) for name, port in PORTS.items()}
        centre = TrustedCentre(tmp_path, host=hub_host.address, prefix=hub_host.command([]), **settings)
        chrony = tmp_path / "chrony.conf"
        config = centre.hub("time", "config", "--network", "10.77.0.0/24")
        # Its own files: the machine's are shared, and a pid left there by one that was killed keeps it from starting.
        chrony.write_text(f"{config}\npidfile {tmp_path}/chronyd.pid\nbindcmdaddress /\n")
        clock = subprocess.Popen(
            hub_host.command(["chronyd", "-x", "-d", "-u", "root", "-f", str(chrony)]), stderr=subprocess.DEVNULL
        )
        try:
            centre.start()
            wait_for(lambda: open_ports(scanner, hub_host.address) == set(PORTS.values()))
            wait_for(lambda: any(port == TIME_PORT for _, port in hub_host.sockets("udp")))
            heard = {
                port for kind in ("udp", "udp6") for address, port in hub_host.sockets(kind) if not is_local(address)
            }
            assert heard == {TIME_PORT}
            offered = {
                port for kind in ("tcp", "tcp6") for address, port in hub_host.sockets(kind) if not is_local(address)
            }
            assert offered == set(PORTS.values())
        finally:
            clock.kill()
            clock.wait()
            centre.close()
