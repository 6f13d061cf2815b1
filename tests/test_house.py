"""The house rules that a reader could break without noticing: imports, purity, sizes, and documents against code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from agent import config as agent_config
from agent import wire
from agent.core.judge import CONDITIONS
from hub import config as hub_config
from hub.core.board import ALERT_WORDS

ROOT = Path(__file__).parent.parent
PRODUCT = sorted(path for folder in ("agent", "hub", "models") for path in (ROOT / folder).rglob("*.py"))


def test_import_rules_hold() -> None:
    """Every contract in pyproject.toml is kept: who may import whom, and which library lives where."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def _imports_of(path: Path) -> list[str]:
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def test_hub_knows_only_the_wire_of_the_agent() -> None:
    """The hub imports one module of the agent, the language; a contract of import-linter cannot say `only`."""
    for path in (ROOT / "hub").rglob("*.py"):
        for name in _imports_of(path):
            if name.split(".")[0] == "agent":
                assert name.startswith("agent.wire"), f"{path.relative_to(ROOT)} imports {name}"


def test_product_never_imports_tests() -> None:
    """What ships does not lean on what tests it."""
    for path in PRODUCT:
        assert not [name for name in _imports_of(path) if name.split(".")[0] == "tests"], path


def test_three_kinds_go_down() -> None:
    """A fourth kind of message to a desk is a decision, not a slip."""
    assert set(wire.DOWN) == {"receipt", "plan", "command"}


def test_files_stay_readable() -> None:
    """No file of the product grows past 400 lines; near 300 is the aim."""
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in PRODUCT}
    long = {name for name, count in lines.items() if count > 400}
    # one language, one file: splitting it would hide what belongs together; and what travels alone in a bundle
    allowed = {"agent/wire.py", "hub/evidence/verify.py"}
    assert long <= allowed


@pytest.mark.parametrize("config", [agent_config, hub_config])
def test_env_example_lists_every_setting(config: object) -> None:
    """`.env.example` names each variable once with its default, and none that nobody reads."""
    text = (ROOT / ".env.example").read_text()
    desk, hub = text.split("# === The hub")
    part = desk if config is agent_config else hub
    named = dict(re.findall(r"^#?([A-Z][A-Z0-9_]+)=(.*)$", part, flags=re.MULTILINE))
    fields = {
        config.variable_of(field.name): field.default  # type: ignore[attr-defined]
        for field in msgspec.structs.fields(config.Settings)  # type: ignore[attr-defined]
    }
    assert sorted(named) == sorted(fields)
    for name, default in fields.items():
        if default is not msgspec.NODEFAULT:
            assert named[name] == _as_written(default), name


def _as_written(default: object) -> str:
    """A default as a person writes it into `.env`."""
    if default is None:
        return ""
    if isinstance(default, Path):
        return f"./{default}"
    if isinstance(default, bool):
        return str(default).lower()
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_one_function_deletes_film() -> None:
    """Nothing else in the hub removes a file from a storage, and no SQL but the purge's marks a segment purged or lets
    a picture go."""
    callers = set()
    for path in (ROOT / "hub").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if is_call and node.func.attr in ("delete", "delete_many"):  # type: ignore[attr-defined]
                callers.add((str(path.relative_to(ROOT)), ast.unparse(node.func)))  # type: ignore[attr-defined]
    assert {caller for caller in callers if caller[0] != "hub/evidence/s3.py"} == {
        ("hub/evidence/purging.py", "storage.delete_many")
    }
    assert {name for path, name in callers if path == "hub/evidence/s3.py"} <= {"obstore.delete"}
    for path in (ROOT / "hub" / "store" / "queries").glob("*.sql"):
        text = path.read_text()
        found = re.findall(r"set purged_utc_ms|delete from (?:segments|stills|holds|purge\w*)\b", text)
        allowed = ["set purged_utc_ms", "delete from purge_parts", "delete from purge_plans", "delete from stills"]
        assert sorted(found) == (sorted(allowed) if path.name == "purging.sql" else []), path.name


def test_every_alert_kind_has_its_place() -> None:
    """A kind is judged by a condition or named here as raised otherwise or not yet, and the pages have words for it."""
    elsewhere = {wire.AlertKind.HELP_REQUESTED}  # the button
    not_yet = {wire.AlertKind.FACE_NOT_VISIBLE, wire.AlertKind.CAMERA_MOVED}
    assert set(CONDITIONS) | elsewhere | not_yet == set(wire.AlertKind)
    assert set(ALERT_WORDS) == set(wire.AlertKind)
    assert {rule.kind for rule in wire.DEFAULT_RULES} <= set(CONDITIONS)


def test_links_of_the_documents_lead_somewhere() -> None:
    """A relative link in a tracked document names a file that is in the repository."""
    tracked = set(
        subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    )
    for document in (name for name in tracked if name.endswith(".md")):
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / document).read_text()):
            if "://" not in link:
                target = ((ROOT / document).parent / link).resolve().relative_to(ROOT)
                assert str(target) in tracked, f"{document}: {link}"


def test_alert_kinds_stand_in_the_readme() -> None:
    """Each alert and fault kind that exists is explained where people look first."""
    text = (ROOT / "agent" / "README.md").read_text()
    for kind in (*wire.AlertKind, *wire.FaultKind):
        assert f"`{kind}`" in text, kind


def test_the_default_rules_are_the_ones_in_the_readme() -> None:
    """What people read of dwell, clearing and threshold is what a desk judges by, each with its reason."""
    text = (ROOT / "agent" / "README.md").read_text()
    table = text.partition("## Rules are data")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([\d.]+) s \| ([\d.]+) s \| ([\d.]+) \| (.+) \|$", table, flags=re.MULTILINE)
    told = {kind: (float(raised), float(cleared), float(least)) for kind, raised, cleared, least, _ in rows}
    assert told == {str(rule.kind): (rule.raise_s, rule.clear_s, rule.threshold) for rule in wire.DEFAULT_RULES}
    assert all(rule.is_on for rule in wire.DEFAULT_RULES)
    assert all(len(reason) > 20 for *_, reason in rows)
