// The Wall: nothing to press. It follows its own feed, finds its way back by itself after the hub was away, and loads
// itself again when the hub serves another page.

import { arrange, clock, DASH, hearHubTime, hubNow, setIcon, say, setText, shape, shortLength, length, t, decimal } from "./base.js";

const SILENT_MS = 4000; // the hub says something every second
const POLL_MS = 2000;
const TURN_MS = 15000;
const STALE_MS = 5000;
const body = document.body;
const find = (id) => document.getElementById(id);
const hasPictures = body.hasAttribute("data-pictures");
let view = null;
let heardAt = performance.now();
let heardHub = hubNow();
let isEnded = false;
let source = null;
let page = 0;
let beat = 0;

// --- the feed -------------------------------------------------------------------------------------------------------

function hear(data) {
  heardAt = performance.now();
  heardHub = data.now;
  hearHubTime(data.now);
  if (hasPictures && data.beat !== beat) takePictures(data.beat);
}

function take(data) {
  hear(data);
  if (data.version !== body.dataset.version) {
    location.reload();
    return;
  }
  view = data;
  show();
}

function end() {
  isEnded = true;
  source?.close();
  view = null;
  for (const id of ["seats", "alerts", "exams"]) find(id).replaceChildren();
  showLost();
}

function open() {
  if (isEnded) return;
  source = new EventSource("/wall/stream");
  source.addEventListener("wall", ({ data }) => take(JSON.parse(data)));
  source.addEventListener("beat", ({ data }) => hear(JSON.parse(data)));
  source.addEventListener("ended", end);
  source.onerror = () => {
    // A stream that broke is opened again by the browser; one that was refused is asked for, and tried again.
    if (source.readyState === EventSource.CLOSED && !isEnded) ask();
  };
}

async function ask() {
  try {
    const response = await fetch("/wall/board.json", { cache: "no-store", redirect: "error" });
    if (response.status === 401) return end();
    if (response.ok) take(await response.json());
  } catch {
    // The hub is away; what is shown says since when.
  }
  setTimeout(open, POLL_MS);
}

// --- pictures -------------------------------------------------------------------------------------------------------

const received = new Map();
const pictures = new Map();
let isFetching = false;

async function takePictures(newest) {
  if (isFetching) return;
  isFetching = true;
  try {
    const since = newest < beat ? 0 : beat;
    const response = await fetch(`/wall/stills?since=${since}`, { redirect: "error" });
    if (response.status !== 200) return;
    const data = new Uint8Array(await response.arrayBuffer());
    const cut = data.indexOf(10);
    const head = JSON.parse(new TextDecoder().decode(data.subarray(0, cut)));
    let start = cut + 1;
    for (const [unit, at, size] of head.stills) {
      pictures.set(unit, data.slice(start, start + size));
      received.set(unit, at);
      start += size;
    }
    beat = head.beat;
    for (const [unit] of head.stills) draw(unit);
  } catch {
    // The next beat tries again; meanwhile the pictures grow old on the page.
  } finally {
    isFetching = false;
  }
}

async function draw(unit) {
  const seat = find("seats").querySelector(`[data-unit="${CSS.escape(unit)}"]`);
  if (!unit || !seat || !pictures.has(unit)) return;
  try {
    const picture = await createImageBitmap(new Blob([pictures.get(unit)], { type: "image/jpeg" }));
    seat.querySelector("canvas").getContext("2d").drawImage(picture, 0, 0, 320, 180);
    picture.close();
  } catch {
    received.delete(unit); // not a picture that can be shown; it counts as old
  }
}

function showAges() {
  for (const seat of find("seats").children) {
    const at = received.get(seat.dataset.unit);
    seat.toggleAttribute("data-stale", hasPictures && (at == null || hubNow() - at > STALE_MS));
  }
}

// --- what is shown --------------------------------------------------------------------------------------------------

function show() {
  if (!view) return;
  showFigures();
  showSeats();
  showAlerts();
  const text = view.sittings.length ? (view.tiles.length ? "" : t("wall_no_seats")) : t("exam_none");
  find("none").hidden = !text || view.tiles.length > 0;
  setText(find("none"), text);
}

function figure(id, value, level) {
  find(id).dataset.level = level;
  setText(find(id).querySelector("strong"), value);
}

function showFigures() {
  const shares = view.sittings.filter((each) => each.is_running && each.per_cent != null).map((each) => each.per_cent);
  const least = shares.length ? Math.min(...shares) : null;
  figure("coverage", least == null ? DASH : `${decimal(least, 2)} %`, least != null && least < 99 ? "attention" : "calm");
  const isShort = view.is_running && view.recording < view.seats;
  figure("recording", t("wall_of", { n: view.recording, m: view.seats }), isShort ? "attention" : "calm");
  figure("review", String(view.unreviewed), view.unreviewed ? "alert" : "calm");
  figure("offline", String(view.offline), view.offline ? "offline" : "calm");
}

