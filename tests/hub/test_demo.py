"""The one-command centre: refusals in one clear line with nothing half started, children that never outlive it."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from rich.console import Console

from agent.wire import Heartbeat, Instant, Lamp, Plan
from hub.demo import centre, exam_day
from hub.demo.broker import Broker
from hub.demo.centre import CannotStart, Centre, DemoDesk, Ports
from hub.demo.children import Child, stop_in_order
from hub.demo.table import table_of
from hub.store import Store, enrolling, exams, intake, roster
from tests.brokers import REPOSITORY, free_port
from tests.hub.hubs import rows
from tests.support import wait_for


def demo(var: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command until it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "hub.demo", "--var", str(var), *words],
        cwd=REPOSITORY,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a start that was refused."""
    assert (done.returncode, done.stderr) == (1, "")
    (line,) = done.stdout.strip().splitlines()
    assert line.startswith("make run: ")
    return line


# --- refusals -------------------------------------------------------------------------------------------------------


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """Before any process is started."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        line = only_line(demo(tmp_path / "var", "--port", str(port)))
    assert f"port {port}" in line
    assert "PORT=" in line
    assert not (tmp_path / "var" / "hub").exists()


def test_a_second_run_on_the_same_data_is_refused(tmp_path: Path) -> None:
    """Two centres on one folder would be two writers of everything in it."""
    var = tmp_path / "var"
    var.mkdir()
    with (var / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "running" in only_line(demo(var, "--port", str(free_port())))
    assert [path.name for path in var.iterdir()] == ["run.lock"]


@pytest.mark.parametrize(
    ("folder", "word"), [("missing", "is not a folder"), ("empty", "no video file"), ("file.mp4", "is not a folder")]
)
def test_a_footage_folder_without_films_is_refused(tmp_path: Path, folder: str, word: str) -> None:
    """The line names the folder and what is wrong with it; the data folder is not even made."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "readme.txt").write_text("no film")
    (tmp_path / "file.mp4").write_text("no folder")
    line = only_line(demo(tmp_path / "var", "--footage", str(tmp_path / folder)))
    assert "FOOTAGE" in line
    assert str(tmp_path / folder) in line
    assert word in line
    assert not (tmp_path / "var").exists()


def test_a_missing_camera_is_refused(tmp_path: Path) -> None:
    """The line names it, and the cameras there are."""
    line = only_line(demo(tmp_path / "var", "--camera", "97"))
    assert "CAMERA=97" in line
    assert "/dev/video97" in line
    assert not (tmp_path / "var").exists()


def test_a_data_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    """A file in its place is an error of the system, told in its words."""
    (tmp_path / "var").write_text("in the way")
    assert str(tmp_path / "var") in only_line(demo(tmp_path / "var", "--port", str(free_port())))


def test_words_in_square_brackets_are_told_as_they_are(tmp_path: Path) -> None:
    """A name that looks like the terminal library's markup is a name."""
    folder = tmp_path / "[/red]"
    assert str(folder) in only_line(demo(tmp_path / "var", "--footage", str(folder)))


# --- desks ----------------------------------------------------------------------------------------------------------


def test_scenes_are_dealt_to_the_desks() -> None:
    """Six desks with a script each; more begin again; each has a unit and a seat of its own."""
    desks = centre.desks(None, None, None)
    assert [desk.camera.partition(":")[2] for desk in desks] == list(centre.SCRIPTS)
    many = centre.desks(None, None, 60)
    assert len({desk.unit for desk in many}) == len({desk.seat for desk in many}) == 60
    assert [desk.seat for desk in many[:4]] == ["A1", "A2", "A3", "B1"]


def test_films_become_desks(tmp_path: Path) -> None:
    """One a film in their order, six at the most unless more are asked for; other files are left alone."""
    for name in ("b.mp4", "a.MKV", "notes.txt", *(f"c{number}.mp4" for number in range(6))):
        (tmp_path / name).write_bytes(b"")
    desks = centre.desks(tmp_path, None, None)
    assert [desk.camera_words for desk in desks] == ["a", "b", "c0", "c1", "c2", "c3"]
    assert all(Path(desk.camera.removeprefix("footage:")).is_absolute() for desk in desks)
    assert len(centre.desks(tmp_path, None, 8)) == 8
    assert len(centre.desks(tmp_path, None, 20)) == 8
    assert len(centre.desks(tmp_path, None, 2)) == 2


def test_the_camera_is_one_more_desk(tmp_path: Path) -> None:
    """Beside the scenes, and any path that is there will do."""
    device = tmp_path / "video0"
    device.write_bytes(b"")
    desks = centre.desks(None, str(device), 2)
    assert [desk.camera for desk in desks] == ["demo:steady", "demo:leaves", str(device)]
    with pytest.raises(CannotStart, match="CAMERA="):
        centre.desks(None, str(tmp_path / "none"), 2)


