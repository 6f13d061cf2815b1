// The tiles: all seats as a grid, the worst first, or as the maps of their rooms; which are shown, how large, and the way
// from one to the next by the arrow keys.

import { arrange, counted, setText, shape } from "./base.js";
import { forgetPictures } from "./stills.js";
import { addBins, setStrips, showStrip } from "./strip.js";
import { setNumber, showTile } from "./tile.js";

const ALWAYS_SHOWN = new Set(["alert", "overrun"]);
const SHOWN_WHILE_ON = new Set(["offline", "fault"]); // of a room without a sitting they can wait
const LEAST = { fitting: 116, grid: 148, map: 112, small: 76 }; // px: smaller ones scroll instead
const MOST = 460;
const GAP = 8;
const HEAD = 30;
const tilesPlace = document.getElementById("tiles");
const room = document.getElementById("room");
const views = document.getElementById("views");
const state = { tiles: {}, order: [], maps: {}, rooms: [], numbers: {}, running: new Set() };

export function view() {
  return tilesPlace.dataset.view;
}

function tileElements() {
  return [...tilesPlace.querySelectorAll(":scope > .tile")];
}

export function tileOf(id) {
  return tilesPlace.querySelector(`.tile[data-id="${CSS.escape(id)}"]`);
}

export function facts(id) {
  return state.tiles[id];
}

// `only`: ids of tiles that changed; null: the order did.
export function showHall({ tiles, order, bar }, only) {
  const isMoved = only?.some((id) => !tileOf(id) || state.cells?.[id] !== cellText(tiles[id]));
  Object.assign(state, { tiles, order, maps: bar?.maps ?? {}, rooms: bar?.rooms ?? [] });
  state.running = new Set(bar?.is_running ? bar.sittings.map((sitting) => sitting.room) : []);
  if (only && !isMoved) {
    for (const id of only) {
      const element = tileOf(id);
      if (element && tiles[id]) show(element, tiles[id]);
    }
  } else showAll();
  filter();
}

function cellText(tile) {
  return tile ? `${tile.room} ${tile.x} ${tile.y}` : "";
}

function show(element, it) {
  if (!it) return;
  showTile(element, it);
  setNumber(element, state.numbers[it.seat_id]);
  showStrip(element);
}

function showAll() {
  let isNew = false;
  const make = () => ((isNew = true), shape("tile-shape"));
  state.cells = Object.fromEntries(Object.entries(state.tiles).map(([id, tile]) => [id, cellText(tile)]));
  const placed = view() === "map" ? places() : null;
  const ids = placed ? [...placed.keys()] : state.order;
  arrange(tilesPlace, ids.map((id) => [id, state.tiles[id] ?? null]), (id) => (String(id).startsWith("room ") ? shape("room-shape") : make()),
    (element, it) => (it ? show(element, it) : setText(element.querySelector("h2"), element.dataset.id.slice(5))));
  for (const element of tilesPlace.children) place(element, placed?.get(element.dataset.id));
  tilesPlace.style.setProperty("--columns", String(columnsOf()));
  if (isNew) forgetPictures();
}

function place(element, at) {
  if (at) {
    element.style.gridColumn = at.x == null ? "1 / -1" : String(at.x + 1);
    element.style.gridRow = String(at.y + 1);
  } else {
    element.style.gridColumn = "";
    element.style.gridRow = "";
  }
}

function shownRooms() {
  return state.rooms.filter((name) => room.value === "" || name === room.value);
}

function columnsOf() {
  return Math.max(1, ...shownRooms().map((name) => state.maps[name]?.[0] ?? 1));
}

// Where each room's name and each tile stands, rooms one under the other, in the order in which one reads them.
function places() {
  const found = new Map();
  let top = 0;
  const named = new Set();
  for (const name of state.rooms) {
    const [, rows] = state.maps[name] ?? [0, 0];
    const here = state.order.filter((id) => state.tiles[id].room === name && state.tiles[id].x != null);
    found.set(`room ${name}`, { x: null, y: top });
    here.sort((a, b) => state.tiles[a].y - state.tiles[b].y || state.tiles[a].x - state.tiles[b].x);
    for (const id of here) {
      found.set(id, { x: state.tiles[id].x, y: top + 1 + state.tiles[id].y });
      named.add(id);
    }
    top += rows + 1;
  }
  const others = state.order.filter((id) => !named.has(id)); // units without a seat
  const columns = columnsOf();
  others.forEach((id, n) => found.set(id, { x: n % columns, y: top + Math.floor(n / columns) }));
  return found;
}

// --- which, and how large -------------------------------------------------------------------------------------------

export function filter() {
  const wanted = room.value;
  let hidden = 0;
  const shown = [];
  for (const tile of tileElements()) {
    tile.hidden = wanted !== "" && tile.dataset.room !== wanted && !needsPerson(tile);
    if (tile.hidden) hidden += 1;
    else shown.push(tile);
  }
  for (const head of tilesPlace.querySelectorAll(":scope > .room-name")) {
    const name = head.dataset.id.slice(5);
    head.hidden = !shown.some((tile) => tile.dataset.room === name);
  }
  setText(document.getElementById("hidden-count"), hidden ? counted("hidden", hidden) : "");
  const count = shown.length + hidden;
  document.querySelector('[data-empty="tiles"]').hidden = count > 0;
  tilesPlace.hidden = count === 0;
  roving(shown);
  fit(shown);
}

