"""What the core, the store and the scripts' texts say to people, found for the catalogues.

The core is pure and English. Words in its tables, the reasons of its errors and the sentences that it makes are read
from the source itself, so that none can be added without being asked for by the catalogue (tests/hub/test_language.py).
A sentence with values is a template in the context SENTENCE: `no unit is called %(unit)s`; a page finds the
template that a sentence was made of (`hub.web.language`).
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from jinja2.ext import babel_extract

ROOT = Path(__file__).parent.parent.parent
SOURCES = (
    "hub/core/**/*.py",
    "hub/store/**/*.py",
    "hub/web/**/*.py",
    "hub/web/templates/**/*.html",
    "agent/wire_lamp.py",
)
NOT_SHOWN = frozenset(
    {"uploads.py", "storing.py", "intake.py", "backing_up.py", "opening.py", "identity.py", "ledger.py"}
)
"""What these refuse is told to desks, to the terminal and to logs, in English."""
KEYWORDS = ("_", "gettext", "ngettext", "pgettext")

SENTENCE = "sentence"
TABLES = re.compile(
    r"(^|_)(WORDS|TEXTS|CAUSES|REASONS|TROUBLES|LABELS|VERDICTS|CATEGORIES|HUES|HELP|TITLES|ITEMS|DRILLS|STATES|WHY"
    r"|WITNESSES|DELIMITERS|COLUMNS|NO_LENGTH|DESK_CAME|DESK_LEFT|NOBODY_EXPECTED|NO_SHOW)$"
)
"""Names of tables whose values are words for people."""
NAMES = frozenset({"Role", "PatternName", "Mode"})
"""Enumerations that are shown by their values."""
SAID = frozenset({"meaning", "what_to_do", "words", "detail", "title", "happened", "todo"})
"""Arguments, by name, whose text is shown."""
CALLS = frozenset(
    {
        "Trouble",
        "Condition",
        "Concern",
        "Due",
        "said",
        "Refusal",
        "Check",
        "_green",
        "_amber",
        "_red",
        "_problem",
        "_lately",
        "Line",
        "bar",
    }
    | {"Column", "Section", "Number", "Entry"}
)
"""What is made with texts that are shown, besides every error that is raised."""
SENTENCES = frozenset(
    {
        "hub/core/retention.py:words",
        "hub/core/retention.py:_after",
        "hub/core/retention.py:_later",
        "hub/core/retention.py:due",
        "hub/core/retention.py:_due",
        "hub/core/timeline.py:words_of_part",
        "hub/core/timeline.py:_drill",
        "hub/core/card.py:rhythm_words",
        "hub/core/card.py:colour_word",
        "hub/core/upkeep.py:event_words",
        "hub/core/upkeep.py:hub_troubles",
        "hub/core/upkeep.py:_certificate_concerns",
        "hub/core/explain.py:numbers",
        "hub/core/explain.py:_witness",
        "hub/core/moment.py:moment",
        "hub/core/preflight.py:_old",
        "hub/core/audit.py:faults_of",
        "hub/core/purge_list.py:kept",
        "hub/core/roster_file.py:_head",
        "hub/core/roster_file.py:_line",
        "hub/core/roster_file.py:_rows",
        "hub/core/roster_file.py:_number",
        "hub/core/roster_file.py:one",
        "hub/store/incident_page.py:_words",
        "hub/web/film_asked.py:nothing",
        "hub/web/film_asked.py:busy",
    }
)
"""Functions all of whose texts are shown."""

Found = tuple[int, Any, Any, list[str]]


def found_in(path: Path, root: Path) -> list[Found]:
    """Everything in one Python file or template for people to read."""
    name = path.relative_to(root).as_posix()
    with path.open("rb") as file:
        if path.suffix == ".html":
            options = {"trimmed": "true", "newstyle_gettext": "true"}
            return list(babel_extract(file, KEYWORDS, [], options))
        found: list[Found] = [(*each[:3], []) for each in extract_python(file, dict.fromkeys(KEYWORDS), [], {})]
        file.seek(0)
        finder = _Finder(name)
        finder.visit(ast.parse(file.read()))
    return [*found, *finder.found]


def catalogue(root: Path = ROOT) -> Catalog:
    """All that the pages say, without translations."""
    made = Catalog(charset="utf-8")
    paths = [path for pattern in SOURCES for path in sorted(root.glob(pattern)) if path.name not in NOT_SHOWN]
    for path in paths:
        for _, function, message, _ in found_in(path, root):
            parts = message if isinstance(message, tuple) else (message,)
            if function == "pgettext":
                made.add(parts[1], context=parts[0])
            elif not isinstance(parts[0], str) or not parts[0]:
                continue  # a variable: its texts are found where they stand
            elif function == "ngettext":
                made.add(parts[:2], ("", ""))
            else:
                made.add(parts[0])
    return made


class _Finder(ast.NodeVisitor):
    def __init__(self, path: str) -> None:
        self.path = path
        self.found: list[Found] = []

    def take(self, node: ast.AST | None) -> None:
        """Every text in `node`: of a dict the values alone."""
        match node:
            case ast.Constant(value=str(text)) if "{unit}" in text:  # what a security event is
                self.found.append((node.lineno, "pgettext", (SENTENCE, text.replace("{unit}", "%(unit)s")), []))
            case ast.Constant(value=str(text)) if any(letter.isalpha() for letter in text):
                self.found.append((node.lineno, "gettext", text, []))
            case ast.JoinedStr():
                text = template_of(node)
                if len(re.sub(r"%\(\w+\)s|\W", "", text)) >= 3:
                    self.found.append((node.lineno, "pgettext", (SENTENCE, text), []))
            case _:
                for part in _inside(node):
                    self.take(part)

    def visit_Raise(self, node: ast.Raise) -> None:
        if isinstance(node.exc, ast.Call):
            for part in node.exc.args:
                self.take(part)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if _called(node) in CALLS:
            for part in node.args:
                is_code = isinstance(part, ast.Constant) and re.fullmatch(r"[a-z0-9_]*", str(part.value))
                if not is_code:  # the kind or the key of what is made, beside its words
                    self.take(part)
        is_deed = ast.unparse(node.func) in ("deeds.add", "deeds.note", "deeds.saw")
        for keyword in node.keywords:
            if is_deed and keyword.arg:  # what the audit log calls it (hub.core.audit_words)
                label = re.sub(r"_utc(_ms)?$", "", keyword.arg).replace("_", " ")
                self.found.append((node.lineno, "gettext", label, []))
            if keyword.arg in SAID:
                self.take(keyword.value)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._table(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._table(node.target, node.value)
        self.generic_visit(node)

    def _table(self, target: ast.expr, value: ast.expr | None) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its in zip(target.elts, value.elts, strict=False):
                self._table(one, its)
        elif isinstance(target, ast.Name) and TABLES.search(target.id):
            self.take(value)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if node.name in NAMES:
            for part in node.body:
                if isinstance(part, ast.Assign) and isinstance(part.value, ast.Constant):
                    self.found.append((part.lineno, "gettext", str(part.value.value).replace("_", " "), []))
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if f"{self.path}:{node.name}" in SENTENCES:
            body = ast.Module(body=node.body[ast.get_docstring(node) is not None :], type_ignores=[])
            templates = [part for part in ast.walk(body) if isinstance(part, ast.JoinedStr)]
            pieces = {id(piece) for template in templates for piece in ast.walk(template)} - set(map(id, templates))
            for part in ast.walk(body):
                is_text = isinstance(part, ast.Constant) and " " in str(part.value)
                if isinstance(part, ast.Return):
                    self.take(part.value if isinstance(part.value, ast.Constant) else None)
                if id(part) not in pieces and (is_text or isinstance(part, ast.JoinedStr)):
                    self.take(part)
        self.generic_visit(node)


def _called(node: ast.Call) -> str:
    return str(getattr(node.func, "id", getattr(node.func, "attr", "")))


def _inside(node: ast.AST | None) -> list[ast.expr]:
    """The parts of an expression that may be what it says."""
    match node:
        case ast.Dict(values=parts) | ast.BoolOp(values=parts):
            return parts
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return parts
        case ast.Call(args=parts):
            return [] if _called(node) in CALLS else parts  # those are found where they stand
        case ast.IfExp(body=one, orelse=other) | ast.BinOp(left=one, right=other):
            return [one, other]
        case ast.Subscript(value=inner):
            return [inner]
        case _:
            return []


def template_of(sentence: ast.JoinedStr) -> str:
    """The f-string as a template with named values; a name that comes again gets a number."""
    text, names = "", list[str]()
    for part in sentence.values:
        if isinstance(part, ast.Constant):
            text += str(part.value).replace("%", "%%")
        elif isinstance(part, ast.FormattedValue):
            name = next(reversed(re.findall(r"[A-Za-z_]\w*", re.sub(r"'[^']*'", "", ast.unparse(part.value)))), "value")
            names.append(name)
            text += f"%({name}{names.count(name) if names.count(name) > 1 else ''})s"
    return text