def test_the_zone_has_a_name_that_python_knows() -> None:
    """Times on the pages are this machine's."""
    assert ZoneInfo(centre.zone())


def made_in(var: Path, *, is_trusted: bool = True) -> Centre:
    """A centre that is only looked at."""
    return Centre(
        var=var,
        web_port=8000,
        ports=Ports(broker=1884, door=8444),
        broker=Broker(["mosquitto"], 5, "mosquitto", is_trusted),
        secret_key="k" * 32,
        fingerprint="ab" * 32,
    )


def test_only_a_desk_without_encryption_is_told_of_a_broker() -> None:
    """With certificates a desk knows the hub and the fingerprint, and the hub trusts nobody by name alone."""
    desk = DemoDesk(name="desk-01", seat="A1", camera="demo:steady")
    trusted, plain = made_in(Path("var")), made_in(Path("var"), is_trusted=False)
    assert trusted.desk_environ(desk)["EMS_CA_FINGERPRINT"] == "ab" * 32
    assert "EMS_BROKER_PORT" not in trusted.desk_environ(desk)
    assert trusted.hub_environ()["EMS_TRUST_NEW_UNITS"] == "false"
    assert {child.name for child in trusted.hub_children()[1]} == {"ingest", "worker", "door", "web"}
    assert plain.desk_environ(desk)["EMS_BROKER_PORT"] == "1884"
    assert "EMS_HUB" not in plain.desk_environ(desk)
    assert {child.name for child in plain.hub_children()[1]} == {"ingest", "worker", "web"}


def test_ports_stay_from_start_to_start(tmp_path: Path) -> None:
    """Desks remember where their hub is; only a port that somebody else has taken is given up."""
    first = centre.ports(tmp_path)
    assert centre.ports(tmp_path) == first
    with socket.socket() as other:
        other.bind(("127.0.0.1", first.door))
        other.listen()
        assert centre.ports(tmp_path).door != first.door


def test_own_desks_are_let_in_and_strangers_wait(tmp_path: Path, store: Store) -> None:
    """The demonstration stands in for the person at its own desks only, and puts each at its seat."""
    desks = [DemoDesk(name="desk-01", seat="A1", camera="demo:steady")]
    with store.write() as connection:
        for number, wanted in enumerate(("demo.desk-01", "hall.desk-09")):
            enrolling.ask(connection, public_key=f"{number}" * 64, csr=f"csr {number}", now_utc_ms=1, wanted=wanted)
    centre.let_in(store, desks, 2)
    centre.let_in(store, desks, 3)
    asked = {row["wanted"]: row["state"] for row in rows(store, "select wanted, state from enrolments")}
    assert asked == {"demo.desk-01": "approved", "hall.desk-09": "waiting"}
    assert [(row["unit"], row["label"]) for row in rows(store, "select unit, label from seats")] == [
        ("demo.desk-01", "A1")
    ]


