// The pages about units: their parts follow the hub by themselves, and what somebody is typing stays.

import "./app.js";
import { fetchPart } from "./base.js";
import { feed } from "./feed.js";

const EVERY_MS = 4000; // a desk that asks, and a certificate that was made, change no tile
const AT_MOST_EVERY_MS = 1000; // heartbeats of 60 units change a tile many times a second
let isBusy = false;
let lastAt = 0;

// What a part says, without what the page itself counts on, and without what was said to this person only.
function words(part) {
  const copy = part.cloneNode(true);
  for (const age of copy.querySelectorAll("time[data-since]")) age.textContent = "";
  for (const error of copy.querySelectorAll(".error")) error.remove();
  return copy.textContent.replace(/\s+/g, " ");
}

// Where the words are the same, since when may still be new.
function renewAges(part, fresh) {
  const ages = fresh.querySelectorAll("time[data-since]");
  for (const [n, age] of part.querySelectorAll("time[data-since]").entries()) {
    if (!ages[n]) continue;
    age.dataset.since = ages[n].dataset.since;
    age.title = ages[n].title;
  }
}

function fields(part) {
  return [...part.querySelectorAll("input:not([type=hidden]), select")].filter((field) => field.id);
}

function replace(part, fresh) {
  const active = part.contains(document.activeElement) ? document.activeElement : null;
  if (active?.matches("select")) return; // its list may be open
  const typed = fields(part).map((field) => [field.id, field.value]);
  const errors = [...part.querySelectorAll(".error[data-beside]")];
  const open = [...part.querySelectorAll("details[open]")].map(nameOf);
  const shift = part.querySelector(".scroll")?.scrollLeft ?? 0;
  const [id, start, end] = [active?.id, active?.selectionStart, active?.selectionEnd];
  part.replaceChildren(...document.adoptNode(fresh).childNodes);
  for (const [name, value] of typed) {
    const field = document.getElementById(name);
    if (!field) continue;
    field.value = value;
    if (field.matches("select") && field.selectedIndex < 0) field.selectedIndex = 0; // that seat is taken now
  }
  for (const error of errors) document.getElementById(error.dataset.beside)?.before(error);
  for (const details of part.querySelectorAll("details")) if (open.includes(nameOf(details))) details.open = true;
  if (part.querySelector(".scroll")) part.querySelector(".scroll").scrollLeft = shift;
  const again = id && document.getElementById(id);
  if (!again) return;
  again.focus({ preventScroll: true });
  if (start != null) again.setSelectionRange(start, end);
}

function nameOf(details) {
  return details.dataset.keep ?? details.querySelector("form")?.id;
}

async function renew() {
  const isTooSoon = performance.now() - lastAt < AT_MOST_EVERY_MS;
  if (isBusy || isTooSoon) return;
  isBusy = true;
  lastAt = performance.now();
  try {
    const { status, page } = await fetchPart(document.body.dataset.follow);
    for (const part of status === 200 ? document.querySelectorAll("[data-part]") : []) {
      const fresh = page.querySelector(`[data-part="${part.dataset.part}"]`);
      if (!fresh) continue;
      if (words(fresh) === words(part)) renewAges(part, fresh);
      else replace(part, fresh);
    }
  } catch {
    // The notice about the connection says so.
  }
  isBusy = false;
}

feed.addEventListener("change", renew);
setInterval(renew, EVERY_MS);
