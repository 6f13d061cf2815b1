"""A roster file: CSV as spreadsheets write it, read and checked against the sitting's room. Pure.

The delimiter is the one by which the first line becomes the most headings that are known: csv.Sniffer counts letters
instead, and takes the comma of "Doe, Jane" for one.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from hub.core import durations, text_file
from hub.core.durations import NotALength
from hub.core.roster import MOST_CANDIDATES, Entry
from hub.core.said import Refusal, Said, said

MOST_BYTES = 2_000_000
MOST_LINES = MOST_CANDIDATES
MOST_NUMBER, MOST_NAME = 64, 200
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical line"}

COLUMNS = {
    "number": "candidate number",
    "name": "name",
    "seat": "seat",
    "extra": "extra time",
    "breaks": "permitted breaks",
    "first": "first name",
    "last": "last name",
}
"""Columns by what they hold. Number and seat must be there."""
_HEADINGS = {
    "number": """candidatenumber candidateno candidatenr candidateid studentnumber studentno studentid
        matriculationnumber registrationnumber registrationno regno rollnumber rollno examnumber
        matrikelnummer matrikelnr matrikel kandidatennummer kandidatennr prueflingsnummer prueflingsnr
        pruefungsnummer teilnehmernummer number no nr id nummer candidate""",
    "name": """name fullname candidatename studentname nameofcandidate namedeskandidaten namevorname nachnamevorname
        vornamename vornamenachname vorundnachname kandidat pruefling teilnehmer""",
    "first": "firstname givenname forename forenames vorname vornamen rufname",
    "last": "lastname surname familyname nachname familienname zuname",
    "seat": """seat seatnumber seatno seatnr seatlabel desk desknumber deskno place table platz platznummer platznr
        sitzplatz sitzplatznummer sitzplatznr sitz tisch tischnummer tischnr""",
    "extra": """extratime extra extraminutes extramin extratimeminutes extratimemin additionaltime additionalminutes
        timeextension zeitverlaengerung zusatzzeit zusaetzlichezeit mehrzeit verlaengerung schreibzeitverlaengerung
        bearbeitungszeitverlaengerung zeitzuschlag zeitzugabe""",
    "breaks": """permittedbreaks breaks break restbreaks restbreak breakminutes restbreakminutes breaktime
        supervisedrestbreaks pausen pause erholungspausen ruhepausen pausenminuten pausenzeit genehmigtepausen
        erlaubtepausen""",
}
_WEAK = frozenset("number no nr id nummer candidate kandidat pruefling teilnehmer".split())
"""Headings that count only where no plainer one is: "No" beside "Candidate number" counts the lines."""
HEADINGS = {word: column for column, words in _HEADINGS.items() for word in words.split()}
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
_SEP = re.compile(r'"?sep=([^\w\s"]|\t)"?[ \t]*(?:\r\n|\r|\n|$)', re.IGNORECASE)
_GUARDED = re.compile(r"'+[=+\-@]")
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks that turn the direction of what follows: a number or seat would read as another."""


_NO_LENGTH = {
    "extra": "%(text)s is no extra time: write minutes (15), a share (25 %%) or hours and minutes (0:30).",
    "breaks": "%(text)s is no length of breaks: write minutes (15) or hours and minutes (0:30).",
}


class Problem(NamedTuple):
    """What is wrong at a line of the file, counted from 1; 0: with the file as a whole."""

    line: int
    said: Said


class Sheet(NamedTuple):
    """A file as it was understood. `entries` has only lines without a problem; `delimiter` is a key of DELIMITERS or
    the sign that the file names itself; `unused` are headings that say nothing to a roster."""

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    encoding: str
    is_encoding_guessed: bool
    delimiter: str
    unused: tuple[str, ...]


def read(data: bytes, seats: Collection[str], length_ms: int, encoding: str = "") -> Sheet:
    """Read and check a file for a sitting of `length_ms` (of which extra time may be a share) in a room with these
    seats. Raises Refusal for what is no roster at all; all else is a problem of its line."""
    if len(data) > MOST_BYTES:
        size = f"{len(data) / 1_000_000:.1f}"
        raise Refusal("The file is too long: it has %(size)s MB, and a roster has at most 2 MB.", size=size)
    found = text_file.read(data, encoding)
    text, skipped, delimiter = found.text, 0, ""
    if named := _SEP.match(text):
        text, skipped, delimiter = text[named.end() :], 1, named[1]
    if not text.strip():
        raise Refusal("The file has no lines: it is empty.")
    if text.count("\n") + text.count("\r") > 4 * MOST_LINES:
        raise _too_long()
    delimiter = delimiter or _delimiter(text)
    reading = _Reading(seats, length_ms)
    reading.take(_rows(text, delimiter, skipped, reading.problems))
    return Sheet(
        tuple(reading.entries),
        tuple(sorted(reading.problems, key=lambda each: each.line)),
        found.encoding,
        found.is_guess,
        delimiter,
        tuple(reading.unused),
    )


