"""Every text of the pages comes through the catalogue: in a language that puts marks around each, no page shows a word
without them, but for data."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo

from hub.translations.extraction import catalogue
from hub.web import language
from tests.hub.seed import now_ms
from tests.hub.website import Site, site, token

DATA_TAGS = frozenset({"bdi", "code", "kbd", "time", "script", "style", "output"})
"""Names that people or machines gave, commands, keys, clock times."""
DATA_CLASSES = frozenset({"number", "label", "unit-name", "code"})
SHOWN = ("aria-label", "title", "placeholder", "alt", "data-label", "label")
EMPTY = frozenset({"meta", "link", "input", "br", "img", "hr", "use", "rect", "line", "circle", "path", "animate"})
SEED = (
    "Structural Mechanics II", "Main hall", "North wing", "an appeal", "not ours", "Main room",
    "Raspberry Pi 5 Model B Rev 1.0", "English", "Deutsch", "UTC", "SHA-256", "CSV", "JSON", "sitting-1", "sitting-2",
    "Standard",
)  # fmt: skip
NAMES = ("Ada", "Grace", "Tim", "Olga", "Root", "seed", "desk")
"""What the seed wrote or a person is called: data."""
UNITS = re.compile(r"\b(s|ms|min|h|kB|MB|GB|TB|B|x)\b|°C|c\.d\d|[A-Z]\d+|\bmaths\b|[0-9a-f]{8,}")


class Reader(HTMLParser):
    """Collects the words that a page shows without marks around them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.bare: list[str] = []
        self.depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        for name in SHOWN:
            self._look(told.get(name, ""), f"{tag} {name}")
        if tag not in EMPTY:
            is_data = tag in DATA_TAGS or bool(DATA_CLASSES & set(told.get("class", "").split()))
            is_data |= tag != "html" and "lang" in told  # it says itself that it is of another language
            self.open.append((tag, is_data))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        bare = len(self.bare)
        self._look(data, " > ".join(tag for tag, _ in self.open[-2:]))
        if any(is_data for _, is_data in self.open):
            del self.bare[bare:]

    def _look(self, text: str, where: str) -> None:
        left = ""
        for sign in text:  # marks may hold tags between them
            self.depth += (sign == "⟦") - (sign == "⟧")
            left += " " if self.depth or sign in "⟦⟧" else sign
        for word in SEED:
            left = left.replace(word, " ")
        left = UNITS.sub(" ", left)
        left = re.sub(rf"\b({'|'.join(NAMES)})\b", " ", left)
        if re.search(r"[^\W\d_]{2,}", left):
            self.bare.append(f"{where}: {' '.join(text.split())[:160]}")


def marked(folder: Path) -> None:
    """A catalogue in which every text has marks around it, as `de`."""
    made = Catalog(locale="de")
    for each in catalogue():
        if each.id:
            string = tuple(f"⟦{text}⟧" for text in each.id) if isinstance(each.id, tuple) else f"⟦{each.id}⟧"
            made.add(each.id, string, context=each.context)
    path = folder / "de" / "LC_MESSAGES"
    path.mkdir(parents=True)
    with (path / "messages.mo").open("wb") as file:
        write_mo(file, made)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("marked")
    marked(folder / "catalogue")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(language, "CATALOGUES", folder / "catalogue")
        with site(folder, language="de") as found:
            fill(found)
            yield found


