"""Which pages there are, by the app's own map of addresses, and what a page must hold to for everybody to use it."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Page

from hub.store import Store
from hub.web import create_app
from tests.hub.website import settings
from tests.hub.whole_centre import Filled

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa")
COLOURS = ("color-contrast", "link-in-text-block")
"""The rules whose answer another theme can change."""

SCROLLING = ("scrollable-region-focusable",)
"""The rule whose answer another width can change."""

NO_PAGE = {
    "static": "files",
    "audit.export": "a download",
    "bundles.download": "a download",
    "film.again": "data for the player",
    "film.video": "film",
    "health.healthz": "for machines",
    "health.metrics": "for machines",
    "film_pages.of_incident": "a part of the incident's page",
    "incidents.still": "a picture",
    "live.people_json": "data for the page",
    "live.board_json": "data for the page",
    "live.stills": "pictures",
    "live.stream": "a stream",
    "report.as_json": "a download",
    "report.as_csv": "a download",
    "retention.certificate": "a download",
    "incidents.as_csv": "a download",
    "room_seats.picture": "a picture",
    "roster.as_csv": "a download",
    "sittings.as_json": "a download",
    "sittings.as_csv": "a download",
    "report.signed": "a download",
    "seat_acts.panel": "a part of the Live page",
    "video.watch": "a stream",
    "wall.board_json": "data for the page",
    "wall.stills": "pictures",
    "wall.stream": "a stream",
}
"""What is asked for with GET and is nothing to look at, and why."""


def _tells(value: object) -> str:
    return quote(str(value), safe="")


def addresses(folder: Path, filled: Filled) -> list[str]:
    """Every page's address, the ones with a query after those that the map of addresses has."""
    values: dict[str, Any] = {
        "incident_id": filled.incident,
        "seat_id": 2,
        "room_id": 1,
        "candidate_id": filled.candidate,
        "plan_id": filled.plan,
        "sitting": "sitting-1",
        "unit": "centre.desk-04",
    }
    store = Store(folder / "hub.db")
    app = create_app(settings(folder), store)
    app.extensions["ems"].tail.stop()
    found = []
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            if "GET" not in (rule.methods or ()) or rule.endpoint in NO_PAGE:
                continue
            unknown = rule.arguments - set(values)
            assert not unknown, f"{rule.endpoint}: say what stands for {unknown}, or in NO_PAGE why it is no page"
            found.append(app.url_for(rule.endpoint, **{name: values[name] for name in rule.arguments}))
    store.close()
    stray = set(NO_PAGE) - {rule.endpoint for rule in app.url_map.iter_rules()}
    assert not stray, f"no such endpoints: {stray}"
    return found + _with_query(filled)


def _with_query(filled: Filled) -> list[str]:
    exam = _tells("Structural Mechanics II")
    return [
        "/?seat=2",
        "/?seat=1",
        "/incidents/?state=closed",
        "/incidents/?who=nobody",
        f"/incidents/{filled.room_incident}",
        "/incidents/budget/what-if?sitting=sitting-1&seat=A2",
        f"/exams/one?exam={exam}",
        f"/exams/sittings/new?exam={exam}",
        "/exams/sittings/maths-1",
        "/profiles/one?profile=standard",
        "/sittings/maths-1",
        "/sittings/maths-1/preflight/",
        "/sittings/old-1/close",
        "/sittings/old-1/report",
        "/sittings/maths-1/close",
        "/bundles/new?incident=1",
        f"/holds/new?sitting=sitting-1&seat={_tells('A2')}",
        "/retention/exam?exam=Maths",
        "/units/centre.spare",
        "/audit/?who=nobody",
        "/seats/24",
        "/seats/8",
        # what is not there, is not asked for so, and is not let in
        "/no/such/page",
        "/incidents/budget/what-if",
    ]


def violations(page: Page, rules: tuple[str, ...] = ()) -> list[str]:
    """What axe finds wrong on the page: by the tags, or by these rules alone."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE)
    only: dict[str, Any] = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": TAGS}
    done = page.evaluate("only => axe.run({ runOnly: only, resultTypes: ['violations'] })", only)
    return [
        f"{found['id']}: {node['target']} {node['html'][:160]} {_why(node)}"
        for found in done["violations"]
        for node in found["nodes"]
    ]


def _why(node: dict[str, Any]) -> str:
    return " ".join(check["message"] for check in [*node["any"], *node["all"], *node["none"]])[:300]


CUT = """() => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  const found = wide > 0 ? [`the page is ${wide} px wider than its window`] : [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
    if (!own || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest(".unseen, svg, option")) continue;
    const range = document.createRange();
    range.selectNodeContents(element);
    const text = range.getBoundingClientRect();
    for (let box = element; box && box !== document.body; box = box.parentElement) {
      const style = getComputedStyle(box);
      const edge = box.getBoundingClientRect();
      if (style.overflowX === "auto" || style.overflowX === "scroll" || style.textOverflow === "ellipsis") break;
      if (style.position === "fixed" || style.clipPath !== "none") break;
      const isCut = (style.overflowX === "hidden" || style.overflowX === "clip")
        && (text.right > edge.right + 1.5 || text.left < edge.left - 1.5);
      const isLow = (style.overflowY === "hidden" || style.overflowY === "clip") && text.bottom > edge.bottom + 2;
      if (isCut || isLow) {
        const said = element.textContent.trim().slice(0, 40);
        found.push(`cut ${isCut ? "at the side" : "below"} by ${box.tagName}.${box.className}: ${said}`);
        break;
      }
    }
  }
  return found;
}"""
"""What is wider than the window, and which text is cut off without a sign that there is more."""
