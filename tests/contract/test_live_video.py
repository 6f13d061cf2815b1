"""Live video over a real broker: the link sends the newest or nothing, ingest asks for it and hands it on."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import wire
from agent.wire import CommandKind
from hub.live_video import VideoFolder
from hub.store import Store
from tests.brokers import Broker
from tests.contract.desk_side import Desk as DeskSide
from tests.contract.desk_side import fault
from tests.contract.hub_side import HubSide
from tests.hub.desk import Desk, DeskLink, alert
from tests.hub.hubs import ingesting, rows, settings_for, value
from tests.hub.seed import jpeg, now_ms
from tests.hub.test_jpeg import claiming
from tests.support import wait_for


def still(data: bytes, up_ms: int = 1) -> wire.Still:
    note = wire.StillNote(boot=1, at=wire.Instant(now_ms(), up_ms), sha256=wire.sha256_hex(data))
    return wire.Still(note, data)


# --- the desk's link ------------------------------------------------------------------------------------------------


def test_a_picture_goes_out_at_once_and_none_without_a_connection(tmp_path: Path, broker: Broker) -> None:
    with HubSide(broker) as hub, DeskSide.at(broker, tmp_path / "desk").connected() as desk:
        wait_for(lambda: desk.link.publish_live(still(jpeg(1))))
        wait_for(lambda: [one.jpeg for one in hub.all_of("live")] == [jpeg(1)])
        broker.stop()
        wait_for(lambda: desk.link.disconnected_since)
        assert not desk.link.publish_live(still(jpeg(2)))


def test_pictures_do_not_queue_before_a_broker_that_takes_nothing(tmp_path: Path, mosquitto_broker: Broker) -> None:
    """The broker stands still: after some pictures every further one is dropped, and what was kept back neither here
    nor in the kernel grows. A record sealed meanwhile arrives when the broker goes on, behind few of them."""
    with HubSide(mosquitto_broker) as hub, DeskSide.at(mosquitto_broker, tmp_path / "desk").connected() as desk:
        large = b"\xff\xd8" + os.urandom(47_000)
        wait_for(lambda: desk.link.publish_live(still(large)))
        taken = 0

        def is_taken() -> bool:
            nonlocal taken
            taken += (is_sent := desk.link.publish_live(still(large)))
            return is_sent

        os.kill(mosquitto_broker.pid, signal.SIGSTOP)
        try:
            # the kernel of a stopped broker goes on acknowledging until its own buffer is full, now and then one more
            wait_for(lambda: not any(is_taken() for _ in range(100)))
        finally:
            os.kill(mosquitto_broker.pid, signal.SIGCONT)
        assert taken < 150
        record = desk.append(fault(1))
        wait_for(lambda: record.key in hub.records)


# --- ingest ---------------------------------------------------------------------------------------------------------


class Viewer:
    """Marks a unit as watched, as the web does, until it is closed."""

    def __init__(self, folder: VideoFolder, unit: str) -> None:
        self._folder, self._unit = folder, unit
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._mark)
        self._thread.start()

    def _mark(self) -> None:
        while not self._is_over.wait(0.2):
            self._folder.mark(self._unit, now_ms())

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()
        self._folder.unmark(self._unit)


@pytest.fixture
def hall(tmp_path: Path, mosquitto_broker: Broker) -> Iterator[tuple[VideoFolder, Store]]:
    """A running ingest, its live folder and its store."""
    store = Store(tmp_path / "hub.db")
    with ingesting(settings_for(tmp_path, mosquitto_broker)):
        folder = VideoFolder(tmp_path / "live")
        folder.make()
        yield folder, store
    store.close()


def shows(link: DeskLink) -> list[wire.Command]:
    return [command for command in link.commands if command.name is CommandKind.SHOW_LIVE]


def test_a_watched_desk_is_asked_and_its_newest_picture_is_there(
    hall: tuple[VideoFolder, Store], mosquitto_broker: Broker
) -> None:
    """Not before somebody watches; again and again while somebody does, each time for seconds; and when nobody does any
    more the picture is gone. Nothing of it is in the store."""
    folder, store = hall
    with DeskLink(mosquitto_broker, Desk()) as link:
        wait_for(lambda: value(store, "select count(*) from units") == 1)
        link.say("live", still(jpeg(1)))
        viewer = Viewer(folder, link.desk.unit)
        try:
            wait_for(lambda: shows(link))
            assert 5_000 < shows(link)[0].expires_utc_ms - now_ms() <= 10_000
            before = value(store, "select count(*) from records"), store.data_version()
            for number in range(2, 8):
                link.say("live", still(jpeg(number)))
                wait_for(lambda n=number: (found := folder.newest("c1.d1", 0)) and found.jpeg == jpeg(n))  # type: ignore[misc]
            wait_for(lambda: len(shows(link)) >= 2)
            assert (value(store, "select count(*) from records"), store.data_version()) == before
        finally:
            viewer.close()
        wait_for(lambda: folder.newest("c1.d1", 0) is None)
        link.say("live", still(jpeg(9)))
        link.say("record", link.desk.seal(alert("a1")))
        wait_for(link.is_done)
        assert folder.newest("c1.d1", 0) is None
        assert rows(store, "select * from rejected") == []


def test_a_stranger_and_a_revoked_unit_are_not_shown(hall: tuple[VideoFolder, Store], mosquitto_broker: Broker) -> None:
    """Neither is asked, and what they send all the same is refused with the reason."""
    folder, store = hall
    with (
        DeskLink(mosquitto_broker, Desk("c1.gone")) as gone,
        DeskLink(mosquitto_broker, Desk("c1.stranger"), has_birth=False) as stranger,
        DeskLink(mosquitto_broker, Desk()) as link,
    ):
        wait_for(lambda: value(store, "select count(*) from units") == 2)
        viewers = [Viewer(folder, unit) for unit in ("c1.gone", "c1.stranger", "c1.d1")]
        try:
            wait_for(lambda: shows(gone) and shows(link))
            gone.say("live", still(jpeg(1)))
            wait_for(lambda: folder.newest("c1.gone", 0))
            with store.write() as connection:
                connection.execute("update units set is_revoked = 1 where unit = 'c1.gone'")
            wait_for(lambda: folder.newest("c1.gone", 0) is None)
            gone.say("live", still(jpeg(2)))
            stranger.say("live", still(jpeg(3)))
            wait_for(lambda: value(store, "select count(*) from rejected") == 2)
            asked = len(shows(gone))
            wait_for(lambda: len(shows(link)) >= 3)
            assert len(shows(gone)) == asked
            assert shows(stranger) == []
            assert folder.newest("c1.gone", 0) is None
            assert folder.newest("c1.stranger", 0) is None
        finally:
            for viewer in viewers:
                viewer.close()
    reasons = {row["reason"] for row in rows(store, "select reason from rejected")}
    assert reasons == {"the unit is revoked", "unit not known yet"}


def test_hostile_pictures_harm_nobody(hall: tuple[VideoFolder, Store], mosquitto_broker: Broker) -> None:
    """No picture, another picture's hash, a picture that claims to be huge: none is shown, each kind is refused with
    its reason, and a good one is shown after all of them."""
    folder, store = hall
    good = jpeg(5)
    forged = wire.encode(still(good))[:-4] + b"abcd"
    hostile = [b"", b"\n", os.urandom(60_000), b"{}\n" + good, forged, wire.encode(still(claiming(65_535, 65_535)))]
    hostile += [wire.encode(still(b"\xff\xd8" + b"\0" * 100))]
    with DeskLink(mosquitto_broker, Desk()) as link:
        wait_for(lambda: value(store, "select count(*) from units") == 1)
        viewer = Viewer(folder, link.desk.unit)
        try:
            wait_for(lambda: shows(link))
            for number, payload in enumerate(hostile * 5):
                link.say_raw(wire.up_topic(link.desk.unit, "live"), payload, qos=number // len(hostile) % 2)
            link.say_raw(wire.up_topic(link.desk.unit, "live"), wire.encode(still(jpeg(6))), qos=1)
            link.say("record", link.desk.seal(alert("a1")))
            wait_for(link.is_done)
            assert folder.newest("c1.d1", 0) is None
            link.say("live", still(good))
            wait_for(lambda: (found := folder.newest("c1.d1", 0)) and found.jpeg == good)
        finally:
            viewer.close()
    reasons = " ".join(row["reason"] for row in rows(store, "select distinct reason from rejected"))
    for words in ("65535 by 65535 pixels", "how large it is", "whose hash", "without its note"):
        assert words in reasons, words


def test_what_a_broker_kept_is_not_shown_as_live(tmp_path: Path, mosquitto_broker: Broker) -> None:
    """A retained picture, handed to ingest when it connects, is of some other time."""
    folder, store = VideoFolder(tmp_path / "live"), Store(tmp_path / "hub.db")
    folder.make()
    with DeskLink(mosquitto_broker, Desk()) as link:
        link.say("live", still(jpeg(1)), is_retained=True)
        viewer = Viewer(folder, link.desk.unit)
        try:
            with ingesting(settings_for(tmp_path, mosquitto_broker)):
                wait_for(lambda: shows(link))
                link.say("record", link.desk.seal(alert("a1")))
                wait_for(link.is_done)
                assert folder.newest("c1.d1", 0) is None
        finally:
            viewer.close()
            store.close()
