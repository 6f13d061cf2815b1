"""`python -m hub.demo`: start a whole centre on this machine, show it, and stop it cleanly on Ctrl-C."""

from __future__ import annotations

import fcntl
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.live import Live

from hub.demo import broker, centre, exam_day
from hub.demo.centre import CannotStart, Centre, DemoDesk
from hub.demo.children import Child, ChildFailed, stop_in_order
from hub.demo.table import table_of
from hub.enrolment import AuthorityProblem
from hub.store import Store, StoreProblem, planning
from hub.store.planning import Stretch
from hub.supervision import set_at_signals

READY_WITHIN_S = 60.0
STARTS_ALLOWED = 20
"""How often a process is started before it is left alone: one that cannot live must not be started for ever."""
NOTE_MS = 30_000


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Running:
    """The processes of a running centre and what the terminal shows of them."""

    def __init__(self, made: Centre, desks: list[DemoDesk], store: Store) -> None:
        self.made, self.desks, self.store = made, desks, store
        self.broker, self.hub = made.hub_children()
        self._listed_ns = 0
        self.agents: list[Child] = []
        self._empty: Stretch | None = None
        self.stopping = threading.Event()
        self._notes: list[tuple[int, str]] = []

    def start(self) -> None:
        """Broker first, desks last; each step waits until the one before answers. Raises ChildFailed."""
        self.broker.start()
        self._wait(self.broker, lambda: _listens(self.made.ports.broker))
        for child in self.hub:
            child.start()
        if self.made.broker.is_trusted:
            self._wait(self.hub[-2], lambda: _listens(self.made.ports.door))
        self._wait(self.hub[-1], lambda: _listens(self.made.web_port))
        exam_day.set_up(self.store, self.desks, centre.zone(), _now_ms())
        # counted from here, not from the start of the command: until now nobody could learn anything
        self._empty = centre.empty_time(self.store, self.desks, _now_ms())
        self.agents = self.made.agents(self.desks, None if self._empty is None else self._empty[1])
        for child in self.agents:
            child.start()

    def _wait(self, child: Child, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_WITHIN_S  # noqa: TID251 - waiting for another process
        while not is_ready():
            if not child.is_alive():
                raise ChildFailed(f"{child.name} did not start: {child.last_words()}")
            if time.monotonic() > deadline:  # noqa: TID251
                raise ChildFailed(f"{child.name} did not answer within {READY_WITHIN_S:.0f} s: {child.last_words()}")
            if self.stopping.wait(0.1):
                raise ChildFailed("stopped before it was ready")

    def tend(self) -> list[str]:
        """Seat new units, start again what died; the sentences to show under the table for a while."""
        now_ms = _now_ms()
        centre.let_in(self.store, self.desks, now_ms)
        centre.seat_new_units(self.store, self.desks, now_ms, self._empty)
        exam_day.fill_roster(self.store, self.desks, now_ms)
        self._follow_revoked()
        for child in (self.broker, *self.hub, *self.agents):
            if child.is_alive() or child.starts > STARTS_ALLOWED:
                continue
            again = "started again" if child.starts < STARTS_ALLOWED else "given up, see its log"
            self._notes.append((now_ms + NOTE_MS, f"{child.name} ended and is {again}: {child.last_words()}"))
            if child.starts < STARTS_ALLOWED:
                child.start()
            else:
                child.starts += 1
        self._notes = [(until, note) for until, note in self._notes if until > now_ms]
        return [note for _, note in self._notes]

    def _follow_revoked(self) -> None:
        """Let mosquitto read a new list of revoked certificates, as the path unit of a centre does."""
        if not self.made.broker.is_trusted:
            return
        listed_ns = self.made.ca.revoked.stat().st_mtime_ns
        if self._listed_ns not in (0, listed_ns):
            self.broker.tell(signal.SIGHUP)
        self._listed_ns = listed_ns

    def stop(self) -> None:
        ingest, *others = self.hub
        stop_in_order([self.agents, others, [ingest], [self.broker]])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _only_one(var: Path) -> Iterator[None]:
    var.mkdir(parents=True, exist_ok=True)
    with (var / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotStart(f"a centre is running on {var} already; stop it first, or use --var") from None
        yield


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CannotStart(
                f"port {port} cannot be used ({error.strerror}); choose another: make run PORT=8080"
            ) from None


def _say_start(console: Console, made: Centre, log_ins: list[tuple[str, str]]) -> None:
    console.print()
    console.print(f"  The centre is open at [bold]http://127.0.0.1:{made.web_port}/[/bold]")
    for name, password in log_ins:
        console.print(f"  log in as [bold]{name}[/bold] with the password [bold]{password}[/bold]", highlight=False)
    console.print(f"  {_says_how(made)}; data in {made.var}", style="dim", highlight=False, soft_wrap=True)
    console.print("  Ctrl-C stops everything; the next start goes on with the same data.", style="dim")
    console.print()


def _says_how(made: Centre) -> str:
    if made.broker.is_trusted:
        return (
            "broker: mosquitto over TLS, desks enrolled with certificates (approved here by make run itself); film of "
            "incidents goes to the hub at once"
        )
    return (
        f"broker: {made.broker.name}, without encryption and without enrolment, on this machine only: film stays on "
        "the desks (with mosquitto installed, desks enrol, speak TLS and send their film)"
    )


def _watch(running: Running, console: Console) -> None:
    """The table, twice a second on a terminal; into a file only the last one."""
    beats: dict[str, tuple[str, int]] = {}
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while not running.stopping.wait(0.5):
            notes = running.tend()
            with running.store.read() as connection:
                beats = planning.heartbeats(connection)
            if console.is_terminal:
                live.update(table_of(running.desks, beats, _now_ms(), notes), refresh=True)
        live.update(table_of(running.desks, beats, _now_ms(), []), refresh=True)


def _run(made: Centre, desks: list[DemoDesk], store: Store, console: Console) -> None:
    try:
        log_ins = centre.make_log_ins(store, _now_ms())
        running = Running(made, desks, store)
        set_at_signals(running.stopping)
        try:
            running.start()
            _say_start(console, made, log_ins)
            _watch(running, console)
        finally:
            console.print("\nStopping: desks close their recordings and hand over what they have ...")
            running.stop()
            shutil.rmtree(made.live, ignore_errors=True)
    finally:
        store.close()
    console.print("Stopped.")


@click.command()
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65_535), help="port of the web pages")
@click.option("--footage", type=click.Path(path_type=Path), help="a folder of video files, one desk each")
@click.option("--camera", help="this computer's camera as one more desk: 0, or /dev/video0")
@click.option("--desks", "count", type=click.IntRange(1, 60), help="how many desks")
@click.option(
    "--broker",
    "wanted",
    type=click.Choice(["any", "mosquitto", "embedded"]),
    default="any",
    show_default=True,
    help="which broker; any: mosquitto if it is installed",
)
@click.option("--var", default="var", type=click.Path(path_type=Path), show_default=True, help="the data folder")
def main(port: int, footage: Path | None, camera: str | None, count: int | None, wanted: str, var: Path) -> None:
    """A whole exam centre on this machine: broker, hub and desks."""
    console = Console()
    try:
        desks = centre.desks(footage, camera, count)
        var = var.resolve()
        with _only_one(var):
            _check_port(port)
            ports, ca = centre.ports(var), centre.ca_of(var)
            chosen = broker.choose(var / "broker", ca, ports.broker, wanted)
            store = Store(centre.database_of(var))
            made = Centre(
                var=var,
                web_port=port,
                ports=ports,
                broker=chosen,
                secret_key=centre.secret_key(var),
                fingerprint=centre.make_authority(store, ca, _now_ms()) if chosen.is_trusted else "",
            )
            _run(made, desks, store, console)
    except (CannotStart, ChildFailed, broker.NoBroker, AuthorityProblem, StoreProblem, OSError) as problem:
        console.print(f"make run: {problem}", style="bold red", highlight=False, soft_wrap=True, markup=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
