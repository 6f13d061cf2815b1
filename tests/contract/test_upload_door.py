"""Film at the hub's door, a real process over TLS: every answer it gives to desks that send, or cheat."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import wire_door
from agent.wire import SittingState
from hub.evidence.storage import LocalStorage
from tests.hub.desk import Desk
from tests.hub.doors import Hub, door_process
from tests.hub.films import keep
from tests.hub.hubs import rows, value
from tests.hub.senders import Sender, announced, code_of, state_of
from tests.support import wait_for

DATA = random.Random(1).randbytes(3_000_000)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    made = Hub(tmp_path_factory.mktemp("hub"))
    with door_process(made):
        yield made
    made.store.close()


@pytest.fixture
def sender(hub: Hub, request: pytest.FixtureRequest) -> Sender:
    """A unit of this test's own."""
    number = value(hub.store, "select count(*) from units")
    return Sender(hub, f"hall.desk-{number}")


def storage(hub: Hub) -> LocalStorage:
    return LocalStorage(Path(hub.settings.storage_path) / "film")


def parts(hub: Hub, sender: Sender) -> list[Path]:
    return sorted((Path(hub.settings.storage_path) / "incoming" / sender.desk.unit).glob("*"))


# --- the way it goes ------------------------------------------------------------------------------------------------


def test_film_comes_in_pieces_and_is_the_hubs(hub: Hub, sender: Sender) -> None:
    """Byte-identical in the storage, confirmed once all of it is there, and nothing unfinished is left."""
    made = sender.film(DATA)
    assert state_of(sender.offer(made)) == wire_door.SegmentState(state="wanted", offset=0)
    assert state_of(sender.send(made, 0, DATA[:1_000_000])).offset == 1_000_000
    assert value(hub.store, "select stored_utc_ms from segments where unit = ?", sender.desk.unit) is None
    assert storage(hub).size_bytes(made.closed.sha256) is None
    assert sender.send_all(made) == wire_door.SegmentState(state="confirmed", offset=len(DATA))
    assert storage(hub).read(made.closed.sha256) == DATA
    assert value(hub.store, "select stored_utc_ms from segments where unit = ?", sender.desk.unit) > 0
    assert parts(hub, sender) == []


def test_an_offer_may_be_repeated_at_any_time(hub: Hub, sender: Sender) -> None:
    """It tells where the hub stands, and of a finished film that it is confirmed."""
    made = sender.film(DATA[:500_000])
    for offset in (0, 100_000, 200_000):
        assert state_of(sender.offer(made)).offset == offset
        assert state_of(sender.offer(made)).offset == offset
        sender.send(made, offset, made.data[offset : offset + 100_000])
    assert sender.send_all(made).state == "confirmed"
    assert state_of(sender.offer(made)).state == "confirmed"


def test_equal_film_of_another_desk_needs_its_own_bytes(hub: Hub, sender: Sender) -> None:
    """That the hub has such a file does not make one desk's film out of another's; they share the file."""
    other = Sender(hub, f"{sender.desk.unit}-b")
    one, two = sender.film(DATA[:10_000]), other.film(DATA[:10_000])
    sender.send_all(one)
    assert state_of(other.offer(two)).state == "wanted"
    assert other.send_all(two).state == "confirmed"
    assert value(hub.store, "select count(*) from blobs where sha256 = ?", one.closed.sha256) == 1


def test_a_purged_film_is_not_wanted_again(hub: Hub, sender: Sender) -> None:
    """Nor is a piece of it taken."""
    made = sender.film(DATA[:10_000])
    sender.send_all(made)
    with hub.store.write() as connection:
        connection.execute("update segments set purged_utc_ms = 1 where unit = ?", [sender.desk.unit])
    assert state_of(sender.offer(made)).state == "purged"
    assert state_of(sender.send(made, 0, made.data)).state == "purged"
    assert parts(hub, sender) == []


def test_film_that_the_storage_has_lost_is_wanted_again(hub: Hub, sender: Sender) -> None:
    """A desk that still offers it has it."""
    made = sender.film(DATA[:20_000])
    sender.send_all(made)
    storage(hub).delete(made.closed.sha256)
    assert sender.send_all(made).state == "confirmed"
    assert storage(hub).read(made.closed.sha256) == made.data


# --- each refusal its own -------------------------------------------------------------------------------------------


def test_no_film_before_its_record(hub: Hub, sender: Sender) -> None:
    """The desk sends the record first, and asks again."""
    made = sender.film(DATA[:1_000])
    assert code_of(sender.offer(made, seq=99)) == (404, "record_missing")
    assert code_of(sender.send(made, 0, made.data, seq=99)) == (404, "record_missing")