def test_settings_of_this_terminal_do_not_reach_the_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker or storage that the shell names for a real desk is not written to by the demonstration."""
    for name in ("EMS_BROKER_HOST", "STORAGE_PATH", "DATABASE_URL", "EMS_UNIT", "CAMERA_DEVICE"):
        monkeypatch.setenv(name, "a real one")
    made = made_in(tmp_path)
    desk = DemoDesk(name="desk-01", seat="A1", camera="demo:steady")
    for environ in (made.hub_environ(), made.desk_environ(desk)):
        assert "a real one" not in environ.values()
    assert made.desk_environ(desk)["EMS_UNIT"] == "demo.desk-01"


def test_a_scene_and_its_plan_agree_on_when_the_seat_is_empty(tmp_path: Path, store: Store) -> None:
    """The sitting is planned once, begins when the seats are empty no more, and says so to the desks, whose scenes get
    the same instant; a start into that opening keeps to it, and one into a sitting that goes on says no such time: it
    would be of the seats of candidates."""
    desks = [DemoDesk(name="desk-01", seat="A1", camera="demo:steady")]
    now_ms = 1_800_000_000_000
    with store.write() as connection:
        intake.add_unit(connection, desks[0].unit, "0" * 64, now_ms)
    empty = centre.empty_time(store, desks, now_ms)
    assert empty == (now_ms, now_ms + centre.OPENING_MS)
    for later_ms in (900, 2_000, 14_000, 16_000, 60_000):
        centre.seat_new_units(store, desks, now_ms + later_ms, empty)
    (sitting,) = rows(store, "select * from sittings")
    assert sitting["start_utc_ms"] == empty[1]
    assert planned(store) == empty
    made = made_in(tmp_path)
    assert made.desk_environ(desks[0], empty[1])["CAMERA_DEVICE"] == f"demo:steady@{empty[1]}"
    for again_ms, expected in ((now_ms + 10_000, empty), (now_ms + centre.OPENING_MS, None), (now_ms + 600_000, None)):
        again = centre.empty_time(store, desks, again_ms)
        assert again == expected
        for later_ms in (900, 2_000):
            centre.seat_new_units(store, desks, again_ms + later_ms, again)
        assert [row["sitting"] for row in rows(store, "select * from sittings")] == [sitting["sitting"]]
        assert planned(store) == empty
    over_ms = sitting["end_utc_ms"] - 5_000
    late = centre.empty_time(store, desks, over_ms)
    assert late == (over_ms, over_ms + centre.OPENING_MS)
    for later_ms in (900, 6_000, 16_000):
        centre.seat_new_units(store, desks, over_ms + later_ms, late)
    first, second = rows(store, "select * from sittings order by start_utc_ms")
    assert (first["empty_from_utc_ms"], first["empty_until_utc_ms"]) == empty
    assert second["start_utc_ms"] == late[1]
    assert planned(store) == late


def test_the_exam_day_is_there_from_the_first_minute(store: Store) -> None:
    """A paper with day, zone and profile, every seat on the map, and a roster of numbers, one with extra time; a second
    start changes nothing, and nothing that a person changed."""
    desks = centre.desks(None, None, None)
    now_ms = 1_800_000_000_000
    with store.write() as connection:
        for desk in desks:
            intake.add_unit(connection, desk.unit, desk.name.ljust(64, "0"), now_ms)
    empty = (now_ms, now_ms + centre.OPENING_MS)
    for later_ms in (0, 1_000, 60_000):
        exam_day.set_up(store, desks, "Europe/Paris", now_ms + later_ms)
        centre.seat_new_units(store, desks, now_ms + later_ms, empty)
        exam_day.fill_roster(store, desks, now_ms + later_ms)
    with store.read() as connection:
        exam = exams.one(connection, centre.EXAM)
        (sitting,) = exams.sittings_of(connection)
        people = roster.candidates(connection, sitting.sitting)
    assert exam is not None
    assert (exam.paper, exam.day, exam.zone) == (exam_day.PAPER, "2027-01-15", "Europe/Paris")
    placed = rows(store, "select label, map_x, map_y from seats order by label")
    assert [tuple(seat.values()) for seat in placed] == [
        (f"{letter}{x + 1}", x, y) for y, letter in enumerate("AB") for x in range(3)
    ]
    assert [(each.number, each.name) for each in people] == [(f"DEMO-00{n}", "") for n in range(1, 7)]
    assert [each.seat for each in people if each.extra_ms] == ["A2"]
    assert rows(store, "select seat from seat_ends")[0]["seat"] == "A2"


def planned(store: Store) -> tuple[int | None, int | None]:
    """The time of the empty seat in the only plan there is."""
    (row,) = rows(store, "select payload from plans")
    (sitting,) = msgspec.json.decode(row["payload"], type=Plan).sittings
    return sitting.empty_from_utc_ms, sitting.empty_until_utc_ms


def test_nobody_says_when_a_film_shows_an_empty_seat(tmp_path: Path, store: Store) -> None:
    """With one film or camera among the desks no time is named: a person would be learned as the empty seat."""
    desks = [DemoDesk(name=f"desk-0{n}", seat=f"A{n}", camera=what) for n, what in ((1, "demo:steady"), (2, "0"))]
    assert centre.empty_time(store, desks, 1) is None
    made = made_in(tmp_path)
    assert made.desk_environ(desks[0], None)["CAMERA_DEVICE"] == "demo:steady"
    assert made.desk_environ(desks[1], 5)["CAMERA_DEVICE"] == "0"


def test_the_secret_key_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    """Log-ins survive a restart; nobody else on the machine reads the key."""
    key = centre.secret_key(tmp_path)
    assert len(key) == 64
    assert centre.secret_key(tmp_path) == key
    assert (tmp_path / "hub" / "secret_key").stat().st_mode & 0o077 == 0


# --- children -------------------------------------------------------------------------------------------------------

UNTIL_TERM = (
    "import signal, sys, pathlib\n"
    "def end(*_):\n"
    "    with open(sys.argv[1], 'a') as file: print(sys.argv[2], file=file)\n"
    "    sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, end)\n"
    "print('ready', flush=True)\n"
    "while True: signal.pause()\n"
)


@pytest.fixture
def children(tmp_path: Path) -> Iterator[list[Child]]:
    """Four processes that write their name when they are asked to end."""
    made = [
        Child(name, [sys.executable, "-c", UNTIL_TERM, str(tmp_path / "order"), name], os.environ, tmp_path / name)
        for name in ("desk", "web", "ingest", "broker")
    ]
    for child in made:
        child.start()
    wait_for(lambda: all(child.last_words() == "ready" for child in made))
    yield made
    stop_in_order([made])


def test_each_group_has_ended_before_the_next_is_asked(tmp_path: Path, children: list[Child]) -> None:
    """Desks hand over what they have while the hub lives; the broker goes last."""
    stop_in_order([[child] for child in children])
    assert (tmp_path / "order").read_text().split() == ["desk", "web", "ingest", "broker"]
    assert not any(child.is_alive() for child in children)


def test_a_child_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, children: list[Child]
) -> None:
    """One that hangs does not keep the others from being stopped."""
    monkeypatch.setattr("hub.demo.children._STOP_TIMEOUT_S", 0.2)
    deaf = Child(
        "deaf",
        [
            sys.executable,
            "-c",
            "import signal; signal.signal(15, signal.SIG_IGN); print('ready', flush=True)\nwhile True: signal.pause()",
        ],
        os.environ,
        tmp_path / "deaf",
    )
    deaf.start()
    wait_for(lambda: deaf.last_words() == "ready")
    stop_in_order([[deaf], children])
    assert not deaf.is_alive()
    assert not any(child.is_alive() for child in children)


def test_a_child_that_died_says_why_and_is_started_again(tmp_path: Path) -> None:
    """Its last words are the last line of its log, which goes on from start to start."""
    child = Child(
        "short", [sys.executable, "-c", "print('one'); raise SystemExit('no camera')"], os.environ, tmp_path / "l"
    )
    for starts in (1, 2):
        child.start()
        wait_for(lambda: not child.is_alive())
        assert (child.last_words(), child.starts) == ("no camera", starts)
    assert (tmp_path / "l").read_text().count("no camera") == 2


def test_no_child_outlives_a_killed_parent(tmp_path: Path) -> None:
    """kill -9 of the command leaves nothing behind: the kernel ends the children."""
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, sys, pathlib\n"
            "from hub.demo.children import Child\n"
            "folder = pathlib.Path(sys.argv[1])\n"
            "made = [Child(n, [sys.executable, '-c', sys.argv[2], str(folder / 'order'), n], os.environ, folder / n)"
            " for n in 'ab']\n"
            "for child in made: child.start()\n"
            "print(*[child.pid for child in made], flush=True)\n"
            "sys.stdin.read()\n",
            str(tmp_path),
            UNTIL_TERM,
        ],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        wait_for(lambda: all((tmp_path / name).exists() and "ready" in (tmp_path / name).read_text() for name in "ab"))
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert len(pids) == 2
    wait_for(lambda: not any(is_running(pid) for pid in pids))


def is_running(pid: int) -> bool:
    """Whether there is such a process that is not merely waiting to be collected."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in ("Z", "X")


