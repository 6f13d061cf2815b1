"""`/healthz` and `/metrics`, for machines. Open without a log-in: both hold counts and times, never a name, a room, a
seat or a picture."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from flask import Blueprint, Response
from flask.typing import ResponseReturnValue
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from hub.core import board as board_core
from hub.core.board import State
from hub.core.exam_day import INGEST_SILENT_MS
from hub.store import board as store
from hub.web.clock import now_utc_ms
from hub.web.parts import Parts, parts

blueprint = Blueprint("health", __name__)

WORKER_SILENT_MS = 5_000
MIN_FREE_BYTES = 500_000_000
"""Below this the hub's disk needs a person: 500 desks' records of a day are about a tenth of it."""


@blueprint.get("/healthz")
def healthz() -> ResponseReturnValue:
    """200 when all is well, 503 when something needs a person; the body says what."""
    facts = parts().folder.facts()
    now = now_utc_ms()
    checks = {
        "store": parts().tail.is_store_readable and store.is_readable(parts().store),
        "web": parts().tail.is_alive,
        "ingest": facts is not None and abs(now - facts.get("beat_utc_ms", 0)) < INGEST_SILENT_MS,
        "broker": bool(facts and facts.get("is_connected")),
        "ingest_store": bool(facts and facts.get("is_store_well")),
        "disk": _free_bytes() >= MIN_FREE_BYTES,
    } | _worker(worker := parts().folder.worker(), now)
    body = {
        "is_well": all(checks.values()),
        "checks": checks,
        "disk_free_bytes": _free_bytes(),
        "now_utc_ms": now,
        "countersigned": worker.get("countersigned") if worker else None,
    }
    return Response(msgspec.json.encode(body), 200 if body["is_well"] else 503, mimetype="application/json")


def _worker(told: Mapping[str, Any] | None, now_utc_ms: int) -> dict[str, bool]:
    """Its checks, on a hub where it was ever started: one without certificates needs none."""
    if told is None:
        return {}
    is_fresh = abs(now_utc_ms - told.get("beat_utc_ms", 0)) < WORKER_SILENT_MS
    return {"worker": is_fresh and not told.get("trouble"), "clock": bool(told.get("is_clock_trusted"))}


@blueprint.get("/metrics")
def metrics() -> ResponseReturnValue:
    registry = CollectorRegistry()
    registry.register(_Hub(parts()))
    return Response(generate_latest(registry), mimetype="text/plain; version=0.0.4; charset=utf-8")


def _free_bytes() -> int:
    return shutil.disk_usage(parts().store.path.parent).free


class _Hub(Collector):
    """Everything at the moment of the scrape, from the board, the store and ingest's own figures."""

    def __init__(self, hub: Parts) -> None:
        self._hub = hub

    def collect(self) -> Iterable[Metric]:
        yield from self._desks()
        yield from self._totals()
        facts = self._hub.folder.facts()
        yield _gauge("ems_ingest_up", "1 while ingest's own beat is fresh", float(self._is_fresh(facts)))
        if facts is not None:
            yield from _ingest(facts)

    @staticmethod
    def _is_fresh(facts: Mapping[str, Any] | None) -> bool:
        return facts is not None and abs(now_utc_ms() - facts.get("beat_utc_ms", 0)) < INGEST_SILENT_MS

    def _desks(self) -> Iterable[Metric]:
        board = self._hub.tail.board
        states = Counter(tile["state"] for tile in board.tiles.values())
        desks = GaugeMetricFamily("ems_desks", "Seats by the state of their tile", labels=["state"])
        for state in State:
            desks.add_metric([state], states[state])
        yield desks
        presences = Counter(tile["presence"] or "no_unit" for tile in board.tiles.values())
        presence = GaugeMetricFamily("ems_desks_presence", "Seats by presence of their unit", labels=["presence"])
        for name, count in sorted(presences.items()):
            presence.add_metric([name], count)
        yield presence
        bar = board.bar
        yield _gauge(
            "ems_sittings_running", "Sittings running now", len(bar["sittings"]) if bar.get("is_running") else 0
        )
        recording = bar.get("recording", 0)
        # While nothing is heard of desks nobody knows: a zero would be a lie.
        yield _gauge("ems_seats_recording", "Seats recording now", math.nan if recording is None else recording)
        yield _gauge("ems_incidents_unreviewed", "Incidents that nobody has acknowledged", bar.get("unreviewed", 0))
        oldest = bar.get("oldest_utc_ms")
        age_s = (now_utc_ms() - oldest) / 1000 if oldest else 0.0
        yield _gauge("ems_incident_oldest_unreviewed_seconds", "Age of the oldest of them", max(age_s, 0.0))
        yield _gauge("ems_streams", "Viewers streaming now", self._hub.streams.count)
        yield self._vision()

    def _vision(self) -> Metric:
        """Over all desks: a label a desk would be 500 time series and a name of a seat's unit."""
        vision = GaugeMetricFamily(
            "ems_vision_milliseconds", "Time desks take to analyse a frame, newest heartbeats", labels=["over_desks"]
        )
        times = sorted(self._hub.tail.vision_ms)
        if times:
            for name, part in (("p50", 50), ("p95", 95), ("max", 100)):
                vision.add_metric([name], times[min(len(times) - 1, len(times) * part // 100)])
        return vision

    def _totals(self) -> Iterable[Metric]:
        totals = store.read_totals(self._hub.store)
        tables = (("alerts", totals.alerts, board_core.ALERT_WORDS), ("faults", totals.faults, board_core.FAULT_WORDS))
        for name, counts, kinds in tables:
            total = CounterMetricFamily(f"ems_{name}", f"All {name} on record", labels=["kind"])
            standing = GaugeMetricFamily(f"ems_{name}_standing", f"{name.capitalize()} standing now", labels=["kind"])
            for kind in sorted({*kinds, *counts}):
                total.add_metric([kind], counts.get(kind, (0, 0))[0])
                standing.add_metric([kind], counts.get(kind, (0, 0))[1])
            yield total
            yield standing
        incidents = GaugeMetricFamily("ems_incidents", "Incidents by state", labels=["state"])
        for state in ("open", "acknowledged", "closed"):
            incidents.add_metric([state], totals.incidents.get(state, 0))
        yield incidents
        rooms = CounterMetricFamily("ems_room_incidents", "Incidents that struck many desks of a room", labels=["kind"])
        standing = GaugeMetricFamily("ems_room_incidents_unclosed", "Those that nobody has closed", labels=["kind"])
        for kind, (ever, unclosed) in sorted(totals.room_incidents.items()):
            rooms.add_metric([kind], ever)
            standing.add_metric([kind], unclosed)
        yield rooms
        yield standing
        yield _gauge("ems_messages_rejected_kept", "Rejected messages kept", totals.rejected)
        yield _gauge("ems_conflicts_kept", "Signs of tampering kept", totals.conflicts)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)


COUNTERS = {
    "records_repeated": "Records that came again",
    "rejected": "Messages refused",
    "conflicts": "Messages that look like tampering",
    "commits": "Transactions committed",
    "dropped": "Heartbeats and stills dropped because newer ones waited",
    "plans_sent": "Plans sent",
    "commands_sent": "Commands sent",
}


def _ingest(facts: Mapping[str, Any]) -> Iterable[Metric]:
    messages = CounterMetricFamily(
        "ems_ingest_messages", "Messages committed since ingest started; its rate is the ingest rate", labels=["kind"]
    )
    for kind, count in sorted(facts.get("messages", {}).items()):
        messages.add_metric([kind], count)
    yield messages
    for name, words in COUNTERS.items():
        yield CounterMetricFamily(f"ems_ingest_{name}", words, value=facts.get(name, 0))
    yield _gauge("ems_ingest_started_seconds", "When ingest started", facts.get("started_utc_ms", 0) / 1000)
    yield _gauge(
        "ems_ingest_connected", "1 while ingest is connected to the broker", float(facts.get("is_connected", 0))
    )
    yield _gauge("ems_ingest_store_well", "1 while ingest can write the store", float(facts.get("is_store_well", 0)))
    yield _gauge("ems_ingest_queue", "Messages waiting in ingest", facts.get("queue", 0))
    for name, words in (
        ("commit_ms", "Time of a commit"),
        ("lag_ms", "From arrival to receipt"),
        ("group_size", "Messages a commit"),
    ):
        spread = facts.get(name)
        if spread:
            family = GaugeMetricFamily(f"ems_ingest_{name}", words, labels=["quantile"])
            for quantile, value in sorted(spread.items()):
                family.add_metric([quantile], value)
            yield family