@pytest.mark.parametrize("changes", [{"sha256": "ab" * 32}, {"size_bytes": 999}, {"name": "segment-000009.ts"}])
def test_another_film_under_a_known_record_is_a_security_event(
    hub: Hub, sender: Sender, changes: dict[str, object]
) -> None:
    """Refused, nothing changed, and people see it."""
    made = sender.film(DATA[:1_000])
    assert code_of(sender.offer(made, **changes)) == (409, "other_segment")
    events = rows(hub.store, "select kind, detail from security_events where unit = ?", sender.desk.unit)
    assert [event["kind"] for event in events] == ["other_segment"]
    assert parts(hub, sender) == []
    assert sender.send_all(made).state == "confirmed"


def test_a_record_of_another_kind_is_no_film(hub: Hub, sender: Sender) -> None:
    """The name (unit, boot, seq) is taken by something else for ever."""
    made = sender.film(DATA[:1_000])
    keep(hub.store, sender.desk, sender.desk.seal(SittingState(sitting="s1", seat="12", state="ended", plan=1)))
    assert code_of(sender.offer(made, seq=2)) == (409, "other_segment")


def test_a_wrong_offset_is_told_with_the_right_one(hub: Hub, sender: Sender) -> None:
    """Before, behind, and once more after it has come: nothing is written twice."""
    made = sender.film(DATA[:300_000])
    sender.send(made, 0, made.data[:100_000])
    for offset in (0, 50_000, 100_001, 200_000):
        answer = sender.send(made, offset, made.data[offset : offset + 100_000])
        assert code_of(answer) == (409, "wrong_offset")
        assert "100000 bytes" in answer.trouble().words
    assert sender.send_all(made).state == "confirmed"
    assert code_of(sender.send(made, 200_000, made.data[200_000:])) == (409, "wrong_offset")
    assert storage(hub).read(made.closed.sha256) == made.data


def test_more_than_announced_is_not_kept(hub: Hub, sender: Sender) -> None:
    """Not one byte of the piece that goes beyond the end."""
    made = sender.film(DATA[:150_000])
    sender.send(made, 0, made.data[:100_000])
    assert code_of(sender.send(made, 100_000, DATA[:60_000])) == (413, "too_long")
    assert state_of(sender.offer(made)).offset == 100_000
    assert sender.send_all(made).state == "confirmed"


def test_what_is_not_what_the_record_says_is_dropped(hub: Hub, sender: Sender) -> None:
    """The last piece shows it; the desk begins anew, and the right film is taken."""
    made = sender.film(DATA[:200_000])
    sender.send(made, 0, made.data[:100_000])
    assert code_of(sender.send(made, 100_000, bytes(100_000))) == (422, "wrong_hash")
    assert parts(hub, sender) == []
    assert state_of(sender.offer(made)).offset == 0
    assert sender.send_all(made).state == "confirmed"


def test_only_who_signed_sends(hub: Hub, sender: Sender) -> None:
    """Another unit's key, another piece's signature, other bytes than those that were signed: 403, nothing written."""
    made, other = sender.film(DATA[:10_000]), Desk("hall.other")
    path = wire_door.data_path(sender.piece(made, 0, made.data))
    right = wire_door.sign(path, b"", sender.desk.key.sign)
    for sent, signature in (
        (made.data, wire_door.sign(path, b"", other.key.sign)),
        (made.data, wire_door.sign(path.replace("offset=0", "offset=1"), b"", sender.desk.key.sign)),
        (made.data, "00" * 64),
        (made.data, None),
        (bytes(10_000), right),
    ):
        assert code_of(hub.call("POST", path, sent, signature)) == (403, "bad_signature")
    assert [path.stat().st_size for path in parts(hub, sender)] in ([], [0])
    nobody = Sender(hub, "hall.nobody")
    assert code_of(nobody.send(made, 0, made.data)) == (403, "not_enrolled")
    assert code_of(nobody.offer(made)) == (403, "not_enrolled")


def test_a_revoked_unit_sends_nothing_more(hub: Hub, sender: Sender) -> None:
    """Not even the rest of what it has begun."""
    made = sender.film(DATA[:10_000])
    sender.send(made, 0, made.data[:5_000])
    hub.revoke(sender.desk.unit)
    assert code_of(sender.offer(made)) == (403, "revoked")
    assert code_of(sender.send(made, 5_000, made.data[5_000:])) == (403, "revoked")


@pytest.mark.parametrize(
    "query",
    ["", "?unit=x", "?unit=../../etc&boot=1&seq=1&offset=0&size_bytes=5&sha256=" + "0" * 64, "?boot=-1", "?%00=%ff"],
)
def test_garbage_for_a_piece_is_refused(hub: Hub, query: str) -> None:
    """Whatever stands in the query; and a piece of another length than it says, unread."""
    assert code_of(hub.call("POST", wire_door.DATA_PATH + query, b"12345", "00" * 64)) == (400, "bad_request")
    path = f"{wire_door.DATA_PATH}?unit=hall.a&boot=1&seq=1&offset=0&size_bytes=4&sha256={'0' * 64}"
    assert code_of(hub.call("POST", path, b"12345", "00" * 64)) == (400, "bad_request")


