"""Roster files: whatever a spreadsheet, an editor or a mistake makes of them, each problem is named by its line."""

from __future__ import annotations

import codecs
import contextlib
import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.core import durations, roster_file
from hub.core.roster import Entry
from hub.core.roster_file import MOST_LINES, Sheet
from hub.core.said import Refusal

MIN = 60_000
SEATS = [f"{row}{n}" for row in "ABC" for n in range(1, 11)]
PLAIN = "Candidate number,Name,Seat,Extra time,Permitted breaks\n17,Ida,A1,15,10\n18,Bo,A2,,\n"
ENTRIES = (Entry("17", "Ida", "A1", 15 * MIN, 10 * MIN), Entry("18", "Bo", "A2"))


def read(text: str | bytes, encoding: str = "") -> Sheet:
    data = text.encode() if isinstance(text, str) else text
    return roster_file.read(data, SEATS, 180 * MIN, encoding)


def problems(text: str | bytes) -> list[tuple[int, str]]:
    return [(each.line, str(each.said)) for each in read(text).problems]


def test_a_plain_file_is_read() -> None:
    sheet = read(PLAIN)
    assert (sheet.entries, sheet.problems) == (ENTRIES, ())
    assert (sheet.delimiter, sheet.encoding, sheet.unused) == (",", "utf-8", ())


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_each_delimiter_and_line_end_is_recognised(delimiter: str, ending: str) -> None:
    sheet = read(PLAIN.replace(",", delimiter).replace("\n", ending))
    assert (sheet.entries, sheet.delimiter) == (ENTRIES, delimiter)


def test_a_comma_in_names_does_not_make_it_the_delimiter() -> None:
    lines = "".join(f"{n};Doe, Jane, {n};A{n};;\n" for n in range(1, 10))
    sheet = read("Nr;Name;Platz;Zeitverlängerung;Pausen\n" + lines)
    assert (sheet.delimiter, sheet.entries[0].name, len(sheet.entries)) == (";", "Doe, Jane, 1", 9)


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16-le"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
        ("latin-1", "cp1252"),
    ],
)
@pytest.mark.parametrize("name", ["Jörg Weiß", "Müller"])
def test_each_encoding_is_recognised(encoding: str, found: str, name: str) -> None:
    """With and without a byte order mark, however short the file."""
    text = f"Nr;Name;Platz\n1;{name};A1\n"
    sheet = read(text.encode(encoding))
    assert sheet.entries == (Entry("1", name, "A1"),)
    assert sheet.encoding == found
    assert sheet.is_encoding_guessed == (found == "cp1252")


def test_utf_16_with_its_mark_in_both_byte_orders() -> None:
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        sheet = read(mark + "Nr\tName\tPlatz\n1\tŁukasz 李\tA1\n".encode(encoding))
        assert (sheet.entries[0].name, sheet.is_encoding_guessed) == ("Łukasz 李", False)


def test_other_code_pages_are_guessed_and_a_person_may_say_which() -> None:
    names = ["Łukasz Kowalski", "Małgorzata Wróbel", "Święcicka", "Zażółć Gęślą", "Żółć"]
    data = ("Nr;Name;Platz\n" + "".join(f"{n};{name};A{n}\n" for n, name in enumerate(names, 1))).encode("cp1250")
    sheet = read(data)
    assert [each.name for each in sheet.entries] == names
    assert (sheet.encoding, sheet.is_encoding_guessed) == ("cp1250", True)
    assert read(data, "cp1252").entries[0].name != names[0]
    with pytest.raises(Refusal, match=r"cannot be read as Unicode \(UTF-8\)"):
        read(data, "utf-8")
    with pytest.raises(Refusal, match="no encoding of that name"):
        read(data, "rot13")


