"""Hosts of a test's own: network namespaces joined by a virtual cable, so that what crosses a network is tried on one
machine and touches no other."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import pytest


class Host(NamedTuple):
    """One network namespace; its processes see its interface and a loopback of their own."""

    namespace: str
    address: str

    def command(self, command: Sequence[str]) -> list[str]:
        """The command line that runs `command` on this host. Only the network is another: `ip netns exec` would give it
        a view of the mounts too, and keep alive in there the cards that other tests mount and unmount meanwhile."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}", *command]

    def run(self, *command: str) -> str:
        done = subprocess.run(self.command(command), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def sockets(self, kind: str) -> set[tuple[str, int]]:
        """(address in hexadecimal as the kernel writes it, port) of every socket of this kind (`tcp`, `udp`, `tcp6`,
        `udp6`) that takes calls from anybody."""
        found = set()
        for line in self.run("cat", f"/proc/net/{kind}").splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            is_open = fields[3] == "0A" if kind.startswith("tcp") else fields[2].endswith(":0000")
            if is_open:
                found.add((address, int(port, 16)))
        return found


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"ip {' '.join(words)}: {done.stderr.strip()} (needs root and iproute2)", pytrace=False)


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts on one cable, 10.77.0.1 and 10.77.0.2, gone at the end with all that they were given."""
    names = [f"ems{os.getpid()}{side}" for side in "ab"]
    hosts = [Host(name, f"10.77.0.{number}") for number, name in enumerate(names, 1)]
    try:
        for host in hosts:
            _ip("netns", "add", host.namespace)
        _ip("link", "add", "eth0", "netns", names[0], "type", "veth", "peer", "name", "eth0", "netns", names[1])
        for host in hosts:
            _ip("-n", host.namespace, "address", "add", f"{host.address}/24", "dev", "eth0")
            _ip("-n", host.namespace, "link", "set", "eth0", "up")
            _ip("-n", host.namespace, "link", "set", "lo", "up")
        yield hosts[0], hosts[1]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
