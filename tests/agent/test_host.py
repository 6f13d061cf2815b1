"""The machine under the desk, asked for real."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent import host


def test_the_clock_gives_both_clocks_of_this_machine() -> None:
    """`utc_ms` is the wall clock, `up_ms` counts from the machine's boot, and neither goes back."""
    clock = host.Clock()
    before_ms = time.time_ns() // 1_000_000
    first, second = clock.now(), clock.now()
    assert before_ms <= first.utc_ms <= second.utc_ms <= time.time_ns() // 1_000_000
    assert 0 < first.up_ms <= second.up_ms
    uptime_s = float(Path("/proc/uptime").read_text().split()[0])
    assert abs(uptime_s * 1000 - second.up_ms) < 60_000


def test_a_past_instant_is_read_on_the_wall_clock() -> None:
    """A picture captured ten seconds ago carries the wall clock's time of ten seconds ago."""
    clock = host.Clock()
    now = clock.now()
    then_ms = clock.utc_ms_at((now.up_ms - 10_000) * 1_000_000)
    assert abs(now.utc_ms - 10_000 - then_ms) < 5_000


def test_no_instant_lies_before_1970() -> None:
    """A machine whose clock begins there has been up for longer than its wall clock says."""
    assert host.Clock().utc_ms_at(-(10**19)) == 0


def test_both_clocks_are_read_in_one_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is put aside for a second between two readings does not see a wall clock that was set."""
    clock = host.Clock()
    honest = clock.now()
    late = iter([1_000_000_000])
    up_ns = clock.up_ns

    def sometimes_late() -> int:
        return up_ns() + next(late, 0)

    monkeypatch.setattr(clock, "up_ns", sometimes_late)
    found = clock.now()
    assert abs((found.utc_ms - found.up_ms) - (honest.utc_ms - honest.up_ms)) < 100


def test_a_clock_that_somebody_vouches_for_is_believed() -> None:
    """Else the kernel is asked, which answers yes or no."""
    assert host.Clock(is_trusted=True).is_ok() is True
    assert host.Clock().is_ok() in (True, False)


def test_the_boot_has_a_name_that_stays() -> None:
    """One boot of the machine, one name."""
    assert host.os_boot_id() == host.os_boot_id()
    assert len(host.os_boot_id()) == 36


def test_free_space_is_a_number_or_unknown(tmp_path: Path) -> None:
    """A disk that is gone has no free space to tell, which is not zero."""
    free = host.free_bytes(tmp_path)
    assert free is not None
    assert free > 0
    assert host.free_bytes(tmp_path / "gone") is None


def test_temperature_is_plausible_or_unknown() -> None:
    """Degrees Celsius, not millidegrees; None where the machine has no sensor."""
    celsius = host.temperature_c()
    assert celsius is None or -40 < celsius < 150


def test_a_folder_is_held_by_one_process_only(tmp_path: Path) -> None:
    """A second agent on the same card is refused with a line that names the folder, until the first has ended."""
    code = (
        "import sys; from pathlib import Path; from agent import host; "
        "host.hold(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(BlockingIOError, match=f"another agent runs on {tmp_path}"):
            host.hold(tmp_path)
        other.kill()
        other.wait()
    os.close(host.hold(tmp_path))


def test_a_machine_has_a_serial_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The board's number where there is one; else one made from the system's identity, which itself goes nowhere; else
    none. A device tree ends its texts with a zero byte."""
    board, identity = tmp_path / "serial-number", tmp_path / "machine-id"
    monkeypatch.setattr(host, "_SERIAL_FILES", (board,))
    monkeypatch.setattr(host, "_MACHINE_ID", identity)
    assert host.machine_serial() == ""
    identity.write_text("0123456789abcdef0123456789abcdef\n")
    made = host.machine_serial()
    assert len(made) == 16
    assert made not in identity.read_text()
    assert made == host.machine_serial()
    board.write_bytes(b"10000000abcdef01\0")
    assert host.machine_serial() == "10000000abcdef01"


def test_a_machine_tells_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As its firmware says it; nothing where it says nothing."""
    tree, firmware = tmp_path / "model", tmp_path / "product_name"
    monkeypatch.setattr(host, "_MODEL_FILES", (tree, firmware))
    assert host.machine_model() == ""
    firmware.write_text("ThinkCentre\n")
    assert host.machine_model() == "ThinkCentre"
    tree.write_bytes(b"Raspberry Pi 5 Model B Rev 1.0\0")
    assert host.machine_model() == "Raspberry Pi 5 Model B Rev 1.0"
