"""The language of the pages: the centre's, unless a person chose another.

English stands in the code and is the key of every catalogue (gettext). `_` translates where a text is written; words
that stand in a table of the core (`ALERT_WORDS`) are translated where they are shown, by `tr`.
"""

from __future__ import annotations

from flask import Flask, has_request_context, request
from flask_babel import Babel, get_locale
from flask_babel import gettext as gettext
from flask_babel import ngettext as ngettext

from hub.config import Settings
from hub.core.said import Said

LANGUAGES = {"en": "English", "de": "Deutsch"}
"""What a person may choose, each in its own words."""
COOKIE = "ems_language"


def install(app: Flask, settings: Settings) -> None:
    def chosen() -> str:
        wanted = request.cookies.get(COOKIE, "") if has_request_context() else ""
        return wanted if wanted in LANGUAGES else settings.language

    app.config["BABEL_TRANSLATION_DIRECTORIES"] = "../translations"
    Babel(app, locale_selector=chosen, default_locale="en")
    app.jinja_env.filters.update(tr=tr, say=say)
    app.jinja_env.globals["languages"] = LANGUAGES
    app.context_processor(lambda: {"language": current()})


def current() -> str:
    """The language of this request: a key of LANGUAGES."""
    locale = get_locale()
    return "en" if locale is None else str(locale.language)


def tr(words: str) -> str:
    """A text that was written elsewhere, in the reader's language; what no catalogue knows stays as it is."""
    return str(gettext(words)) if words else ""


def say(it: Said | str) -> str:
    """A sentence of the core with its values, in the reader's language; one of the store as it is."""
    return it if isinstance(it, str) else str(gettext(it.words)) % dict(it.values)


def sentence(error: Exception) -> str:
    """What an error of the store says, as a sentence."""
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