function needsPerson(tile) {
  const it = state.tiles[tile.dataset.id];
  const states = it ? [it.state, ...it.also.map((each) => each.state)] : [tile.dataset.state];
  return states.some((each) => ALWAYS_SHOWN.has(each) || (SHOWN_WHILE_ON.has(each) && state.running.has(tile.dataset.room)));
}

// The largest tiles with which all of them fit without scrolling; below the smallest legible size, scroll.
function fit(shown = tileElements().filter((tile) => !tile.hidden)) {
  const width = tilesPlace.clientWidth;
  const height = tilesPlace.clientHeight;
  if (!shown.length || !width || window.innerWidth <= 760) return;
  const text = shown[0].offsetHeight - shown[0].querySelector(".picture").offsetHeight;
  const best = view() === "map" ? mapSize(shown, width, height, text) : gridSize(shown.length, width, height, text);
  tilesPlace.style.setProperty("--tile", `${best}px`);
}

function mapSize(shown, width, height, text) {
  const columns = columnsOf();
  const rows = new Set(shown.map((tile) => tile.style.gridRow)).size;
  const heads = new Set(shown.map((tile) => tile.dataset.room)).size;
  const wide = Math.floor((width - GAP * (columns - 1)) / columns);
  const free = height - heads * (HEAD + GAP) - GAP * (rows - 1);
  const high = Math.floor(((free / rows - text) * 16) / 9);
  const best = Math.min(wide, high, MOST);
  return best >= LEAST.map ? best : Math.max(Math.min(wide, LEAST.grid), LEAST.small);
}

function gridSize(count, width, height, text) {
  const most = Math.max(Math.floor((width + GAP) / (LEAST.grid + GAP)), 1);
  const best = Math.floor((width - GAP * (most - 1)) / most);
  let fitting = 0;
  for (let columns = 1; columns <= count; columns += 1) {
    const size = Math.min(Math.floor((width - GAP * (columns - 1)) / columns), MOST);
    const rows = Math.ceil(count / columns);
    if (size < LEAST.fitting) break;
    if (rows * ((size * 9) / 16 + text) + GAP * (rows - 1) <= height) fitting = Math.max(fitting, size);
  }
  return fitting || best;
}
new ResizeObserver(() => fit()).observe(tilesPlace);

room.addEventListener("change", () => {
  const url = new URL(location.href);
  if (room.value) url.searchParams.set("room", room.value);
  else url.searchParams.delete("room");
  history.replaceState(null, "", url);
  if (view() === "map") showAll();
  filter();
});

export function setView(wanted) {
  tilesPlace.dataset.view = wanted;
  for (const radio of views.querySelectorAll("input")) radio.checked = radio.value === wanted;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${views.dataset.cookie}=${wanted}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  showAll();
  filter();
}
views.hidden = false;
views.addEventListener("change", ({ target }) => setView(target.value));

// --- strips and numbers ---------------------------------------------------------------------------------------------

export function takeStrips(whole) {
  setStrips(whole);
  for (const tile of tileElements()) showStrip(tile);
}

export function takeBins(bins) {
  addBins(bins);
  for (const tile of tileElements()) showStrip(tile);
}

export function takeNumbers(numbers) {
  state.numbers = numbers;
  for (const tile of tileElements()) setNumber(tile, numbers[state.tiles[tile.dataset.id]?.seat_id]);
}

// --- from tile to tile ----------------------------------------------------------------------------------------------

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

// One stop for the Tab key, whatever the number of tiles; the arrow keys go on from there.
function roving(shown) {
  const faces = shown.map((tile) => tile.querySelector(".face"));
  const stop = faces.find((face) => face === document.activeElement) ?? faces.find((face) => face.tabIndex === 0) ?? faces[0];
  for (const tile of tileElements()) {
    const face = tile.querySelector(".face");
    face.tabIndex = face === stop ? 0 : -1;
  }
}

export function focusTile(element) {
  const face = element?.querySelector(".face");
  if (!face) return;
  for (const tile of tileElements()) tile.querySelector(".face").tabIndex = -1;
  face.tabIndex = 0;
  face.focus();
  element.scrollIntoView({ block: "nearest" });
}

export function focusedTile() {
  return document.activeElement?.closest?.("#tiles > .tile") ?? null;
}

tilesPlace.addEventListener("keydown", (event) => {
  const way = ARROWS[event.key];
  const from = focusedTile();
  if (!way || !from || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  event.preventDefault();
  const here = from.getBoundingClientRect();
  let best = null;
  let nearest = Infinity;
  for (const tile of tileElements()) {
    if (tile === from || tile.hidden) continue;
    const there = tile.getBoundingClientRect();
    const along = (there.left - here.left) * way[0] + (there.top - here.top) * way[1];
    const beside = Math.abs((there.left - here.left) * way[1]) + Math.abs((there.top - here.top) * way[0]);
    if (along < 4) continue;
    const far = along + beside * 3;
    if (far < nearest) [nearest, best] = [far, tile];
  }
  if (best) focusTile(best);
});
