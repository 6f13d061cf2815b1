"""What the one-command centre consists of: folders, settings of each process, log-ins, seats and the sitting."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from agent.wire import DEFAULT_RULES, Mode
from hub import authority, enrolment
from hub.core.access import Role
from hub.core.audit import Deed
from hub.demo.broker import Broker, free_port, is_free
from hub.demo.children import Child
from hub.enrolment import CaFolder
from hub.passwords import generate, hash_password
from hub.store import Store, audit, certificates, enrolling, people, planning
from hub.store.audit import TERMINAL, Actor
from hub.store.planning import Stretch

MAKE_RUN = Actor("make run", TERMINAL)
ROOM = "Hall A"
EXAM = "Demonstration paper"
SITTING_MS = 3 * 3_600_000
SCRIPTS = ("steady", "leaves", "visitor", "covered", "writing", "restless")
"""The demo scenes, one for each of the first six desks."""
FILM_SUFFIXES = frozenset({".mp4", ".mkv", ".mov", ".avi", ".ts", ".webm", ".m4v"})
DEFAULT_DESKS = 6
OPENING_MS = 15_000
"""Six desks on two cores show their first picture within three seconds; the rest is for slower machines, and for
learning the empty seats."""
STORAGE_LOW_BYTES = 1_000_000_000


class CannotStart(Exception):
    """One clear line about what is missing; nothing was started."""


class DemoDesk(Struct, frozen=True):
    """One desk of the demonstration: `camera` is its CAMERA_DEVICE."""

    name: str
    seat: str
    camera: str

    @property
    def unit(self) -> str:
        return f"demo.{self.name}"

    @property
    def is_scene(self) -> bool:
        return self.camera.startswith("demo:")

    @property
    def camera_words(self) -> str:
        kind, _, what = self.camera.partition(":")
        return f"camera {kind}" if not what else Path(what).stem if kind == "footage" else what


class Ports(Struct, frozen=True):
    """Kept from start to start: desks remember where their hub is."""

    broker: int
    door: int


class Centre(Struct, frozen=True, kw_only=True):
    """Where everything lies and listens."""

    var: Path
    web_port: int
    ports: Ports
    broker: Broker
    secret_key: str
    fingerprint: str

    @property
    def live(self) -> Path:
        """Newest stills: in memory where the machine has a tmpfs for it, told apart by user and port."""
        shm = Path("/dev/shm")  # noqa: S108 - pictures here are for the next second only
        name = f"ems-demo-{os.getuid()}-{self.web_port}"
        return shm / name if os.access(shm, os.W_OK) else self.var / "live"

    def hub_environ(self) -> dict[str, str]:
        return {
            **_inherited(),
            "APP_ENV": "development",
            "SECRET_KEY": self.secret_key,
            "DATABASE_URL": f"sqlite:///{self.database}",
            "STORAGE_PATH": str(self.var / "hub" / "storage"),
            "EMS_LIVE_PATH": str(self.live),
            "EMS_BROKER_PORT": str(self.ports.broker),
            "EMS_BROKER_PROTOCOL": str(self.broker.protocol),
            "EMS_BROKER_TLS": str(self.broker.is_trusted).lower(),
            "EMS_CA_PATH": str(self.ca.path),
            "EMS_DOOR_PORT": str(self.ports.door),
            "EMS_WEB_PORT": str(self.web_port),
            "EMS_ZONE": zone(),
            # where nothing is encrypted, no desk can enrol
            "EMS_TRUST_NEW_UNITS": str(not self.broker.is_trusted).lower(),
            # desks and hub share this machine's clock
            "EMS_IS_CLOCK_TRUSTED": "true",
        }

    @property
    def ca(self) -> CaFolder:
        return ca_of(self.var)

    @property
    def database(self) -> Path:
        return database_of(self.var)

    def desk_environ(self, desk: DemoDesk, opens_utc_ms: int | None = None) -> dict[str, str]:
        """`opens_utc_ms`: until then a scene's seat is empty."""
        is_empty_first = opens_utc_ms is not None and desk.is_scene
        return {
            **_inherited(),
            "APP_ENV": "development",
            "EMS_UNIT": desk.unit,
            "STORAGE_PATH": str(self.var / "desks" / desk.name),
            "CAMERA_DEVICE": f"{desk.camera}@{opens_utc_ms}" if is_empty_first else desk.camera,
            **self._way_to_the_hub(),
            "EMS_STORAGE_LOW_BYTES": str(STORAGE_LOW_BYTES),
            # desks and hub share this machine's clock, so no desk can be off from the hub
            "EMS_IS_CLOCK_TRUSTED": "true",
        }

    def _way_to_the_hub(self) -> dict[str, str]:
        if self.broker.is_trusted:
            return {
                "EMS_HUB": "127.0.0.1",
                "EMS_CA_FINGERPRINT": self.fingerprint,
                "EMS_DOOR_PORT": str(self.ports.door),
            }
        return {"EMS_BROKER_PORT": str(self.ports.broker), "EMS_BROKER_PROTOCOL": str(self.broker.protocol)}

    def hub_children(self) -> tuple[Child, list[Child]]:
        """The broker and the hub's processes; web comes last."""
        hub, logs = self.hub_environ(), self.var / "log"
        ems_hub = [sys.executable, "-m", "hub.cli"]
        names = ["ingest", "worker", *(["door"] if self.broker.is_trusted else []), "web"]
        return (
            Child("broker", self.broker.command, _inherited(), logs / "broker.log"),
            [Child(name, [*ems_hub, name], hub, logs / f"{name}.log") for name in names],
        )

    def agents(self, desks: list[DemoDesk], opens_utc_ms: int | None) -> list[Child]:
        """The desks' processes; see `desk_environ`."""
        command, logs = [sys.executable, "-m", "agent.cli", "run"], self.var / "log"
        return [
            Child(desk.name, command, self.desk_environ(desk, opens_utc_ms), logs / f"{desk.name}.log")
            for desk in desks
        ]