def _too_long() -> Refusal:
    return Refusal("The file is too long: a roster has at most %(most)s lines.", most=MOST_LINES)


def _delimiter(text: str) -> str:
    head = text.lstrip("\r\n")[:20_000]

    def worth(sign: str) -> tuple[int, int]:
        row = next((cells for _, cells in _rows(head, sign, 0, [])), ())
        return sum(_column(cell) is not None for cell in row), len(row)

    return max(DELIMITERS, key=worth)


def _rows(text: str, delimiter: str, skipped: int, problems: list[Problem]) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of every line that has any; a line is where its row begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = skipped
    while True:
        begins = line + 1
        try:
            cells = next(reader, None)
        except csv.Error:
            words = "A quotation mark is opened here and not closed as it should be, or a cell is far too long."
            problems.append(Problem(begins, said(words)))
            return
        if cells is None:
            return
        line = skipped + reader.line_num
        cells = [_cell(each) for each in cells]
        if any(cells):
            yield begins, cells


def _cell(text: str) -> str:
    """Without the white space and line breaks around and within, composed (NFC), and without the apostrophe by which
    our own export keeps a spreadsheet from calculating."""
    text = unicodedata.normalize("NFC", " ".join(text.split()))
    return text[1:] if _GUARDED.match(text) else text


def _is_hidden(text: str) -> bool:
    return any(unicodedata.category(sign) in ("Cc", "Cs") or sign in _TURNING for sign in text)


def _word(heading: str) -> str:
    """`Extra time (min)` and `extra_time` as `extratime`."""
    bare = re.sub(r"[(\[].*?[)\]]", "", heading) or heading
    return re.sub(r"[\W_]+", "", bare.casefold().translate(_UMLAUTS))


def _column(heading: str) -> str | None:
    return HEADINGS.get(_word(heading))


class _Reading:
    """Goes through the rows of one file."""

    def __init__(self, seats: Collection[str], length_ms: int) -> None:
        self.entries: list[Entry] = []
        self.problems: list[Problem] = []
        self.unused: list[str] = []
        self._length_ms = length_ms
        self._seats = {_cell(label): label for label in seats}
        folded: dict[str, list[str]] = {}
        for label in seats:
            folded.setdefault(_cell(label).casefold(), []).append(label)
        for key, labels in folded.items():
            if len(labels) == 1:
                self._seats.setdefault(key, labels[0])
        self._where: dict[str, int] = {}
        self._number_at: dict[str, int] = {}
        self._seat_at: dict[str, int] = {}
        self._width = 0

    def take(self, rows: Iterator[tuple[int, list[str]]]) -> None:
        first = next(rows, None)
        if first is None:
            return
        self._head(*first)
        if not {"number", "seat"} <= self._where.keys():
            return
        count = 0
        for line, cells in rows:
            count += 1
            if count > MOST_LINES:
                raise _too_long()
            self._line(line, cells)
        if not count and not self.problems:
            self._problem(0, "Below the headings there is no candidate.")

    def _problem(self, line: int, words: str, **values: object) -> None:
        self.problems.append(Problem(line, said(words, **values)))

    def _head(self, line: int, cells: Sequence[str]) -> None:
        self._width = len(cells)
        plain = {_column(heading) for heading in cells if _word(heading) not in _WEAK}
        for place, heading in enumerate(cells):
            column = _column(heading)
            if column is None or (_word(heading) in _WEAK and (column in plain or column in self._where)):
                if heading:
                    self.unused.append(heading[:60])
            elif column in self._where:
                self._problem(line, "Two columns are headed as the %(column)s.", column=COLUMNS[column])
            else:
                self._where[column] = place
        for column in ("number", "seat"):
            if column not in self._where:
                words = "There is no column for the %(column)s: the first line must name it."
                self._problem(line, words, column=COLUMNS[column])

    def _line(self, line: int, cells: Sequence[str]) -> None:
        before = len(self.problems)
        if len(cells) > self._width and any(cells[self._width :]):
            words = "This line has %(count)s columns, and the first line names %(width)s."
            self._problem(line, words, count=len(cells), width=self._width)
        values = {column: cells[at] if at < len(cells) else "" for column, at in self._where.items()}
        for column, text in values.items():
            if _is_hidden(text):
                self._problem(line, "The %(column)s has control characters.", column=COLUMNS[column])
        number, name = self._number(line, values["number"]), self._name(line, values)
        seat = self._seat(line, values["seat"])
        extra_ms = self._length(line, "extra", values.get("extra", ""), self._length_ms)
        break_ms = self._length(line, "breaks", values.get("breaks", ""), None)
        if len(self.problems) == before:
            self.entries.append(Entry(number, name, seat, extra_ms, break_ms))

    def _number(self, line: int, number: str) -> str:
        if not number:
            self._problem(line, "The candidate number is missing.")
        elif len(number) > MOST_NUMBER:
            self._problem(line, "The candidate number is longer than %(most)s characters.", most=MOST_NUMBER)
        elif number in self._number_at:
            words = "Candidate %(number)s is in line %(other)s already."
            self._problem(line, words, number=number, other=self._number_at[number])
        else:
            self._number_at[number] = line
        return number

    def _name(self, line: int, values: dict[str, str]) -> str:
        parts = (values.get("first", ""), values.get("last", ""))
        name = values.get("name") or " ".join(part for part in parts if part)
        if len(name) > MOST_NAME:
            self._problem(line, "The name is longer than %(most)s characters.", most=MOST_NAME)
        return name

    def _seat(self, line: int, text: str) -> str:
        seat = self._seats.get(text) or self._seats.get(text.casefold())
        if not text:
            self._problem(line, "The seat is missing.")
        elif seat is None:
            self._problem(line, "The room has no seat %(seat)s.", seat=text[:40])
        elif seat in self._seat_at:
            self._problem(line, "Seat %(seat)s is in line %(other)s already.", seat=seat, other=self._seat_at[seat])
        else:
            self._seat_at[seat] = line
        return seat or ""

    def _length(self, line: int, column: str, text: str, whole_ms: int | None) -> int:
        try:
            return durations.read(text, whole_ms)
        except NotALength:
            self._problem(line, _NO_LENGTH[column], text=text[:40])
            return 0