function showAlerts() {
  arrange(find("alerts"), view.alerts.slice(0, 14).map((it) => [it.id, it]), () => shape("alert-shape"), (element, it) => {
    element.dataset.state = it.is_drill ? "drill" : it.state;
    setText(element.querySelector("strong"), it.label);
    setText(element.querySelector(".words"), it.is_drill ? `DRILL ${say(it.words)}` : say(it.words));
    element.querySelector("time").dataset.since = it.opened_utc_ms;
  });
  find("alerts").hidden = view.alerts.length === 0;
}

// Seats are as large as they can be with all of them on the screen; what does not fit in the least legible size goes on
// pages, which turn.
const GAP = 6;
const LEAST_WIDTH = hasPictures ? 150 : 132;
const SHAPE = hasPictures ? 9 / 16 : 0;
const TEXT_HEIGHT = 52;

function grid(count) {
  const place = find("seats");
  const width = place.clientWidth;
  const height = place.clientHeight;
  const columnsMost = Math.max(Math.floor((width + GAP) / (LEAST_WIDTH + GAP)), 1);
  const rowsIn = (columns) => {
    const wide = (width - GAP * (columns - 1)) / columns;
    return Math.max(Math.floor((height + GAP) / (wide * SHAPE + TEXT_HEIGHT + GAP)), 1);
  };
  let best = null;
  for (let columns = Math.min(4, columnsMost); columns <= columnsMost; columns += 1) {
    if (columns * rowsIn(columns) < count) continue;
    if (hasPictures) return { columns, size: count };
    // Without pictures the tiles fill the height: the columns with which they are nearest to a tile's shape.
    const off = Math.abs(Math.log(width / columns / (height / Math.ceil(count / columns)) / 2.2));
    if (!best || off < best.off) best = { columns, size: count, off };
  }
  if (best) return best;
  return { columns: columnsMost, size: columnsMost * rowsIn(columnsMost) };
}

function showSeats() {
  const { columns, size } = grid(view.tiles.length);
  const pages = Math.max(Math.ceil(view.tiles.length / size), 1);
  page %= pages;
  find("seats").style.setProperty("--columns", columns);
  const shown = view.tiles.slice(page * size, page * size + size);
  let isNew = false;
  arrange(find("seats"), shown.map((it) => [it.id, it]), () => ((isNew = true), shape("seat-shape")), (element, it) => {
    Object.assign(element.dataset, { state: it.state, unit: it.unit });
    element.toggleAttribute("data-seen", it.is_seen);
    setIcon(element.querySelector("svg"), it.state);
    setText(element.querySelector("strong"), it.label);
    setText(element.querySelector(".words"), say(it.words));
  });
  if (isNew) for (const it of shown) draw(it.unit);
  find("pages").hidden = pages === 1;
  setText(find("pages"), t("wall_page", { n: page + 1, m: pages }));
  showAges();
}

function showExams(now) {
  arrange(find("exams"), view.sittings.slice(0, 3).map((it, at) => [at, it]), () => shape("exam-shape"), (element, it) => {
    setText(element.querySelector(".left"), length(((it.is_running ? it.end_utc_ms : it.start_utc_ms) - now) / 1000));
    setText(element.querySelector(".name"), it.exam);
    setText(element.querySelector(".where"), it.is_running ? it.room : t("wall_next", { room: it.room }));
  });
}

function showLost() {
  const isLost = performance.now() - heardAt > SILENT_MS;
  body.toggleAttribute("data-lost", isLost || isEnded);
  const text = isEnded ? t("wall_ended") : isLost ? t("wall_lost", { time: clock(heardHub) }) : "";
  const blind = view && view.is_store_readable === false ? t("wall_blind") : "";
  setText(find("lost"), text || blind);
  find("lost").hidden = !(text || blind);
}

setInterval(() => {
  const now = hubNow();
  setText(find("clock"), body.hasAttribute("data-lost") ? DASH : clock(now));
  showLost();
  if (!view) return;
  showExams(now);
  showAges();
  for (const element of find("alerts").querySelectorAll("time")) {
    setText(element, shortLength((now - Number(element.dataset.since)) / 1000));
  }
  const oldest = view.oldest_utc_ms == null ? "" : t("wall_oldest", { length: shortLength((now - view.oldest_utc_ms) / 1000) });
  setText(find("review").querySelector("span"), oldest || t("wall_review"));
}, 1000);
setInterval(() => {
  page += 1;
  show();
}, TURN_MS);
window.addEventListener("resize", show);
window.addEventListener("pagehide", () => source?.close());
if (location.hash) history.replaceState(null, "", location.pathname);
open();
