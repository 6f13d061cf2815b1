"""What an incident was about, as people sort it: a fixed list of two levels, in words that accuse nobody.

A category is kept as `<group>.<item>`, or '' where nobody has sorted it yet. Keys are never reused for something else.
"""

from __future__ import annotations

from typing import NamedTuple


class Group(NamedTuple):
    """One first level: its words, and its second level as {key: words}."""

    words: str
    items: dict[str, str]


CATEGORIES: dict[str, Group] = {
    "environment": Group(
        "Environment",
        {
            "noise": "Noise or disturbance",
            "light": "Light",
            "climate": "Heat, cold or air",
            "evacuation": "Alarm or evacuation",
            "furniture": "Desk, chair or place",
            "other": "Something else in the room",
        },
    ),
    "candidate": Group(
        "Candidate",
        {
            "left_seat": "Left the seat",
            "break": "On a permitted break",
            "unwell": "Unwell",
            "question": "Asked for something",
            "posture": "Posture or clothing hid the face",
            "object": "Something on the desk",
            "company": "Another person at the seat",
            "other": "Something else about the candidate",
        },
    ),
    "invigilator": Group(
        "Invigilator",
        {
            "at_desk": "Was at the desk",
            "passing": "Passed by",
            "instruction": "Gave an instruction",
            "other": "Something else about staff",
        },
    ),
    "technical": Group(
        "Technical",
        {
            "camera": "Camera or its view",
            "power": "Power",
            "network": "Network",
            "desk_unit": "Desk unit",
            "rule": "The rule was wrong here",
            "other": "Something else technical",
        },
    ),
    "other": Group("Other", {"unclear": "It cannot be told", "other": "Something else"}),
}


def is_category(key: str) -> bool:
    """Whether `key` stands in the list; '' does not."""
    return words_of(key) is not None


def words_of(key: str) -> tuple[str, str] | None:
    """The words of both levels, None for what is not in the list."""
    group, _, item = key.partition(".")
    found = CATEGORIES.get(group)
    return (found.words, found.items[item]) if found is not None and item in found.items else None
