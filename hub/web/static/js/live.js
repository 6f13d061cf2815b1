// The Live page: tiles, queue and faults follow the feed; the queue is worked by mouse or keyboard.

import { arrange, clock, fetchPart, hubNow, notice, setIcon, say, setText, shape, shortLength, t } from "./base.js";
import { isTyping } from "./app.js";
import { feed } from "./feed.js";
import { setView, showHall, takeBins, takeNumbers, takeStrips, view } from "./hall.js";
import { acts, closeMark, follow, leaveSeat, openSeat } from "./opened.js";
import { actByKey, adopt, focusVerdict, partOf } from "./part.js";

const room = document.getElementById("room");
const panel = document.getElementById("panel");
const openList = document.querySelector('[data-list="open"]');
const seenList = document.querySelector('[data-list="acknowledged"]');
const drillList = document.querySelector('[data-list="drills"]');
const faultList = document.querySelector('[data-list="faults"]');
const state = { tiles: {}, order: [], queue: [], faults: [], bar: null };
const mayReview = !document.getElementById("queue").hidden;
let chosen = null;
let roster = null;

// --- the feed -------------------------------------------------------------------------------------------------------

feed.addEventListener("board", ({ detail }) => {
  Object.assign(state, { tiles: detail.tiles, order: detail.order, queue: detail.queue, faults: detail.faults, bar: detail.bar });
  takeStrips(detail.strips);
  showAll();
  refreshPanel();
});
feed.addEventListener("strips", ({ detail }) => takeBins(detail));

feed.addEventListener("change", ({ detail }) => {
  for (const [id, tile] of Object.entries(detail.tiles ?? {})) {
    if (tile) state.tiles[id] = tile;
    else delete state.tiles[id];
  }
  for (const part of ["order", "queue", "faults", "bar"]) if (detail[part]) state[part] = detail[part];
  if (detail.bar) showBar();
  if (detail.tiles || detail.order || detail.bar?.maps) {
    const isOrdered = detail.order && view() === "grid";
    showHall(state, isOrdered || !detail.tiles ? null : Object.keys(detail.tiles));
  }
  if (detail.queue) showQueue();
  if (detail.faults) showFaults();
  follow();
  if (panel.dataset.id && detail.touched?.includes(Number(panel.dataset.id))) refreshPanel();
});

function showAll() {
  showBar();
  showHall(state, null);
  showQueue();
  showFaults();
  follow();
}

function showBar() {
  const names = state.bar.rooms;
  const known = [...room.options].slice(1).map((option) => option.value);
  if (names.join("\n") !== known.join("\n")) {
    const wanted = room.value;
    room.replaceChildren(room.options[0], ...names.map((name) => new Option(name, name)));
    room.value = names.includes(wanted) ? wanted : "";
  }
  if (document.body.dataset.roster != null && state.bar.roster !== roster) fetchNumbers(state.bar.roster);
  const newest = state.bar.newest_incident_utc_ms;
  if (newest) setText(document.querySelector("[data-newest]"), t("newest_incident", { time: clock(newest) }));
}

// Candidate numbers are not in the feed, which everybody who sees the room reads.
async function fetchNumbers(version) {
  roster = version;
  if (!version) return takeNumbers({});
  try {
    const response = await fetch("/live/people.json", { cache: "no-store", redirect: "error" });
    if (response.ok && roster === version) takeNumbers(await response.json());
  } catch {
    roster = null; // the next change of the bar asks again
  }
}

// --- queue and faults -----------------------------------------------------------------------------------------------

function showQueue() {
  const open = state.queue.filter((it) => it.state === "open" && !it.is_drill);
  const seen = state.queue.filter((it) => it.state !== "open" && !it.is_drill);
  const drills = state.queue.filter((it) => it.is_drill);
  const rows = (list) => list.map((it) => [it.id, it]);
  arrange(openList, rows(open), () => shape("queued-shape"), showQueued);
  arrange(seenList, rows(seen), () => shape("queued-shape"), showQueued);
  arrange(drillList, rows(drills), () => shape("queued-shape"), showQueued);
  document.querySelector('[data-some="drills"]').hidden = drills.length === 0;
  document.querySelector('[data-empty="open"]').hidden = open.length > 0;
  document.querySelector('[data-some="acknowledged"]').hidden = seen.length === 0;
  choose(chosen);
}

