// On every page: the top bar, the appearance, and the keys that work everywhere.

import { clock, counted, DASH, hubNow, setText, shortClock, shortLength, t, decimal } from "./base.js";
import { feed } from "./feed.js";

const bar = document.querySelector(".bar");
let facts = null;

function part(name) {
  return bar.querySelector(`[data-bar="${name}"]`);
}

function level(name, value, text) {
  const element = part(name);
  if (!element) return; // what this role may not see
  element.dataset.level = value;
  setText(element.querySelector("[data-bar-text]"), text);
}

function show() {
  const now = hubNow();
  setText(bar.querySelector("[data-clock]"), clock(now));
  for (const element of document.querySelectorAll("time[data-since]")) {
    const since = Number(element.dataset.since);
    setText(element, since ? shortLength((now - since) / 1000) : "");
  }
  if (!facts) return;
  const { recording, seats, unreviewed, oldest_utc_ms, offline, faults } = facts;
  level("recording", !seats ? "none" : recording == null || (recording < seats && facts.is_running) ? "attention" : "calm",
    !seats ? t("recording_none")
      : recording == null ? t("recording_unknown", { dash: DASH, m: seats }) : t("recording", { n: recording, m: seats }));
  level("coverage", "calm", facts.coverage == null ? t("coverage_unknown", { dash: DASH })
    : t("coverage", { n: decimal(facts.coverage, facts.coverage === 100 ? 0 : 1) }));
  showHearing();
  const age = oldest_utc_ms == null ? "" : shortLength((now - oldest_utc_ms) / 1000);
  level("review", unreviewed ? "alert" : "calm", counted("to_review", unreviewed, { length: age }));
  level("offline", offline ? "offline" : "calm",
    offline == null ? t("offline_unknown", { dash: DASH }) : counted("offline", offline));
  level("faults", faults ? "fault" : "calm", counted("faults", faults));
  const due = bar.querySelector("[data-bar-units]");
  if (due) {
    setText(due, String(facts.units_due));
    due.hidden = !facts.units_due;
  }
  showExam(now);
  setText(document.querySelector("title"), title());
}

const ownTitle = document.title;
function title() {
  return facts.unreviewed && part("review") ? `(${facts.unreviewed}) ${ownTitle}` : ownTitle;
}

function showExam(now) {
  const [first, ...more] = facts.sittings;
  const name = bar.querySelector("[data-bar-exam]");
  const left = bar.querySelector("[data-bar-left]");
  name.parentElement.toggleAttribute("data-none", !first);
  if (!first) {
    setText(name, t("exam_none"));
    setText(left, "");
    return;
  }
  setText(name, more.length ? t("exam_more", { exam: first.exam, n: more.length }) : first.exam);
  setText(left, timeOf(first, now));
}

// The time left; where some have longer, when the last of them ends.
function timeOf(sitting, now) {
  const { start_utc_ms, end_utc_ms, last_utc_ms } = sitting;
  if (!facts.is_running) return t("exam_starts", { length: shortLength((start_utc_ms - now) / 1000) });
  const [end, last] = [shortClock(end_utc_ms), shortClock(last_utc_ms)];
  if (now >= end_utc_ms) return t("exam_last", { last });
  return t(last_utc_ms > end_utc_ms ? "exam_left_last" : "exam_left", { length: shortLength((end_utc_ms - now) / 1000), end, last });
}

function showHearing() {
  const place = document.getElementById("hearing");
  place.hidden = facts.is_hearing !== false;
  const since = facts.heard_until_utc_ms;
  setText(place.querySelector("[data-hearing]"),
    place.hidden ? "" : since ? t(facts.is_broker_away ? "not_hearing_broker" : "not_hearing", { time: clock(since) }) : t("not_hearing_ever"));
}

for (const kind of ["board", "change"]) {
  feed.addEventListener(kind, ({ detail }) => {
    if (detail.bar) facts = detail.bar;
    show();
  });
}
setInterval(show, 1000);
show();

document.querySelector("[data-themes]").addEventListener("change", ({ target }) => {
  document.documentElement.dataset.theme = target.value;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `ems_theme=${target.value}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
});

const keys = document.getElementById("keys");
document.querySelector('[data-open="keys"]').addEventListener("click", () => keys.showModal());
const menus = document.querySelectorAll(".menu");
document.addEventListener("click", ({ target }) => {
  for (const menu of menus) if (!menu.contains(target)) menu.open = false;
});

export function isTyping(target) {
  return target.closest?.("input:not([type=radio]), textarea, select") != null;
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of menus) menu.open = false;
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.key === "?") {
    if (keys.open) keys.close();
    else keys.showModal();
    event.preventDefault();
  }
});