# --- the table ------------------------------------------------------------------------------------------------------


def shown(desks: list[DemoDesk], beats: dict[str, tuple[str, int]], now_ms: int, notes: list[str]) -> str:
    console = Console(width=160, record=True, file=open(os.devnull, "w"))
    try:
        console.print(table_of(desks, beats, now_ms, notes))
        return console.export_text()
    finally:
        console.file.close()


def test_the_table_says_what_the_heartbeat_says() -> None:
    """State, rates, faces, lamp, spool and recorded time; a reading that nobody has is a dash; an old beat is late."""
    desks = [DemoDesk(name=f"desk-{n:02d}", seat=f"A{n}", camera="demo:steady") for n in (1, 2, 3)]
    beat = Heartbeat(
        boot=1,
        now=Instant(1, 1),
        is_clock_ok=True,
        state="recording",
        faces=None,
        vision_slowed="hot: 78 degrees Celsius",
        capture_fps=14.96,
        recorded_s=3723.4,
        spool=42,
        lamp=Lamp(pattern="attention", colour="#ff0000"),
    )
    text = msgspec.json.encode(beat).decode()
    one, two, three = (
        line
        for line in shown(
            desks, {"demo.desk-01": (text, 98_000), "demo.desk-02": (text, 80_000)}, 100_000, []
        ).splitlines()
        if "desk-" in line
    )
    for word in ("recording", "15.0", "attention", "42", "1:02:03", " - ", "looks slowed, hot: 78 degrees Celsius"):
        assert word in one
    assert "late 20 s" in two
    assert "starting" in three


def test_the_table_survives_any_name_and_any_last_words() -> None:
    """A film or a log line in square brackets is no markup, and never ends the command that shows it."""
    desks = [DemoDesk(name="desk-01", seat="A1", camera="footage:/films/[red]a.mp4")]
    text = shown(desks, {}, 0, ["desk-01 died: [/dev/video0 @ 0x55] [red]no"])
    assert "[red]a" in text
    assert "[/dev/video0 @ 0x55] [red]no" in text