def _inherited() -> dict[str, str]:
    """This process's environment without settings meant for another desk or hub; one thread for the number crunchers,
    because six desks share this machine."""
    ours = {"APP_ENV", "SECRET_KEY", "DATABASE_URL", "STORAGE_PATH", "CAMERA_DEVICE", "LOG_LEVEL", "PROCTORING_MODE"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("EMS_") and name not in ours}
    return {**kept, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}


def zone() -> str:
    """This machine's time zone by name, UTC when it does not tell."""
    try:
        target = Path("/etc/localtime").resolve(strict=True)
    except OSError:
        return "UTC"
    parts = target.parts
    return "/".join(parts[parts.index("zoneinfo") + 1 :]) if "zoneinfo" in parts else "UTC"


def secret_key(var: Path) -> str:
    """The key that signs log-ins of this data folder, made once."""
    path = var / "hub" / "secret_key"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text().strip()


def desks(footage: Path | None, camera: str | None, count: int | None) -> list[DemoDesk]:
    """The desks to run: scenes or films, and this computer's camera as one more. Raises CannotStart."""
    cameras = list(_film_cameras(footage) if footage is not None else _scene_cameras())
    if footage is None:
        wanted = DEFAULT_DESKS if count is None else count
        cameras = [cameras[index % len(cameras)] for index in range(wanted)]
    else:
        cameras = cameras[: DEFAULT_DESKS if count is None else count]
    if camera is not None:
        cameras.append(_webcam(camera))
    return [
        DemoDesk(name=f"desk-{number:02d}", seat=_seat(number), camera=device)
        for number, device in enumerate(cameras, start=1)
    ]


def _seat(number: int) -> str:
    """A1 A2 A3, B1 B2 B3, ..."""
    column, row = cell_of(number)
    return f"{chr(ord('A') + row)}{column + 1}"


