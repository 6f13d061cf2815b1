"""The catalogues: every text of the pages is in them, translated, with the same placeholders; and a person's choice."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Message
from babel.support import Translations

from hub.translations.__main__ import FILES, FOLDER, read
from hub.translations.extraction import catalogue
from hub.web import language
from hub.web.language import decimal, tr
from tests.hub.website import site, token

PLACEHOLDER = re.compile(r"%\((\w+)\)([sdg])|(?<!%)\{(\w+)\}|<(/?\w+)|&\w+;")
CATALOGUES = sorted(FOLDER.glob(FILES))


def forms(message: Message) -> list[tuple[str, str]]:
    """(original, translation) of each form."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    return list(zip(message.id, map(str, message.string or ()), strict=True))


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.parent.name)
def test_a_catalogue_has_every_text_translated_with_its_values(path: Path) -> None:
    """`make translations` after a change of a text, then translate what it names; then once more."""
    known, wanted = read(path), catalogue()
    asked = {(each.context, str(each.id)) for each in wanted if each.id}
    assert asked == {(each.context, str(each.id)) for each in known if each.id}
    assert path.parent.parent.name in language.LANGUAGES
    for message in known:
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        for original, translation in forms(message):
            assert translation.strip(), original
            told, asked_for = (Counter(PLACEHOLDER.findall(text)) for text in (translation, original))
            assert told == asked_for, (original, translation)


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.parent.name)
def test_a_compiled_catalogue_says_what_its_source_says(path: Path) -> None:
    with path.with_suffix(".mo").open("rb") as file:
        compiled: Any = Translations(file)
    for message in read(path):
        if isinstance(message.id, tuple):
            assert tuple(compiled.ngettext(*message.id, count) for count in (1, 2)) == tuple(message.string or ())
        elif message.id:
            found = compiled.pgettext(message.context, message.id) if message.context else compiled.gettext(message.id)
            assert found == message.string


def test_a_sentence_of_the_core_is_said_by_its_template(tmp_path: Path) -> None:
    """Also one within another, and a value that is nobody's words stays as it is."""
    with site(tmp_path, language="de") as place, place.app.test_request_context():
        assert tr("no unit is called c.d9") == "kein Gerät heißt c.d9"
        assert tr("kept to 2026-05-04: 30 days after the sitting, which was on 2026-04-04") == (
            "bis 2026-05-04 aufbewahrt: 30 Tage nach dem Durchgang, der am 2026-04-04 war"
        )
        assert tr("DRILL: Nobody in view") == "PROBE: Niemand im Blick"
        assert tr("5 desks gone at once") == "5 Geräte zugleich weg"
        assert tr("what nobody translated") == "what nobody translated"
        assert (decimal(99.5, 2), decimal(None)) == ("99,50", "\N{EN DASH}")


def test_a_person_chooses_before_and_after_the_log_in(tmp_path: Path) -> None:
    """The centre's language until then; the choice stays in this browser and works without a script."""
    with site(tmp_path) as place:
        client = place.client()
        assert '<html lang="en"' in client.get("/login").text
        form = {"csrf_token": token(client), "language": "de", "next": "/login"}
        answer = client.post("/language", data=form)
        assert (answer.status_code, answer.headers["Location"]) == (303, "/login")
        page = client.get("/login").text
        assert '<html lang="de"' in page
        assert "Passwort" in page
        assert client.post("/language", data=form | {"language": "xx"}).status_code == 400
        away = client.post("/language", data=form | {"next": "//evil.example/"})
        assert away.headers["Location"] == "/"
        ada = place.client("Ada")
        form["csrf_token"] = token(ada, "/")
        assert ada.post("/language", data=form | {"next": "/units/"}).headers["Location"] == "/units/"
        assert "Geräte" in ada.get("/units/").text
        assert "Units" in place.client("Grace").get("/units/").text


def test_scripts_get_their_texts_in_the_readers_language(tmp_path: Path) -> None:
    with site(tmp_path, language="de") as place:
        text = place.client("Ada").get("/").text
        assert '"offline_none": "Alle online"' in text
        assert '"={n} desks gone at once": ' in text
        assert '"=Nobody in view": "Niemand im Blick"' in text
