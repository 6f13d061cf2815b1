"""The language of the door: golden messages, signatures, fingerprints, and a decoder that any bytes may reach."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import wire_door
from agent.wire import BadMessage
from tests.door_values import GOLDEN, PIECE, PIECE_PATH, SIGNATURE, SIGNED_PATH, Golden
from tests.wire_values import PUBLIC_KEY

FOLDER = Path(__file__).parents[1] / "wire" / "door1"
each_golden = pytest.mark.parametrize("golden", GOLDEN, ids=[golden.file for golden in GOLDEN])


def test_the_folder_holds_what_is_tested() -> None:
    """No golden file is forgotten, and every message has one."""
    assert {path.name for path in FOLDER.iterdir()} == {golden.file for golden in GOLDEN} | {"state.signature"}


@each_golden
def test_golden_bytes_mean_what_they_meant(golden: Golden) -> None:
    """A hub or desk of any version reads what the first one wrote."""
    assert wire_door.decode(type(golden.value), (FOLDER / golden.file).read_bytes()) == golden.value
    assert wire_door.decode(type(golden.value), wire_door.encode(golden.value)) == golden.value


def test_the_golden_signature_holds_for_its_path_and_body_only() -> None:
    """The signature covers path and body, and is what it was in the first version."""
    body = (FOLDER / "state.json").read_bytes()
    signature = (FOLDER / "state.signature").read_text().strip()
    assert signature == SIGNATURE
    assert wire_door.is_signed_by(PUBLIC_KEY, SIGNED_PATH, body, signature)
    assert not wire_door.is_signed_by(PUBLIC_KEY, wire_door.RENEWALS_PATH, body, signature)
    assert not wire_door.is_signed_by(PUBLIC_KEY, SIGNED_PATH, body + b" ", signature)
    assert not wire_door.is_signed_by("00" * 32, SIGNED_PATH, body, signature)


def test_the_query_of_a_piece_is_what_it_was_and_is_read_again() -> None:
    """Desk and hub make the same path of a piece: it is what the signature covers."""
    assert wire_door.data_path(PIECE) == PIECE_PATH
    query = dict(pair.split("=") for pair in PIECE_PATH.partition("?")[2].split("&"))
    assert wire_door.piece_in(query) == PIECE


@given(st.dictionaries(st.sampled_from(["unit", "boot", "seq", "offset", "size_bytes", "sha256", "x"]), st.text()))
def test_any_query_is_a_piece_or_refused(query: dict[str, str]) -> None:
    """No negative offset, no piece of nothing, no number that is none."""
    with pytest.raises(BadMessage):
        wire_door.piece_in({"sha256": "0" * 63} | query | {"size_bytes": "0"})
    try:
        assert wire_door.piece_in(query).size_bytes > 0
    except BadMessage:
        pass


@given(st.text())
def test_any_signature_is_only_wrong(signature: str) -> None:
    """Whatever stands in the header, the answer is no."""
    assert not wire_door.is_signed_by(PUBLIC_KEY, SIGNED_PATH, b"{}", signature)


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    """Nothing but BadMessage comes out of the decoder."""
    for kind in {type(golden.value) for golden in GOLDEN}:
        try:
            assert isinstance(wire_door.decode(kind, data), kind)
        except BadMessage:
            pass


@pytest.mark.parametrize("typed", ["AB CD:ef-01" * 4, "ab" * 16, "ab" * 32])
def test_a_fingerprint_is_taken_as_people_write_it(typed: str) -> None:
    """Spaces, colons, dashes and capitals do not matter."""
    assert len(wire_door.read_fingerprint(typed)) in (32, 64)


@pytest.mark.parametrize("typed", ["", "ab" * 15, "ab" * 33, "xy" * 16])
def test_what_is_no_fingerprint_is_refused_with_the_remedy(typed: str) -> None:
    """Too short would let somebody find a second authority for it."""
    with pytest.raises(ValueError, match="ems-hub ca show"):
        wire_door.read_fingerprint(typed)
