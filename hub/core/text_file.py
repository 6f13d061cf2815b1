"""A text file of unknown origin as text: what spreadsheets and text editors write. Pure.

UTF-8 and UTF-16 are told by their marks and by being valid, which is certain. What is left is one of Windows' code
pages, which no byte tells apart: charset-normalizer, the field's own library (it is what `requests` uses), ranks them
by how natural the text reads. On short files it is as good as a guess, so that the Western page is kept wherever it
does not lose, and whoever reads the preview may choose another.
"""

from __future__ import annotations

import codecs
from typing import NamedTuple

from charset_normalizer import from_bytes

from hub.core.said import Refusal

UTF_8, UTF_16_LE, UTF_16_BE = "utf-8", "utf-16-le", "utf-16-be"
WESTERN = "cp1252"
CODE_PAGES = {
    WESTERN: "Western European (Windows-1252)",
    "cp1250": "Central European (Windows-1250)",
    "cp1251": "Cyrillic (Windows-1251)",
    "cp1253": "Greek (Windows-1253)",
    "cp1254": "Turkish (Windows-1254)",
    "cp1257": "Baltic (Windows-1257)",
    "mac-roman": "Western European (Macintosh)",
}
ENCODINGS = {
    UTF_8: "Unicode (UTF-8)",
    UTF_16_LE: "Unicode (UTF-16)",
    UTF_16_BE: "Unicode (UTF-16, big endian)",
} | CODE_PAGES
"""What a person may choose."""
GUESSED = ("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257")

_MARKS = ((codecs.BOM_UTF8, UTF_8), (codecs.BOM_UTF16_LE, UTF_16_LE), (codecs.BOM_UTF16_BE, UTF_16_BE))
_KINDS = (
    (b"PK\x03\x04", "an Excel workbook (xlsx) or another ZIP file"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (xls)"),
    (b"%PDF", "a PDF file"),
    (b"{\\rtf", "a Word document (RTF)"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "a compressed file (gzip)"),
    (b"7z\xbc\xaf\x27\x1c", "a compressed file (7z)"),
    (b"<?xml", "an XML file"),
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
)
"""How files begin that people take for a table."""


class Text(NamedTuple):
    """`encoding` is a key of ENCODINGS; `is_guess`: no byte of the file proves it."""

    text: str
    encoding: str
    is_guess: bool


def read(data: bytes, encoding: str = "") -> Text:
    """The file's text. `encoding` is a person's choice, '' to recognise it. Raises Refusal."""
    if not data:
        raise Refusal("The file is empty: it has 0 bytes.")
    kind = next((words for begin, words in _KINDS if data[:16].lower().startswith(begin.lower())), "")
    if kind:
        raise Refusal("This is %(kind)s, not a CSV file: open it and save it as CSV.", kind=kind)
    found = _chosen(data, encoding) if encoding else _recognised(data)
    if "\0" in found.text:
        raise Refusal("This is not a text file: it has characters that no text has. Save the table as CSV.")
    return found


def _chosen(data: bytes, encoding: str) -> Text:
    if encoding not in ENCODINGS:
        raise Refusal("The hub knows no encoding of that name.")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        name = ENCODINGS[encoding]
        raise Refusal("The file cannot be read as %(encoding)s: choose another.", encoding=name) from None
    return Text(text.removeprefix("\ufeff"), encoding, True)


def _recognised(data: bytes) -> Text:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return Text(data.removeprefix(mark).decode(encoding), encoding, False)
            except UnicodeDecodeError:
                words = "The file says that it is %(encoding)s and is not: it may be cut off. Save it again."
                raise Refusal(words, encoding=ENCODINGS[encoding]) from None
    if b"\0" in data:
        return _plain_utf_16(data)
    try:
        return Text(data.decode(UTF_8), UTF_8, False)
    except UnicodeDecodeError:
        return _code_page(data)


def _plain_utf_16(data: bytes) -> Text:
    """UTF-16 without its mark: of plain letters every second byte is 0."""
    for encoding, zeros in ((UTF_16_LE, data[1::2]), (UTF_16_BE, data[0::2])):
        if zeros.count(0) * 2 > len(zeros):
            try:
                return Text(data.decode(encoding), encoding, False)
            except UnicodeDecodeError:
                continue
    raise Refusal("This is not a text file: it has characters that no text has. Save the table as CSV.")


def _code_page(data: bytes) -> Text:
    ranked = [match.encoding for match in from_bytes(data, cp_isolation=list(GUESSED))]
    best = WESTERN if WESTERN in ranked[:2] or not ranked else ranked[0]
    try:
        western = data.decode(WESTERN)
    except UnicodeDecodeError:
        western = data.decode("latin-1")  # what Windows-1252 leaves out shows as a control character, and is named
    try:
        text = data.decode(best)
    except UnicodeDecodeError:
        text = western
    return Text(western, WESTERN, True) if text == western else Text(text, best, True)
