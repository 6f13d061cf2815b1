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
from tests.hub.website import Site, site

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
    place.settle()


def paths(place: Site) -> list[str]:
    """Every page that is got without a name of something that is not there."""
    values = {"incident_id": "1", "seat_id": "1", "unit": "c.d1", "sitting": "sitting-1", "plan_id": "1"}
    values |= {"room_id": "1", "room": "1", "profile_id": "1", "exam": "Structural Mechanics II"}
    found = ["/incidents/?state=all", "/bundles/new?incident=1", "/bundles/new?seat=1", "/incidents/2", "/seats/4"]
    found += ["/retention/exam?exam=Structural+Mechanics+II", "/no-such-page"]
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
