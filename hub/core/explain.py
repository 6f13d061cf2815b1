"""Why a desk's rule decided as it did: the numbers of an alert's record, in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Number(NamedTuple):
    """One number the rule looked at: `what` it says, its `value` as text, and the `limit` it was held against."""

    what: str
    value: str
    limit: str


_WITNESSES = {
    "person": "Of the picture, taken for a person",
    "change": "Of the picture, unlike the empty seat",
    "pose": "A body, score",
}
"""In the order in which they are read; see `agent.core.observation.Seat`."""
_SHARES = frozenset({"person", "change"})
_OF_SEAT = frozenset({"seat_empty", "face_not_visible"})
_OF_CAMERA = frozenset({"camera_covered", "camera_moved"})


def numbers(body: Mapping[str, Any]) -> list[Number]:
    """What the alert record `body` (decoded JSON) says of the observation that completed the dwell. An older desk's has
    none; what a later one's rule does not ask is left out."""
    evidence, rule, kind = body.get("evidence") or {}, body.get("rule") or {}, body.get("alert_kind")
    found = []
    if kind in _OF_SEAT:
        if evidence.get("doubt") is not None:
            found.append(Number("A face that did not count, score", f"{evidence['doubt']:.2f}", ""))
        limits = rule.get("witnesses") or {}
        for name, what in _WITNESSES.items():
            found += _witness(name, what, evidence.get(name), limits.get(name))
        if evidence and evidence.get("change") is None:
            waited_s = limits.get("unreferenced_s") or 0
            found.append(Number("Compared with the empty seat", "no", f"none was known; waited {waited_s:g} s longer"))
    if kind in _OF_CAMERA:
        for name, what in (("brightness", "Mean brightness"), ("detail", "Contrast")):
            if evidence.get(name) is not None:
                found.append(Number(what, f"{evidence[name]:.1f}", "of 255"))
    if kind == "camera_moved" and evidence.get("shift") is not None:
        shift = "another view" if evidence["shift"] >= 1 else f"{evidence['shift']:.1%}"
        found.append(Number("View shifted by", shift, f"from {rule.get('threshold', 0):.1%} of the width on"))
    return found


def _witness(name: str, what: str, says: float | None, limit: float | None) -> list[Number]:
    if says is None:
        return []
    form = "{:.1%}" if name in _SHARES else "{:.2f}"
    return [Number(what, form.format(says), "" if limit is None else f"somebody from {form.format(limit)} on")]
