"""The run folder of a running desk: its control socket takes any bytes, its status costs the sitting nothing."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from agent import host, wire
from agent.config import Settings
from agent.core.bodies import Maker
from agent.drill import Drill
from agent.local import ASK_WITHIN_MS, Ask, LocalDesk, Reply, run_folder, short_path
from agent.status import ask
from tests.support import wait_for


def made(settings: Settings, bodies: list[wire.Body]) -> LocalDesk:
    clock = host.Clock(is_trusted=True)
    maker = Maker(boot=1, software="1", model_sha256="")
    spool: Any = None  # nothing is sent here
    drill = Drill(clock.now, maker, spool, lambda body, _now: bodies.append(body), lambda work: work())
    return LocalDesk(settings, clock, drill)


def test_any_bytes_at_the_socket_are_answered_or_left(tmp_path: Path) -> None:
    """Garbage is told so; what was asked too long ago, of an agent that hung, is not done; the next command is."""
    settings = Settings(unit="test.desk-01", storage_path=tmp_path / ("deep" * 30))
    bodies: list[wire.Body] = []
    desk, now = made(settings, bodies), host.Clock().now
    desk.start()
    folder = run_folder(settings)
    for garbage in (b"{", b"\xff" * 100, b"[]", b'{"command": 3}', b"x" * 4000):
        reply = msgspec.json.decode(ask(folder, garbage, 30), type=Reply)
        assert reply.refused.startswith("not understood")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nameless, short_path(folder, "agent.sock") as path:
        old = now().up_ms - ASK_WITHIN_MS - 1
        nameless.sendto(msgspec.json.encode(Ask(command="drill", up_ms=max(0, old))), path)
        wait_for(lambda: desk._asked)
        desk.step(now(), None)
        assert bodies == []
        for command in ("dance", "drill", "drill_end"):
            nameless.sendto(msgspec.json.encode(Ask(command=command, up_ms=now().up_ms)), path)
            wait_for(lambda: desk._asked)
            desk.step(now(), None)
    assert [body.state for body in bodies if isinstance(body, wire.Alert)] == ["raised", "cleared"]
    assert all(body.is_drill for body in bodies if isinstance(body, wire.Alert))
    desk.stop(30)
    assert not (folder / "agent.sock").exists()


def test_the_hubs_refusal_stands_in_the_status(tmp_path: Path) -> None:
    """From the next heartbeat on, until it is taken back."""
    settings = Settings(unit="test.desk-01", storage_path=tmp_path)
    desk, now = made(settings, []), host.Clock().now()
    beat = wire.Heartbeat(boot=1, now=now, is_clock_ok=True, state="waiting")
    given: Any = SimpleNamespace(
        plan=lambda: None, sync_ms_worst=0.0, open_segment="", trouble="", camera_trouble="", vision_trouble=""
    )
    link: Any = SimpleNamespace(
        settings=SimpleNamespace(host="hub", port=8883),
        connected_since=None,
        disconnected_since=None,
        trouble="Unspecified error",
        refused=0,
        refusal=None,
        rejected=0,
        dropped=0,
    )
    for words in ("was revoked", ""):
        desk.take_refusal(words)
        desk.tell(beat, link, given, None, given, given)
        written = desk._newest
        assert written is not None
        assert written.door_refusal == words


def test_a_drill_ends_by_itself(tmp_path: Path) -> None:
    """Ten seconds later, whoever forgot it."""
    bodies: list[wire.Body] = []
    desk = made(Settings(unit="test.desk-01", storage_path=tmp_path), bodies)
    now = host.Clock().now()
    assert desk.drill.begin("", now, None) == ""
    desk.step(wire.Instant(now.utc_ms, now.up_ms + 9_000), None)
    assert len(bodies) == 1
    desk.step(wire.Instant(now.utc_ms, now.up_ms + 10_000), None)
    assert len(bodies) == 2
    assert not desk.drill.is_on


def test_a_run_folder_that_cannot_be_used_costs_only_the_tools(tmp_path: Path) -> None:
    """The desk starts and stops all the same."""
    (tmp_path / "run").write_text("in the way")
    desk = made(Settings(unit="test.desk-01", storage_path=tmp_path), [])
    desk.start()
    desk.step(host.Clock().now(), None)
    desk.stop(30)
    assert (tmp_path / "run").read_text() == "in the way"