def cell_of(number: int) -> tuple[int, int]:
    """Where that seat lies on the room's map: column and row, from 0."""
    row, column = divmod(number - 1, 3)
    return column + 3 * (row // 26), row % 26


def _scene_cameras() -> Iterator[str]:
    return (f"demo:{script}" for script in SCRIPTS)


def _film_cameras(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise CannotStart(f"FOOTAGE: {folder} is not a folder")
    films = sorted(path for path in folder.iterdir() if path.suffix.lower() in FILM_SUFFIXES)
    if not films:
        raise CannotStart(f"FOOTAGE: {folder} holds no video file ({', '.join(sorted(FILM_SUFFIXES))})")
    return [f"footage:{film.resolve()}" for film in films]


def _webcam(device: str) -> str:
    path = Path(f"/dev/video{device}") if device.isdigit() else Path(device)
    if not path.exists():
        found = ", ".join(sorted(str(other) for other in Path("/dev").glob("video*"))) or "none"
        raise CannotStart(f"CAMERA={device}: there is no {path}; cameras of this machine: {found}")
    return device


def ports(var: Path) -> Ports:
    """The ports of this data folder; new ones when somebody else has taken them."""
    path = var / "hub" / "ports.json"
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Ports)
        if is_free(found.broker) and is_free(found.door):
            return found
    except (OSError, msgspec.MsgspecError):
        pass
    made = Ports(broker=free_port(), door=free_port())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(made))
    return made


def database_of(var: Path) -> Path:
    return var / "hub" / "hub.db"


def ca_of(var: Path) -> CaFolder:
    return CaFolder(var / "hub" / "ca")


def make_authority(store: Store, ca: CaFolder, now_ms: int) -> str:
    """Make what is missing of the certificate authority; the fingerprint of its root. Raises AuthorityProblem."""
    with store.read() as connection:
        revoked = certificates.revoked_certificates(connection)
    enrolment.init(ca, authority.hub_names("", socket.gethostname()), lambda: revoked, now_ms)
    return authority.fingerprint(enrolment.roots(ca)[0])


def let_in(store: Store, expected: list[DemoDesk], now_ms: int) -> None:
    """Approve the requests of our own desks: in a centre a person compares the claim code first."""
    with store.read() as connection:
        seats = {desk.unit: desk.seat for desk in expected}
        asking = [request for request in enrolling.waiting(connection) if request.wanted in seats]
    for request in asking:
        with store.write() as connection:
            unit = enrolling.approve(
                connection,
                request.enrolment_id,
                who=MAKE_RUN.who,
                now_utc_ms=now_ms,
                room=ROOM,
                label=seats[request.wanted],
                unit=request.wanted,
            )
            audit.add(connection, MAKE_RUN, Deed.APPROVED_UNIT, f"unit {unit}", now_ms, {"code": request.code})


def make_log_ins(store: Store, now_ms: int) -> list[tuple[str, str]]:
    """(name, password) of a proctor and an admin; the passwords are new at every start and stored only hashed."""
    made = []
    for role in (Role.PROCTOR, Role.ADMIN):
        password = generate()
        if people.by_name(store, role) is None:
            people.add(
                store, name=role, role=role, password_hash=hash_password(password), now_utc_ms=now_ms, by=MAKE_RUN
            )
        else:
            people.set_password(store, role, hash_password(password), now_ms, MAKE_RUN)
        made.append((str(role), password))
    return made


def empty_time(store: Store, desks: list[DemoDesk], now_ms: int) -> Stretch | None:
    """When the demo's seats are empty, counted from the start of its desks; a start into the opening before keeps to
    that one. None in a sitting that goes on, whose desks know their empty seats, and when one desk shows anything but
    a scene: nobody knows what a film or a camera sees then."""
    if not all(desk.is_scene for desk in desks):
        return None
    sitting = planning.sitting_at(store, ROOM, now_ms + OPENING_MS)
    if sitting is None:
        return now_ms, now_ms + OPENING_MS
    begin_ms, end_ms = sitting["empty_from_utc_ms"], sitting["empty_until_utc_ms"]
    return (begin_ms, end_ms) if end_ms is not None and end_ms > now_ms else None


def seat_new_units(store: Store, expected: list[DemoDesk], now_ms: int, empty: Stretch | None) -> None:
    """Give each unit that has shown up its seat, and a plan for the running sitting; plan one, which begins when the
    seats are empty no more, when none runs."""
    with store.read() as connection:
        waiting = planning.unseated(connection, [desk.unit for desk in expected])
    if waiting:
        with store.write() as connection:
            for desk in expected:
                if desk.unit in waiting:
                    planning.put_seat(connection, room=ROOM, label=desk.seat, unit=desk.unit)
    planning.keep_sitting(
        store,
        room=ROOM,
        exam=EXAM,
        now_ms=now_ms,
        length_ms=SITTING_MS,
        mode=Mode.AUTOMATED,
        rules=DEFAULT_RULES,
        empty=empty,
    )
