// Masks on a seat's picture: corners are clicked, dragged, or moved with the arrow keys. The fields are the truth; what is
// drawn follows them, and whoever cannot use the picture types numbers.

import { setText, t } from "./base.js";

const SVG = "http://www.w3.org/2000/svg";
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const form = document.getElementById("masks-form");
const canvas = form.querySelector("[data-canvas]");
const list = form.querySelector("[data-masks]");
const most = Number(form.dataset.most);
const mostCorners = Number(form.dataset.mostCorners);
const picture = document.createElementNS(SVG, "svg");
const done = [];
let open = null; // the mask whose corners are being clicked
let drag = null;
let isSaving = false;

const masks = () => [...list.querySelectorAll("[data-mask]")];
const fieldOf = (mask) => mask.querySelector("[name=points]");
const kindOf = (mask) => mask.querySelector("[name=kind]").value;
const within = (value) => Math.min(100, Math.max(0, Math.round(value * 10) / 10));
const say = (text) => setText(form.querySelector("[data-say]"), text);
const state = () => masks().map((mask) => [kindOf(mask), fieldOf(mask).value.trim()]);
const saved = JSON.stringify(state().filter(([, points]) => points));

function cornersOf(mask) {
  return fieldOf(mask)
    .value.split(";")
    .map((corner) => corner.trim().split(/[\s,]+/).map(Number))
    .filter((corner) => corner.length === 2 && corner.every((value) => value >= 0 && value <= 100));
}

function write(mask, corners) {
  fieldOf(mask).value = corners.map((corner) => corner.map(within).join(" ")).join("; ");
}

function remember() {
  done.push(state());
}

function isDirty() {
  return "refused" in form.dataset || JSON.stringify(state().filter(([, points]) => points)) !== saved;
}

function number() {
  for (const [n, mask] of masks().entries()) setText(mask.querySelector("legend"), t("mask_name", { n: n + 1 }));
}

function addMask(kind = "ignore", points = "") {
  const mask = form.querySelector("[data-shape]").content.firstElementChild.cloneNode(true);
  mask.querySelector("[name=kind]").value = kind;
  fieldOf(mask).value = points;
  mask.querySelector("[data-remove]").hidden = false;
  list.append(mask);
  return mask;
}

function draw() {
  const focused = document.activeElement?.dataset?.corner;
  picture.replaceChildren();
  for (const handle of canvas.querySelectorAll(".corner")) handle.remove();
  for (const [n, mask] of masks().entries()) drawMask(mask, n + 1);
  canvas.classList.toggle("drawing", open !== null);
  form.querySelector("[data-close]").hidden = open === null;
  form.querySelector("[data-add]").disabled = open !== null || masks().length >= most;
  form.querySelector("[data-undo]").disabled = done.length === 0;
  setText(form.querySelector("[data-unsaved]"), isDirty() ? t("mask_unsaved") : "");
  if (focused) canvas.querySelector(`[data-corner="${focused}"]`)?.focus();
}

function drawMask(mask, n) {
  const corners = cornersOf(mask);
  if (corners.length === 0) return;
  const shape = document.createElementNS(SVG, mask === open ? "polyline" : "polygon");
  shape.setAttribute("points", corners.map((corner) => corner.join(",")).join(" "));
  shape.setAttribute("class", kindOf(mask));
  picture.append(shape);
  for (const [index, [x, y]] of corners.entries()) {
    const handle = document.createElement("button");
    handle.type = "button";
    handle.className = "corner";
    handle.dataset.corner = `${n}-${index}`;
    handle.textContent = String(n);
    handle.setAttribute("aria-label", t("mask_corner", { n: index + 1, mask: n, x, y }));
    handle.style.left = `${x}%`;
    handle.style.top = `${y}%`;
    canvas.append(handle);
  }
}

function cornerOf(handle) {
  const [n, index] = handle.dataset.corner.split("-").map(Number);
  return { mask: masks()[n - 1], index };
}

