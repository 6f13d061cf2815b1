"""A desk looks for its hub on the network: the name comes from whoever answers, the trust from the fingerprint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.brokers import REPOSITORY
from tests.hosts import Host, two_hosts
from tests.journey.trusted import TrustedCentre, clean_environ
from tests.support import wait_for


def find(host: Host, storage: Path, fingerprint: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent.cli", "setup", "--find", "--ca-fingerprint", fingerprint]
    environ = {**clean_environ(), "STORAGE_PATH": str(storage)}
    return subprocess.run(
        host.command(command), cwd=REPOSITORY, env=environ, capture_output=True, text=True, check=False
    )


def test_a_desk_finds_its_hub_and_believes_no_other(tmp_path: Path) -> None:
    """On the other end of a cable: found and set up by the right fingerprint, refused by another, by what was seen."""
    with two_hosts() as (hub_host, desk_host):
        centre = TrustedCentre(tmp_path, host=hub_host.address, prefix=hub_host.command([]), EMS_MDNS="true")
        try:
            centre.start_hub("door")
            wait_for(lambda: any(port == 5353 for _, port in hub_host.sockets("udp")))
            wait_for(lambda: find(desk_host, tmp_path / "desk", centre.fingerprint).returncode == 0)
            found = find(desk_host, tmp_path / "desk", centre.fingerprint)
            assert f"the hub {hub_host.address} answers" in found.stdout
            assert (tmp_path / "desk" / "identity" / "hub.json").exists()
            other = find(desk_host, tmp_path / "other", "ab" * 16)
            assert other.returncode == 2
            assert "no hub with that fingerprint" in other.stderr
            assert hub_host.address in other.stderr
            assert not (tmp_path / "other" / "identity" / "hub.json").exists()
            assert centre.stop("door") == 0
        finally:
            centre.close()