# --- a form ---------------------------------------------------------------------------------------------------------


def one(form: Mapping[str, str], length_ms: int) -> Entry:
    """A candidate typed into a form: `number`, `seat`, and what `granted` reads. Raises Refusal."""
    number, seat = _typed(form, "number"), _typed(form, "seat")
    if not 1 <= len(number) <= MOST_NUMBER:
        words = "Write a candidate number of at most %(most)s characters."
        raise Refusal(words, field="number", most=MOST_NUMBER)
    name, extra_ms, break_ms = granted(form, length_ms)
    return Entry(number, name, seat, extra_ms, break_ms)


def granted(form: Mapping[str, str], length_ms: int) -> tuple[str, int, int]:
    """(name, extra time in ms, breaks in ms) as a file would have them: `name`, `extra`, `breaks`. Raises Refusal."""
    name = _typed(form, "name")
    if len(name) > MOST_NAME:
        raise Refusal("The name is longer than %(most)s characters.", field="name", most=MOST_NAME)
    lengths = []
    for column, whole_ms in (("extra", length_ms), ("breaks", None)):
        try:
            lengths.append(durations.read(form.get(column, ""), whole_ms))
        except NotALength:
            raise Refusal(_NO_LENGTH[column], field=column, text=form[column][:40]) from None
    return name, lengths[0], lengths[1]


def _typed(form: Mapping[str, str], column: str) -> str:
    text = _cell(form.get(column, ""))
    if _is_hidden(text):
        raise Refusal("The %(column)s has control characters.", field=column, column=COLUMNS[column])
    return text


# --- writing --------------------------------------------------------------------------------------------------------

HEAD = ("Candidate number", "Name", "Seat", "Extra time", "Permitted breaks")


def written(entries: Collection[Entry]) -> str:
    """The roster as a file that `read` takes, and in which no cell calculates."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEAD)
    for each in entries:
        lengths = (durations.write(each.extra_ms), durations.write(each.break_ms))
        writer.writerow([guarded(each.number), guarded(each.name), guarded(each.seat), *lengths])
    return text.getvalue()


def guarded(text: str) -> str:
    """What a spreadsheet would calculate gets an apostrophe before it, which `read` takes away."""
    return f"'{text}" if re.match(r"'*[=+\-@\t\r]", text) else text
