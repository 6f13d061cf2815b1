"""A walk through a page by the Tab key alone: where it stops, in which order, and whether that can be seen."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

MARK = """() => {
  const wanted = [];
  const radios = new Set();
  const usable = "a[href], button, input, select, textarea, summary, [tabindex='0']";
  for (const element of document.querySelectorAll(usable)) {
    if (element.disabled || element.type === "hidden" || element.closest("template, [inert]")) continue;
    if (!element.checkVisibility({ visibilityProperty: true })) continue;
    const closed = element.closest("details:not([open])");
    if (closed && element !== closed.querySelector(":scope > summary")) continue;
    if (element.closest("dialog:not([open])") || element.tabIndex < 0) continue;
    if (element.type === "radio") {
      const group = element.form?.id + element.name;
      if (radios.has(group)) continue;
      radios.add(group);
    }
    element.dataset.walked = String(wanted.length);
    wanted.push(element.outerHTML.slice(0, 90));
  }
  return wanted;
}"""
"""Number everything that can be used, in the order of the page; of radio buttons that belong together the first."""

WHERE = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return null;
  const isFellow = each => "walked" in each.dataset && each.form === element.form;
  const radio = element.type === "radio" && [...document.getElementsByName(element.name)].find(isFellow);
  const looks = each => {
    const style = getComputedStyle(each);
    return [style.outlineStyle === "none" ? "" : style.outlineWidth + style.outlineColor, style.boxShadow,
      style.borderColor, style.backgroundColor].join("|");
  };
  const shown = [element, element.nextElementSibling, element.parentElement, element.firstElementChild].filter(Boolean);
  const focused = shown.map(looks);
  const box = element.getBoundingClientRect();
  const number = (radio || element).dataset.walked;
  const hasParts = /^(date|time)/.test(element.type); // Tab goes from part to part, and would begin again
  if (!hasParts) element.blur();
  const isSeen = hasParts
    ? getComputedStyle(element).outlineStyle !== "none"
    : shown.some((each, index) => looks(each) !== focused[index]);
  if (!hasParts) element.focus({ preventScroll: true, focusVisible: true });
  return { number: number === undefined ? -1 : Number(number), html: element.outerHTML.slice(0, 90), isSeen,
    isInWindow: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth };
}"""


def walk(page: Page) -> list[str]:
    """What is wrong with a walk from the top of the page through all of it."""
    wanted: list[str] = page.evaluate(MARK)
    page.evaluate("() => { document.activeElement?.blur(); getSelection().removeAllRanges(); scrollTo(0, 0); }")
    seen: list[int] = []
    wrong: list[str] = []
    for _ in range(len(wanted) * 2 + 30):  # a date has more than one stop
        page.keyboard.press("Tab")
        found: dict[str, Any] | None = page.evaluate(WHERE)
        if found is None or found["number"] in seen[:-1]:
            break
        if found["number"] in seen:
            continue
        if found["number"] >= 0:
            seen.append(found["number"])
        if not found["isSeen"]:
            wrong.append(f"focus is not to be seen: {found['html']}")
        if not found["isInWindow"]:
            wrong.append(f"focus is outside the window: {found['html']}")
    wrong += [f"not reached: {html}" for number, html in enumerate(wanted) if number not in seen]
    if seen != sorted(seen):
        wrong.append(f"out of order: {seen}")
    return wrong