# --- who is slow, and who is many -----------------------------------------------------------------------------------


def test_a_known_desk_may_send_in_small_bits(hub: Hub, sender: Sender) -> None:
    """A slow link makes many reads of one piece: more than a stranger gets."""
    made = sender.film(DATA[:4_000])
    path = wire_door.data_path(sender.piece(made, 0, made.data))
    with announced(hub, path, sender.signature(path), 4_000) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(0, 4_000, 40):
            line.sendall(made.data[at : at + 40])
        assert b" 200 " in line.recv(1000).split(b"\r\n")[0]
    assert state_of(sender.offer(made)).state == "confirmed"


def test_a_stranger_is_answered_before_a_byte_is_read(hub: Hub, sender: Sender) -> None:
    """Who has not signed gets the answer to his announcement, and holds no thread."""
    made = sender.film(DATA[:4_000])
    path = wire_door.data_path(sender.piece(made, 0, made.data))
    with announced(hub, path, "00" * 64, 4_000) as line:
        assert b" 403 " in line.recv(1000).split(b"\r\n")[0]


def test_two_pieces_of_a_unit_do_not_mix(hub: Hub, sender: Sender) -> None:
    """While one comes, a second is told to wait; the first one counts."""
    made = sender.film(DATA[:400_000])
    path = wire_door.data_path(sender.piece(made, 0, made.data[:200_000]))

    def is_kept_apart() -> bool:
        """Once more where, on a busy machine, the second was heard before the first had begun."""
        with announced(hub, path, sender.signature(path), 200_000) as line:
            if code_of(sender.send(made, 5_000, DATA[:5_000])) != (429, "too_many"):
                return False
            try:
                line.sendall(made.data[:200_000])
                return b" 200 " in line.recv(1000).split(b"\r\n")[0]
            except OSError:
                return False

    wait_for(is_kept_apart)
    assert state_of(sender.offer(made)).offset == 200_000
    assert sender.send_all(made).state == "confirmed"


def test_many_desks_at_once_all_get_through(hub: Hub) -> None:
    """Twenty at the same time, each its own film, whoever is turned away asks again."""
    senders = [Sender(hub, f"many.desk-{number}", f"127.0.1.{number + 1}") for number in range(20)]
    films = [sender.film(DATA[number : 400_000 + number]) for number, sender in enumerate(senders)]

    def send(index: int) -> None:
        def is_done() -> bool:
            answer = senders[index].offer(films[index])
            return answer.status == 200 and senders[index].send_all(films[index], 100_000).state == "confirmed"

        wait_for(is_done, every_s=0.2)

    threads = [threading.Thread(target=send, args=(index,)) for index in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [storage(hub).size_bytes(made.closed.sha256) for made in films] == [400_000] * 20


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """As a power cut ends it: the server and its worker at once."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (process.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    process.wait(30)
    wait_for(lambda: not any(Path(f"/proc/{pid}/fd").exists() for pid in children))


# --- ends -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_door_that_ends_in_a_piece_goes_on_from_there(tmp_path: Path, number: signal.Signals) -> None:
    """What was answered for is there; the film is whole in the end, byte by byte."""
    hub = Hub(tmp_path)
    sender = Sender(hub, "hall.desk-1")
    made = sender.film(DATA)
    with door_process(hub) as process:
        assert state_of(sender.send(made, 0, DATA[:1_000_000])).offset == 1_000_000
        path = wire_door.data_path(sender.piece(made, 1_000_000, DATA[1_000_000:2_000_000]))
        with announced(hub, path, sender.signature(path), 1_000_000) as line:
            line.sendall(DATA[1_000_000:1_500_000])
            if number == signal.SIGKILL:
                kill_all(process)
            else:
                process.send_signal(number)
    with door_process(hub):
        assert state_of(sender.offer(made)).offset == 1_000_000
        assert sender.send_all(made).state == "confirmed"
        assert storage(hub).read(made.closed.sha256) == DATA
    hub.store.close()


def test_the_door_tidies_at_its_start(tmp_path: Path) -> None:
    """What nobody has gone on with for a week, and what the storage has already; the rest stays."""
    hub = Hub(tmp_path)
    sender = Sender(hub, "hall.desk-1")
    films = [sender.film(DATA[: 50_000 + number], number) for number in range(3)]
    with door_process(hub):
        sender.send_all(films[0])
        for made in films[1:]:
            sender.send(made, 0, made.data[:40_000])
    old, young = parts(hub, sender)
    week_ago_s = time.time() - 8 * 86_400
    os.utime(old, (week_ago_s, week_ago_s))
    left = old.with_name("1-1.part")
    left.write_bytes(films[0].data)
    with door_process(hub):
        wait_for(lambda: parts(hub, sender) == [young])
    hub.store.close()
