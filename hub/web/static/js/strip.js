// The thin line of a tile: its last ten minutes, one bin each ten seconds (hub/core/strip.py). Colour and height differ by
// what was seen; where nothing is known nothing is drawn.

import { shortLength, t } from "./base.js";

const BINS = 60;
const BIN_S = 10;
const UNKNOWN = ".";
const NAMES = { f: "face", s: "somebody", b: "break", e: "expected", n: "nobody", m: "many", g: "gap", a: "alert" };
const SVG = "http://www.w3.org/2000/svg";
const codes = new Map();

export function setStrips(whole) {
  codes.clear();
  for (const [id, line] of Object.entries(whole ?? {})) codes.set(id, line.slice(-BINS));
}

export function addBins(bins) {
  for (const [id, line] of Object.entries(bins)) {
    codes.set(id, ((codes.get(id) ?? UNKNOWN.repeat(BINS)) + line).slice(-BINS));
  }
}

function told(line) {
  const seconds = new Map();
  for (const code of line) seconds.set(code, (seconds.get(code) ?? 0) + BIN_S);
  return [...seconds].sort((a, b) => b[1] - a[1])
    .map(([code, length]) => t("strip_part", { what: t(`strip_${code}`), length: shortLength(length) })).join(", ");
}

export function showStrip(tile) {
  const svg = tile.querySelector(".strip");
  const line = (codes.get(tile.dataset.id) ?? "").padStart(BINS, UNKNOWN);
  if (!svg || svg.dataset.shown === line) return;
  svg.dataset.shown = line;
  const bars = [];
  for (let at = 0; at < BINS; ) {
    let end = at + 1;
    while (end < BINS && line[end] === line[at]) end += 1;
    if (NAMES[line[at]]) {
      const bar = document.createElementNS(SVG, "rect");
      bar.setAttribute("class", `seen-${NAMES[line[at]]}`);
      bar.setAttribute("x", String(at));
      bar.setAttribute("width", String(end - at));
      bars.push(bar);
    }
    at = end;
  }
  svg.replaceChildren(...bars);
  svg.setAttribute("aria-label", bars.length ? t("strip", { told: told(line) }) : t("strip_unknown"));
}