function moveCorner(handle, change) {
  const { mask, index } = cornerOf(handle);
  const corners = cornersOf(mask);
  corners[index] = change(corners[index]);
  write(mask, corners);
  draw();
  const { x, y } = { x: within(corners[index][0]), y: within(corners[index][1]) };
  say(t("mask_corner", { n: index + 1, mask: masks().indexOf(mask) + 1, x, y }));
}

function begin() {
  remember();
  open = addMask();
  number();
  say(t("mask_draw"));
  draw();
}

function close() {
  if (!open) return;
  if (cornersOf(open).length < 3) {
    say(t("mask_few"));
    return;
  }
  const n = masks().indexOf(open) + 1;
  open = null;
  draw();
  say(t("mask_drawn", { n }));
}

function undo() {
  const before = done.pop();
  if (!before) return;
  const wasOpen = open ? masks().indexOf(open) : -1;
  list.replaceChildren();
  const found = before.map(([kind, points]) => addMask(kind, points));
  open = found[wasOpen] ?? null;
  number();
  draw();
  say(t("map_undone"));
}

function shareOf(event) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * 100, ((event.clientY - box.top) / box.height) * 100];
}

function press(event) {
  if (event.button !== 0) return;
  const handle = event.target.closest(".corner");
  if (handle) {
    const { mask, index } = cornerOf(handle);
    if (mask === open && index === 0 && cornersOf(mask).length >= 3) return close();
    remember();
    drag = { corner: handle.dataset.corner, pointerId: event.pointerId };
    canvas.setPointerCapture(event.pointerId);
    return handle.focus();
  }
  if (!open) return undefined;
  const corners = cornersOf(open);
  if (corners.length >= mostCorners) return say(t("mask_full"));
  remember();
  write(open, [...corners, shareOf(event)]);
  return draw();
}

function follow(event) {
  if (!drag || event.pointerId !== drag.pointerId) return;
  const handle = canvas.querySelector(`[data-corner="${drag.corner}"]`);
  if (handle) moveCorner(handle, () => shareOf(event));
}

function byKey(event) {
  const handle = event.target.closest(".corner");
  if (event.key === "Enter" && open) {
    event.preventDefault();
    close();
  } else if (handle && event.key in STEPS) {
    event.preventDefault();
    remember();
    const [dx, dy] = STEPS[event.key].map((step) => step * (event.shiftKey ? 5 : 1));
    moveCorner(handle, ([x, y]) => [x + dx, y + dy]);
  } else if (handle && (event.key === "Delete" || event.key === "Backspace")) {
    event.preventDefault();
    const { mask, index } = cornerOf(handle);
    const corners = cornersOf(mask);
    if (corners.length <= 3 && mask !== open) {
      say(t("mask_few"));
      return;
    }
    remember();
    corners.splice(index, 1);
    write(mask, corners);
    draw();
  }
}

function install() {
  picture.setAttribute("viewBox", "0 0 100 100");
  picture.setAttribute("preserveAspectRatio", "none");
  picture.setAttribute("aria-hidden", "true");
  canvas.append(picture);
  list.querySelector("[data-spare-mask]")?.remove(); // without a script the way to one more
  for (const mask of masks()) mask.querySelector("[data-remove]").hidden = false;
  form.querySelector("[data-tools]").hidden = false;
  form.querySelector("[data-add]").addEventListener("click", begin);
  form.querySelector("[data-close]").addEventListener("click", close);
  form.querySelector("[data-undo]").addEventListener("click", undo);
  canvas.addEventListener("pointerdown", press);
  canvas.addEventListener("pointermove", follow);
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (drag = null));
  form.querySelector(".drawing").addEventListener("keydown", byKey);
  list.addEventListener("change", draw);
  list.addEventListener("click", (event) => {
    const mask = event.target.closest("[data-remove]")?.closest("[data-mask]");
    if (!mask) return;
    remember();
    if (mask === open) open = null;
    mask.remove();
    number();
    draw();
  });
  form.addEventListener("submit", () => (isSaving = true));
  window.addEventListener("beforeunload", (event) => {
    if (!isSaving && isDirty()) event.preventDefault();
  });
  draw();
}

install();
