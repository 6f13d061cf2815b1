"""The language of the pages: the centre's, unless a person chose another.

English stands in the code and is the key of every catalogue (gettext). `_` translates where a text is written; words
that stand in a table of the core (`ALERT_WORDS`) are translated where they are shown, by `tr`, and so are the core's
and the store's sentences: which template one was made of is found again (`hub.translations.extraction`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import flask_babel
from babel.numbers import get_decimal_symbol
from flask import Blueprint, Flask, abort, has_request_context, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import Babel, get_locale, get_translations

from hub.config import Settings
from hub.core.said import Said
from hub.translations.extraction import SENTENCE
from hub.web.clock import DASH

LANGUAGES = {"en": "English", "de": "Deutsch"}
"""What a person may choose, each in its own words."""
COOKIE = "ems_language"
KEPT_S = 365 * 86_400
CATALOGUES = Path(__file__).parent.parent / "translations"
_VALUE = re.compile(r"%\((\w+)\)s")
_COUNTED = re.compile(r"(\d{1,9}) (.+)", re.DOTALL)
"""`5 desks gone at once`, of the text `{n} desks gone at once`."""
_DECIMAL = re.compile(r"\d+\.\d+")

blueprint = Blueprint("language", __name__)


def gettext(words: str, /, **values: object) -> str:
    """The text in the reader's language, filled in."""
    return str(flask_babel.gettext(words, **values))


def ngettext(one: str, many: str, num: int, /, **values: object) -> str:
    """The form of the text for `num`, which is `%(num)s` in it."""
    return str(flask_babel.ngettext(one, many, num, **values))


class _Template(NamedTuple):
    """`pattern` finds the values in an English sentence; `words` is the template in the reader's language."""

    pattern: re.Pattern[str]
    words: str


def install(app: Flask, settings: Settings) -> None:
    def chosen() -> str:
        wanted = request.cookies.get(COOKIE, "") if has_request_context() else ""
        return wanted if wanted in LANGUAGES else settings.language

    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(CATALOGUES)
    Babel(app, locale_selector=chosen, default_locale="en")
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.jinja_env.filters.update(tr=tr, say=say, decimal=decimal, localised=localised)
    app.jinja_env.globals["languages"] = LANGUAGES
    app.context_processor(lambda: {"language": current()})
    app.register_blueprint(blueprint)


@blueprint.post("/language")
def choose() -> ResponseReturnValue:
    """Anybody may, also before the log-in: it changes this browser's pages and nothing at the hub."""
    wanted, target = request.form.get("language", ""), request.form.get("next", "/")
    if wanted not in LANGUAGES:
        abort(400)
    is_ours = target.startswith("/") and target[1:2] not in ("/", "\\") and target.isprintable()
    answer = redirect(target if is_ours else url_for("live.page"), 303)
    answer.set_cookie(COOKIE, wanted, max_age=KEPT_S, secure=request.is_secure, httponly=True, samesite="Lax")
    return answer


def current() -> str:
    """The language of this request: a key of LANGUAGES."""
    locale = get_locale()
    return "en" if locale is None else str(locale.language)


def tr(words: object) -> str:
    """A text that was written elsewhere, in the reader's language; what no catalogue knows stays as it is."""
    text = str(words) if words else ""
    if not text or current() == "en":
        return text
    said = gettext(text)
    return said if said != text else _of_template(text)


def _of_template(text: str) -> str:
    """A sentence with values: translated by the template it was made of. A value may be words of its own."""
    for pattern, words in _templates():
        if found := pattern.fullmatch(text):
            return words % {name: _value(value) for name, value in found.groupdict().items()}
    if found := _COUNTED.fullmatch(text):
        return gettext(f"{{n}} {found[2]}").replace("{n}", found[1])
    return text


def _value(text: str) -> str:
    """What stands in a sentence: words of a table too, which the core may have put into small letters there."""
    if _DECIMAL.fullmatch(text):
        return localised(text)
    said = tr(text)
    large = f"{text[:1].upper()}{text[1:]}"
    return found if said == text and (found := tr(large)) != large else said


def _templates() -> list[_Template]:
    """Of the reader's language, those with the most words first; made once a catalogue."""
    catalogue = get_translations()
    known: list[_Template] | None = getattr(catalogue, "ems_templates", None)
    if known is None:
        begin = f"{SENTENCE}\x04"
        told: Mapping[object, str] = getattr(catalogue, "_catalog", {})
        found = [(k.removeprefix(begin), v) for k, v in told.items() if isinstance(k, str) and k.startswith(begin)]
        found.sort(key=lambda pair: len(_VALUE.sub("", pair[0])), reverse=True)
        known = catalogue.ems_templates = [_Template(_pattern(template), words) for template, words in found]
    return known


def _pattern(template: str) -> re.Pattern[str]:
    parts = _VALUE.split(template)
    for index, part in enumerate(parts):
        parts[index] = f"(?P<{part}>.*?)" if index % 2 else re.escape(part.replace("%%", "%"))
    return re.compile("".join(parts), re.DOTALL)


def say(it: Said | str) -> str:
    """A sentence of the core with its values, in the reader's language."""
    if isinstance(it, str):
        return tr(it)
    return gettext(it.words) % {name: tr(v) if isinstance(v, str) else v for name, v in it.values.items()}


def sentence(error: Exception) -> str:
    """What an error of the core or the store says, as a sentence in the reader's language."""
    said = getattr(error, "said", None)
    text = say(said) if isinstance(said, Said) else tr(str(error))
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"


def decimal(value: float | None, digits: int = 0) -> str:
    """`12.50`, in German `12,50`; a dash when not known."""
    return DASH if value is None else localised(f"{value:.{digits}f}")


def localised(text: str) -> str:
    """A number that was written with a point, with the reader's decimal sign."""
    return text.replace(".", get_decimal_symbol(get_locale() or "en"))
