// A room's map: seats are moved by pointer or by keyboard, undone step by step, and kept only when they are saved. The
// form with the numbers is the truth; the map shows it.

import { counted, setText, t } from "./base.js";

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const DRAG_FROM_PX = 5;
const form = document.getElementById("map-form");
const map = form?.querySelector("[data-map]");
const done = []; // what undo takes back, each a list of [seat, x, y] as they were
let isEditing = false;
let isSaving = false;
let drag = null;

const field = (name) => form.elements.namedItem(name);
const places = () => [...map.querySelectorAll("a.place")];
const cellAt = (x, y) => map.querySelector(`td[data-x="${x}"][data-y="${y}"]`);
const cellOf = (place) => [Number(place.parentElement.dataset.x), Number(place.parentElement.dataset.y)];
const typed = (place) => [field(`x-${place.dataset.seat}`).value, field(`y-${place.dataset.seat}`).value];
const say = (text) => setText(form.querySelector("[data-say]"), text);

function isMoved(place) {
  return typed(place).join(" ").trim() !== field(`was-${place.dataset.seat}`).value;
}

function isSizeChanged() {
  return ["columns", "rows"].some((name) => field(name).value !== field(name).defaultValue);
}

function showState() {
  const moved = places().filter(isMoved).length;
  for (const place of places()) place.classList.toggle("moved", isMoved(place));
  const isDirty = moved > 0 || isSizeChanged();
  setText(form.querySelector("[data-unsaved]"), moved ? counted("map_unsaved", moved) : isDirty ? t("map_size_unsaved") : "");
  form.querySelector("[data-save]").disabled = !isDirty;
  form.querySelector("[data-undo]").disabled = done.length === 0;
  return isDirty;
}

function put(place, x, y) {
  cellAt(x, y).append(place);
  field(`x-${place.dataset.seat}`).value = x + 1;
  field(`y-${place.dataset.seat}`).value = y + 1;
}

// Put a seat into a cell; the one that is there takes its place.
function move(place, x, y) {
  const [wasX, wasY] = cellOf(place);
  if (wasX === x && wasY === y) return;
  const other = cellAt(x, y).querySelector("a.place");
  done.push([place, ...(other ? [other] : [])].map((each) => [each, cellOf(each), typed(each)]));
  const hadFocus = document.activeElement === place;
  if (other) put(other, wasX, wasY);
  put(place, x, y);
  if (hadFocus) place.focus();
  const { label } = place.dataset;
  say(other ? t("map_swapped", { label, other: other.dataset.label }) : t("map_moved", { label, x: x + 1, y: y + 1 }));
  showState();
}

function undo() {
  const step = done.pop();
  if (!step) return;
  const focused = document.activeElement;
  for (const [place, [x, y], [typedX, typedY]] of step) {
    cellAt(x, y)?.append(place);
    field(`x-${place.dataset.seat}`).value = typedX;
    field(`y-${place.dataset.seat}`).value = typedY;
  }
  if (focused?.matches("a.place")) focused.focus();
  say(t("map_undone"));
  showState();
}

// The next free cell in that direction: others are passed over, not pushed away.
function step(place, [dx, dy]) {
  let [x, y] = cellOf(place);
  for (;;) {
    [x, y] = [x + dx, y + dy];
    const cell = cellAt(x, y);
    if (!cell) return say(t("map_edge", { label: place.dataset.label }));
    if (!cell.querySelector("a.place")) return move(place, x, y);
  }
}

function setSize() {
  const [columns, rows] = ["columns", "rows"].map((name) => Number(field(name).value));
  const cells = places().map(cellOf);
  const least = [Math.max(...cells.map(([x]) => x + 1)), Math.max(...cells.map(([, y]) => y + 1))];
  if (!(columns >= least[0] && columns <= 60 && rows >= least[1] && rows <= 60)) return showState();
  const body = map.tBodies[0];
  while (body.rows.length > rows) body.lastElementChild.remove();
  for (let y = 0; y < rows; y += 1) {
    const row = body.rows[y] ?? body.insertRow();
    while (row.cells.length > columns) row.lastElementChild.remove();
    while (row.cells.length < columns) Object.assign(row.insertCell().dataset, { x: row.cells.length - 1, y });
  }
  return showState();
}

function followNumbers(place) {
  const [x, y] = typed(place).map((text) => Number(text) - 1);
  const cell = Number.isInteger(x) && Number.isInteger(y) ? cellAt(x, y) : null;
  if (cell && !cell.querySelector("a.place")) cell.append(place);
  showState();
}

function edit(isOn) {
  isEditing = isOn;
  map.classList.toggle("editing", isOn);
  form.querySelector("[data-edit]").setAttribute("aria-pressed", String(isOn));
  form.querySelector("[data-editing]").hidden = !isOn;
  form.querySelector("[data-hint]").hidden = !isOn;
}

function endDrag(event) {
  if (!drag) return;
  const { place, over, isFar } = drag;
  drag = null;
  place.classList.remove("dragged");
  place.style.transform = "";
  over?.classList.remove("over");
  if (event.type === "pointerup" && isFar && over) move(place, Number(over.dataset.x), Number(over.dataset.y));
  if (isFar) place.focus();
}

function followDrag(event) {
  if (!drag || event.pointerId !== drag.pointerId) return;
  const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
  if (!drag.isFar && Math.hypot(dx, dy) < DRAG_FROM_PX) return;
  drag.isFar = true;
  drag.place.classList.add("dragged");
  drag.place.style.transform = `translate(${dx}px, ${dy}px)`;
  const over = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-map] td") ?? null;
  if (over === drag.over) return;
  drag.over?.classList.remove("over");
  over?.classList.add("over");
  drag.over = over;
}

function install() {
  form.querySelector("[data-tools]").hidden = false;
  form.querySelector("[data-edit]").addEventListener("click", () => edit(!isEditing));
  form.querySelector("[data-undo]").addEventListener("click", undo);
  map.addEventListener("dragstart", (event) => event.preventDefault());
  map.addEventListener("click", (event) => isEditing && event.preventDefault());
  map.addEventListener("pointerdown", (event) => {
    const place = event.target.closest("a.place");
    if (!isEditing || !place || event.button !== 0) return;
    drag = { place, x: event.clientX, y: event.clientY, pointerId: event.pointerId, over: null, isFar: false };
    place.setPointerCapture(event.pointerId);
  });
  map.addEventListener("pointermove", followDrag);
  map.addEventListener("pointerup", endDrag);
  map.addEventListener("pointercancel", endDrag);
  map.addEventListener("keydown", (event) => {
    const place = event.target.closest("a.place");
    if (!isEditing || !place) return;
    if (event.key === "Escape" && drag) endDrag(event);
    if (event.key === "Enter") event.preventDefault(); // the way to the seat's page is open again when editing ends
    if (!(event.key in STEPS) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    step(place, STEPS[event.key]);
  });
  document.addEventListener("keydown", (event) => {
    if (!isEditing || !(event.ctrlKey || event.metaKey) || event.key !== "z" || event.target.matches("input")) return;
    event.preventDefault();
    undo();
  });
  for (const name of ["columns", "rows"]) field(name).addEventListener("change", setSize);
  for (const place of places()) {
    for (const axis of ["x", "y"]) {
      field(`${axis}-${place.dataset.seat}`).addEventListener("change", () => followNumbers(place));
    }
  }
  form.addEventListener("submit", () => (isSaving = true));
  window.addEventListener("beforeunload", (event) => {
    if (!isSaving && showState()) event.preventDefault();
  });
  if (showState()) edit(true);
}

if (form && map) install();