function showQueued(element, it) {
  const find = (name) => element.querySelector(name);
  Object.assign(element.dataset, { state: it.state, version: it.version });
  element.toggleAttribute("data-standing", it.is_standing);
  find("a").setAttribute("href", `/incidents/${it.id}`);
  element.toggleAttribute("data-drill", it.is_drill);
  find(".stamp").hidden = !it.is_drill;
  setIcon(find("svg"), it.is_drill ? "drill" : it.state === "open" ? "alert" : "seen");
  setText(find(".label"), it.label);
  setText(find(".room"), it.room);
  setText(find(".words"), say(it.words));
  setText(find(".by"), it.acknowledged_by ? t("seen_by", { name: it.acknowledged_by })
    : it.opened_by ? t("opened_by", { name: it.opened_by }) : t(it.is_standing ? "still_so" : "over"));
  find(".age").dataset.since = it.opened_utc_ms;
  setText(find(".age"), shortLength((hubNow() - it.opened_utc_ms) / 1000));
}

function showFaults() {
  arrange(faultList, state.faults.map((it) => [it.id, it]), () => shape("fault-shape"), (element, it) => {
    const find = (name) => element.querySelector(name);
    if (it.seat_id != null) find("a").setAttribute("href", `/seats/${it.seat_id}`);
    setText(find(".label"), it.label);
    setText(find(".words"), say(it.words));
    setText(find(".detail"), say(it.detail));
    find(".age").dataset.since = it.began_utc_ms;
  });
  document.querySelector('[data-some="faults"]').hidden = state.faults.length === 0;
}

// --- one incident at a time -----------------------------------------------------------------------------------------

function queued() {
  return [...openList.children, ...seenList.children, ...drillList.children];
}

function choose(id) {
  chosen = queued().some((element) => element.dataset.id === id) ? id : null;
  for (const element of queued()) {
    if (element.dataset.id === chosen) element.setAttribute("aria-current", "true");
    else element.removeAttribute("aria-current");
  }
}

function step(by) {
  const all = queued();
  if (!all.length) return;
  const at = all.findIndex((element) => element.dataset.id === chosen);
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1);
  choose(all[next].dataset.id);
  all[next].scrollIntoView({ block: "nearest" });
  if (panel.dataset.id) open(chosen);
}

async function open(id) {
  choose(id);
  leaveSeat();
  panel.dataset.id = id;
  await refreshPanel();
}

async function refreshPanel() {
  const id = panel.dataset.id;
  if (!id) return;
  try {
    const { status, page } = await fetchPart(`/incidents/${id}`);
    const part = partOf(page);
    if (panel.dataset.id !== id || status !== 200 || !part) return;
    adopt(panel, part);
    panel.hidden = false;
  } catch {
    notice(t("act_failed"));
  }
}

function closePanel() {
  if (closeMark()) return;
  const seat = panel.dataset.seat;
  leaveSeat();
  panel.hidden = true;
  delete panel.dataset.id;
  panel.replaceChildren();
  if (seat) document.querySelector(`#tiles .tile[data-id="s${seat}"] .face`)?.focus();
}

function closeIncident() {
  delete panel.dataset.id;
}

async function acknowledge() {
  const id = panel.dataset.id ?? chosen ?? openList.firstElementChild?.dataset.id;
  if (!id) return;
  if (panel.dataset.id !== id) await open(id);
  panel.querySelector('button[value="acknowledge"]')?.click();
}

for (const list of [openList, seenList, drillList]) {
  list.addEventListener("click", (event) => {
    const element = event.target.closest(".queued");
    if (!element || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(element.dataset.id);
  });
}

function showSeat(seatId) {
  closeIncident();
  openSeat(seatId);
}

document.getElementById("tiles").addEventListener("click", (event) => {
  const tile = event.target.closest(".tile");
  const seatId = tile && state.tiles[tile.dataset.id]?.seat_id;
  if (seatId == null || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  showSeat(seatId);
});
panel.addEventListener("click", ({ target }) => target.closest("[data-close]") && closePanel());
acts.addEventListener("incident", ({ detail }) => mayReview && open(detail));

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
    if (isTyping(event.target) && !event.target.closest("#mark")) event.target.blur();
    else closePanel();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if (event.key === "l") {
    setView(view() === "map" ? "grid" : "map");
    event.preventDefault();
    return;
  }
  if (!mayReview) return;
  const isOnControl = event.target.closest?.("a, button, summary, input");
  if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "Enter" && chosen && !isOnControl) open(chosen);
  else if (event.key === "a") acknowledge();
  else if (event.key === "v") {
    const id = panel.dataset.id ?? chosen ?? queued()[0]?.dataset.id;
    if (!id) return;
    (panel.dataset.id === id ? Promise.resolve() : open(id)).then(() => focusVerdict(panel));
  } else if (!panel.dataset.id || !actByKey(panel, event)) return;
  event.preventDefault();
});