@pytest.mark.parametrize(
    "head",
    [
        "candidate no.;NAME;seat;EXTRA TIME (min);Rest breaks",
        "Matrikelnummer;Name;Sitzplatz;Zeitverlängerung;Erholungspausen",
        "Prüflings-Nr.;Vor- und Nachname;Platz-Nr.;Zusatzzeit [min];Pausen",
        "student_id;full_name;desk;additional time;permitted breaks",
        '"Candidate\nnumber";Name;Seat;"Extra\ntime";Breaks',
    ],
)
def test_headings_in_english_and_german_in_any_case(head: str) -> None:
    sheet = read(f"{head}\n17;Ida;a1;15;10\n")
    assert (sheet.entries, sheet.problems) == (ENTRIES[:1], ())


def test_columns_in_any_order_first_and_last_name_apart_and_columns_of_no_use() -> None:
    sheet = read("No,Vorname,Nachname,Platz,Klasse,Candidate number\n1,Ida,Berg,A1,7b,17\n")
    assert sheet.entries == (Entry("17", "Ida Berg", "A1"),)
    assert sheet.unused == ("No", "Klasse")


def test_excels_sep_line_names_the_delimiter_and_counts_as_a_line() -> None:
    assert read("sep=;\r\nNr;Name;Platz\r\n1;a,b;A1\r\n").entries == (Entry("1", "a,b", "A1"),)
    assert problems("sep=;\nNr;Name;Platz\n1;x;Z9\n") == [(3, "The room has no seat Z9.")]


def test_a_quoted_line_break_is_a_space_and_later_lines_keep_their_number() -> None:
    text = 'Nr,Name,Seat\n1,"Ida\nBerg",A1\n\n2,x,Z9\n'
    assert read(text).entries[0].name == "Ida Berg"
    assert problems(text) == [(5, "The room has no seat Z9.")]


def test_every_problem_is_named_by_its_line() -> None:
    text = (
        "number,name,seat,extra,breaks\n"  # 1
        "1,a,A1,,\n"
        "2,b,Z9,,\n"  # 3
        "3,c,A1,,\n"
        "1,d,A2,,\n"  # 5
        "5,e,A3,soon,\n"
        "6,f,A4,,a lot\n"  # 7
        ",g,A5,,\n"
        "8,h,,,\n"  # 9
        "9,i,A6,,,,x\n"
        "10,j\x07,A7,,\n"  # 11
        f"{'n' * 65},k,A8,,\n"
        f"12,{'n' * 201},A9,,\n"  # 13
        "13,ok\u202e,B1,-5,\n"
    )
    assert [line for line, _ in problems(text)] == [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 14]
    said = dict(problems(text))
    assert said[3] == "The room has no seat Z9."
    assert said[4] == "Seat A1 is in line 2 already."
    assert said[5] == "Candidate 1 is in line 2 already."
    assert said[6] == "soon is no extra time: write minutes (15), a share (25 %) or hours and minutes (0:30)."
    assert said[7] == "a lot is no length of breaks: write minutes (15) or hours and minutes (0:30)."
    assert said[8] == "The candidate number is missing."
    assert said[9] == "The seat is missing."
    assert said[10] == "This line has 7 columns, and the first line names 5."
    assert said[11] == "The name has control characters."
    assert [each.number for each in read(text).entries] == ["1"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name,seat\nx,A1\n", (1, "There is no column for the candidate number: the first line must name it.")),
        ("nr,name\n1,x\n", (1, "There is no column for the seat: the first line must name it.")),
        ("nr,seat,platz\n1,A1,A1\n", (1, "Two columns are headed as the seat.")),
        ("nr,seat\n", (0, "Below the headings there is no candidate.")),
        ('nr,seat\n1,"A1\n', (2, "A quotation mark is opened here and not closed")),
    ],
)
def test_a_file_that_lacks_something_says_what(text: str, expected: tuple[int, str]) -> None:
    line, words = problems(text)[0]
    assert line == expected[0]
    assert words.startswith(expected[1])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "0 bytes"),
        (b"\n\r\n  \n", "no lines"),
        (b"\xef\xbb\xbf", "no lines"),
        (b"PK\x03\x04\x14\0\6\0xl/workbook.xml", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(90), r"\(xls\)"),
        (b"%PDF-1.7\n%\xe2\xe3", "PDF"),
        (b"<!DOCTYPE html><html>", "web page"),
        (bytes(range(256)) * 4, "not a text file"),
        (b"\xff\xfeN\x00\xd8", "cut off"),
        (b"x" * 10_000_000, "10.0 MB"),
        (b"nr,seat\n" + b"1,A1\n" * (MOST_LINES + 1), "at most 5000 lines"),
        (b"\n" * 1_000_000 + b"nr,seat\n", "at most 5000 lines"),
    ],
)
def test_what_is_no_roster_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(Refusal, match=words):
        read(data)


