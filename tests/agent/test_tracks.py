"""Faces over time: what joins what, and the vote."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.tracks import MEMORY_MS, Box, Sighting, Tracks, has_moved_to, overlap

HERE: Box = (0.4, 0.3, 0.2, 0.3)
THERE: Box = (0.1, 0.1, 0.1, 0.15)


def seen(box: Box = HERE, score: float = 0.75) -> Sighting:
    return Sighting(box, score, is_seen=True)


def sure(box: Box = HERE) -> Sighting:
    return Sighting(box, 0.95, is_seen=True, is_sure=True)


def doubted(box: Box = HERE) -> Sighting:
    return Sighting(box, 0.4, is_seen=False)


def counts(looks: list[list[Sighting]], every_ms: int = 200) -> list[int]:
    """How many faces are visible after each look."""
    tracks, found = Tracks(), []
    for number, sightings in enumerate(looks):
        tracks.step(number * every_ms, sightings)
        found.append(len(tracks.visible()))
    return found


def test_one_dropped_look_is_no_absence() -> None:
    """A face that one look misses stays; missed by two of three it is gone."""
    assert counts([[sure()], [sure()], [sure()], [], [sure()], [sure()], [], [], []]) == [1, 1, 1, 1, 1, 1, 1, 0, 0]


def test_one_ghost_is_no_person() -> None:
    """What only one look finds, and not beyond doubt, never counts; found by two of three looks it does."""
    assert counts([[], [], [seen()], [], [], [seen()], [seen()], []]) == [0, 0, 0, 0, 0, 0, 1, 1]


def test_a_face_beyond_doubt_counts_at_once() -> None:
    """A second person is not kept waiting."""
    assert counts([[], [], [sure()]]) == [0, 0, 1]


def test_the_first_look_decides_alone() -> None:
    """A still picture has no past."""
    assert counts([[seen(), seen(THERE), doubted((0.7, 0.7, 0.1, 0.1))]]) == [2]


def test_at_one_look_a_second_each_decides_alone() -> None:
    """The vote is one over half a second, whatever the rate."""
    assert counts([[seen()], [], [seen()], [doubted()]], every_ms=1000) == [1, 0, 1, 0]


def test_after_a_pause_nothing_is_remembered() -> None:
    """A camera that was away, or time that went back, begins anew."""
    tracks = Tracks()
    tracks.step(5_000, [sure()])
    tracks.step(5_000 + MEMORY_MS + 1, [])
    assert tracks.visible() == ()
    assert tracks.all == ()
    tracks.step(1_000, [seen()])
    assert len(tracks.visible()) == 1


def test_a_face_that_moves_keeps_its_number() -> None:
    """From look to look by half its width, and by more than its width when somebody gets up: one face all the time."""
    tracks, numbers = Tracks(), set()
    for look, x in enumerate((0.1, 0.2, 0.3, 0.55, 0.65)):
        tracks.step(look * 200, [sure((x, 0.3, 0.2, 0.3))])
        assert len(tracks.visible()) == 1
        numbers |= {track.n for track in tracks.all}
    assert numbers == {1}


def test_two_faces_stay_two() -> None:
    """Each sighting joins the track that it overlaps most, and none joins one that is taken."""
    near: Box = (0.5, 0.3, 0.2, 0.3)
    assert counts([[sure(), sure(near)]] * 4) == [2, 2, 2, 2]


def test_what_is_far_away_or_of_another_size_is_another_face() -> None:
    """A face does not cross the room between two looks, nor double."""
    assert has_moved_to(HERE, (0.6, 0.3, 0.2, 0.3))
    assert not has_moved_to(HERE, (0.9, 0.3, 0.2, 0.3))
    assert not has_moved_to(HERE, (0.4, 0.3, 0.5, 0.7))


def test_the_score_is_that_of_the_looks_that_found_it() -> None:
    """A look that missed it does not make a face less of a face; doubts of a place are told as they are."""
    tracks = Tracks()
    tracks.step(0, [seen(score=0.8)])
    tracks.step(200, [seen(score=0.9)])
    tracks.step(400, [])
    (face,) = tracks.visible()
    assert (face.box, round(face.score, 6)) == (HERE, 0.85)
    tracks.reset()
    tracks.step(0, [doubted()])
    assert tracks.visible() == ()
    assert [track.score for track in tracks.all] == [0.4]


SIDES = st.floats(0.01, 0.9)
BOXES = st.tuples(SIDES, SIDES, SIDES, SIDES)
SIGHTINGS = st.builds(
    lambda box, score, is_seen: Sighting(box, score, is_seen=is_seen, is_sure=is_seen and score > 0.85),
    BOXES,
    st.floats(0.01, 1),
    st.booleans(),
)
LOOKS = st.lists(st.tuples(st.integers(1, 900), st.lists(SIGHTINGS, max_size=4)), max_size=30)


@settings(max_examples=300, deadline=None)
@given(looks=LOOKS)
def test_whatever_is_seen_no_face_is_invented(looks: list[tuple[int, list[Sighting]]]) -> None:
    """Never more tracks than sightings in memory, each number once; who is visible was found by a look in memory; and
    the same looks give the same faces."""
    tracks, again = Tracks(), Tracks()
    up_ms, past = 0, []
    for step_ms, sightings in looks:
        up_ms += step_ms
        past.append((up_ms, sightings))
        tracks.step(up_ms, sightings)
        again.step(up_ms, sightings)
        in_memory = [each for at_ms, some in past if at_ms >= up_ms - MEMORY_MS for each in some]
        assert len(tracks.all) <= len(in_memory)
        assert len({track.n for track in tracks.all}) == len(tracks.all)
        found = {each.box for each in in_memory if each.is_seen}
        for track in tracks.all:
            assert not track.is_visible or track.was_seen
            assert not track.was_seen or found
        assert tracks.visible() == again.visible()


@given(a=BOXES, b=BOXES)
def test_overlap_is_a_share(a: Box, b: Box) -> None:
    """0..1, the same both ways, 1 with itself."""
    assert 0 <= overlap(a, b) <= 1 + 1e-9
    assert abs(overlap(a, b) - overlap(b, a)) < 1e-9
    assert abs(overlap(a, a) - 1) < 1e-9
