"""`make translations`: find every text, bring each catalogue up to date and compile it.

The compiled catalogues are committed beside their sources: a wheel is built from the tree as it is, and a hub that
starts needs nothing made first (tests/hub/test_language.py holds that both say the same).
"""

from __future__ import annotations

from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from hub.translations.extraction import catalogue

FOLDER = Path(__file__).parent
FILES = "*/LC_MESSAGES/messages.po"


def read(path: Path) -> Catalog:
    """The catalogue in `path`; its language is its folder's."""
    with path.open("rb") as file:
        return read_po(file, locale=path.parent.parent.name)


def _strings(message: Message) -> list[str]:
    return (
        [str(message.string or "")] if isinstance(message.id, str) else [str(each) for each in message.string or [""]]
    )


def main() -> None:
    wanted = catalogue()
    for path in sorted(FOLDER.glob(FILES)):
        known = read(path)
        known.update(wanted, no_fuzzy_matching=True)
        known.obsolete.clear()
        with path.open("wb") as file:
            write_po(file, known, width=120, sort_output=True, no_location=True, ignore_obsolete=True)
        with path.with_suffix(".mo").open("wb") as file:
            write_mo(file, known)
        todo = sum(not all(_strings(each)) for each in known if each.id)
        print(f"{path.parent.parent.name}: {len(known)} texts, {todo} to translate")


if __name__ == "__main__":
    main()