def fill(place: Site) -> None:
    centre = place.centre
    room = centre.room("Main hall")
    for number in (1, 2, 3):
        centre.seat(room, f"A{number}", f"c.d{number}")
        centre.heartbeat(f"c.d{number}")
    centre.seat(room, "A4")
    centre.alert("c.d1", still=1)
    centre.alert("c.d2", kind="more_than_one_face")
    centre.fault("c.d3", "camera_lost")
    centre.certificate("c.d1")
    centre.request("34AC-79XY")
    centre.security_event("c.d1", count=3)
    centre.bundle({"incident_id": 1}, "waiting")
    centre.insert("holds", incident_id=1, reason="an appeal", placed_by="Ada", placed_utc_ms=1)
    centre.insert("purge_plans", made_by="Ada", digest="0" * 64, item_count=1, kept="[]", is_whole=1)
    centre.insert("wall_tokens", name="left", token_sha256="0" * 64, made_utc_ms=1, made_by="Root")
    centre.insert(
        "purges", plan_id=1, began_by="Ada", ended_utc_ms=2, statement="{}", signature="0" * 128, chain_pem=""
    )
    centre.execute("insert into exams (exam) select distinct exam from sittings")
    centre.insert("candidates", sitting="sitting-1", number="17", name="Ada", seat="A1", extra_ms=900_000)
    centre.insert("candidates", sitting="sitting-1", number="18", seat="A2", no_show_utc_ms=1)
    now, at = now_ms(), {"sitting": "sitting-1", "seat": "A1"}
    times = {"began_utc_ms": now - 900_000, "limit_utc_ms": now - 600_000}
    centre.insert("breaks", **at, kind="toilet", given_by="Ada", **times, ended_utc_ms=now)
    centre.insert("breaks", **at | {"seat": "A2"}, kind="rest", given_by="Ada", **times)
    centre.insert("bookmarks", **at, at_utc_ms=now, made_utc_ms=now, made_by="Ada", note="17 17")
    centre.insert("signals", unit="c.d1", **at, room="Main hall", given_by="Ada", given_utc_ms=now)
    press = {"boot": 1, "at_utc_ms": now, "received_utc_ms": now, "alerts": "[]"}
    centre.insert("attended", unit="c.d1", seq=77, **at, room="Main hall", is_signal=1, **press)
    centre.fault("c.d2", "storage_low", is_cleared=True)
    centre.gap("c.d1")
    centre.observed("c.d1", now - 60_000, (20, "face", 1), (20, "empty", 0), (10, "somebody", 0))
    centre.security_event("c.d2", "boot_went_back")
    centre.alert("c.d3", kind="seat_empty", is_drill=True)
    centre.join(1, "c.d1")
    centre.clear(1)
    client = place.client("Ada")
    for version, act in ((1, {"act": "acknowledge"}), (2, {"act": "comment", "text": "17"})):
        form = {"csrf_token": token(client, "/incidents/2"), "version": version, "events": 9}
        client.post("/incidents/2/act", data=form | act)
    place.settle()


def paths(place: Site) -> list[str]:
    """Every page that is got without a name of something that is not there."""
    values = {"incident_id": "1", "seat_id": "1", "unit": "c.d1", "sitting": "sitting-1", "plan_id": "1"}
    values |= {"room_id": "1", "room": "1", "profile_id": "1", "exam": "Structural Mechanics II"}
    found = ["/incidents/?state=all", "/bundles/new?incident=1", "/bundles/new?seat=1", "/incidents/2", "/seats/4"]
    found += ["/retention/exam?exam=Structural+Mechanics+II", "/no-such-page"]
    found += ["/exams/one?exam=Structural+Mechanics+II", "/exams/sittings/new?exam=Structural+Mechanics+II"]
    found += [
        "/profiles/one?profile=Standard",
        "/incidents/3",
        "/incidents/?drills=only&state=",
        "/seats/2",
        "/units/c.d2",
    ]
    found += ["/seats/1/film?sitting=sitting-1", "/audit/?from=nonsense", "/sittings/sitting-1/roster"]
    for rule in place.app.url_map.iter_rules():
        if "GET" in (rule.methods or ()) and rule.endpoint != "static" and rule.arguments <= values.keys():
            built = rule.build(values, append_unknown=False)
            assert built is not None
            found.append(built[1])
    return [path for path in found if "stream" not in path]


@pytest.mark.parametrize("name", ["Root", "Ada", "Tim", "Olga", None])
def test_no_page_shows_a_word_that_the_catalogue_did_not_give(place: Site, name: str | None) -> None:
    """As each role and as nobody, on every page that can be got."""
    client = place.client(name)
    seen, bare = 0, set[str]()
    for path in paths(place):
        response = client.get(path, buffered=False)
        if response.mimetype == "text/html" and not 300 <= response.status_code < 400:
            seen += 1
            reader = Reader()
            reader.feed(response.text)
            bare |= {f"{path}: {line}" for line in reader.bare}
        response.close()
    assert seen > (20 if name else 1)
    assert not bare, "\n" + "\n".join(sorted(bare))