def test_a_desk_labelled_alike_but_for_its_case_needs_its_case() -> None:
    sheet = roster_file.read(b"nr,seat\n1,a1\n2,A1\n3,B1\n4,b1\n", ["a1", "A1", "B1"], 1)
    assert [each.seat for each in sheet.entries] == ["a1", "A1", "B1"]
    assert [str(each.said) for each in sheet.problems] == ["Seat B1 is in line 4 already."]


any_bytes = st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-16"))
broken = st.builds(
    lambda text, junk, at: text[:at] + junk + text[at:],
    st.sampled_from([PLAIN.encode(), PLAIN.encode("utf-16"), b"sep=;\n" + PLAIN.replace(",", ";").encode("cp1252")]),
    st.binary(max_size=12),
    st.integers(0, 80),
)


@given(any_bytes | broken)
@example(b"sep=\r\n")
@example(b"sep=;\nnr;seat\n\x00")
@example(b"\x81\x8d,\x9d\n")
def test_any_bytes_are_a_preview_or_a_clear_refusal(data: bytes) -> None:
    with contextlib.suppress(Refusal):
        sheet = read(data)
        assert sheet.entries or sheet.problems


cells = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=30).map(roster_file._cell)
entries = st.builds(
    Entry,
    st.one_of(cells, st.sampled_from(["=1+1", "'=x", "007", "-5", "@x", "a,b", 'a"b'])).filter(bool),
    cells,
    st.sampled_from(SEATS),
    st.integers(0, 86_400).map(lambda seconds: seconds * 1000),
    st.integers(0, 1440).map(lambda minutes: minutes * MIN),
)


@given(st.lists(entries, max_size=8, unique_by=(lambda each: each.number, lambda each: each.seat)))
def test_what_is_exported_is_read_back_as_it_was(listed: list[Entry]) -> None:
    """And no cell of it calculates."""
    turning = roster_file._TURNING
    listed = [each for each in listed if not turning & set(each.number + each.name)]
    text = roster_file.written(listed)
    sheet = roster_file.read(("\ufeff" + text).encode(), SEATS, 1)
    if listed:
        assert (list(sheet.entries), sheet.problems) == (listed, ())
    assert not any(cell[:1] in "=+-@" for row in csv.reader(io.StringIO(text)) for cell in row if cell)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("15", 15 * MIN),
        ("15 min", 15 * MIN),
        ("7,5", 450_000),
        ("0:30", 30 * MIN),
        ("01:05:30", 3_930_000),
        ("25 %", 45 * MIN),
        ("12.5%", 1_350_000),
        ("25 Prozent", 45 * MIN),
        ("15\N{NO-BREAK SPACE}min.", 15 * MIN),
    ],
)
def test_lengths_as_people_write_them(text: str, expected: int) -> None:
    assert durations.read(text, 180 * MIN) == expected


@pytest.mark.parametrize("text", ["soon", "-5", "1:75", "25:00", "1441", "٣", "1e3", "15 %%", "999%", "1;5"])
def test_what_is_no_length_is_refused(text: str) -> None:
    with pytest.raises(durations.NotALength):
        durations.read(text, 480 * MIN)


def test_breaks_are_no_share_of_anything() -> None:
    with pytest.raises(durations.NotALength):
        durations.read("25 %")
