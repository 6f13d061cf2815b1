"""Film at a door whose storage is an S3 service: confirmed when the service has it, and only then."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec

from hub.evidence.storage import open_storage
from tests import s3_service
from tests.hub.doors import Hub, door_process
from tests.hub.hubs import value
from tests.hub.senders import Sender, code_of, state_of

DATA = random.Random(3).randbytes(1_500_000)


def test_film_goes_to_the_service_and_waits_while_it_refuses(tmp_path: Path) -> None:
    """Full, or keeping less than it said: the film waits at the hub, and the next offer brings it there."""
    hub = Hub(tmp_path)
    with s3_service.running() as service:
        given = service.settings(s3_bucket=service.new_bucket())
        names = ("s3_endpoint", "s3_bucket", "s3_access_key", "s3_secret_key")
        hub.settings = msgspec.structs.replace(hub.settings, **{name: getattr(given, name) for name in names})
        sender = Sender(hub, "hall.desk-1")
        made = sender.film(DATA)
        part = Path(hub.settings.storage_path) / "incoming" / "hall.desk-1" / "1-1.part"
        with door_process(hub):
            assert state_of(sender.send(made, 0, DATA[:1_000_000])).state == "wanted"
            service.fail("full", 99)
            assert code_of(sender.send(made, 1_000_000, DATA[1_000_000:])) == (507, "hub_full")
            assert part.stat().st_size == len(DATA)
            assert value(hub.store, "select stored_utc_ms from segments") is None
            service.fail("full", 0)
            service.fail("short")
            assert code_of(sender.offer(made)) == (503, "hub_unwell")
            assert value(hub.store, "select stored_utc_ms from segments") is None
            assert state_of(sender.offer(made)).state == "confirmed"
            assert not part.exists()
            log = hub.log.read_text()
            assert s3_service.SECRET_KEY not in log
            assert "Traceback" not in log
        assert open_storage(hub.settings).read(made.closed.sha256) == DATA
    hub.store.close()
