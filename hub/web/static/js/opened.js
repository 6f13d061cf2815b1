// The opened seat, and what a proctor does at a seat by one key: breaks, a signal, a mark, an incident by hand.

import { fetchPart, hubNow, length, notice, setIcon, setText, shortLength, t, clock } from "./base.js";
import { facts, focusedTile, tileOf } from "./hall.js";
import { forgetPictures } from "./stills.js";
import { lampWords, tileWords } from "./tile.js";
import { startVideo } from "./video.js";

const UNDO_MS = 12000;
const panel = document.getElementById("panel");
const done = document.getElementById("done");
const mark = document.getElementById("mark");
const isActing = mark != null; // who runs sittings
let endVideo = () => {};
let undoing = null;
let doneTimer = 0;
let told = "";

function opened() {
  return panel.querySelector("#opened");
}

export function openedSeat() {
  return opened()?.dataset.seat ?? null;
}

export const acts = new EventTarget(); // "incident": one was opened by hand

// --- the panel ------------------------------------------------------------------------------------------------------

export async function openSeat(seatId) {
  if (openedSeat() === String(seatId)) return renew();
  leaveSeat();
  panel.dataset.seat = seatId;
  try {
    const { status, page } = await fetchPart(`/live/seats/${seatId}`);
    const part = page?.getElementById("opened");
    if (panel.dataset.seat !== String(seatId)) return;
    if (status !== 200 || !part) throw new Error("not shown");
    panel.replaceChildren(document.adoptNode(part));
    begin();
    panel.hidden = false;
  } catch {
    delete panel.dataset.seat;
    notice(t("act_failed"));
  }
}

// Make what the server has drawn live.
function begin() {
  const article = opened();
  panel.dataset.seat = article.dataset.seat;
  endVideo = startVideo(article);
  for (const details of article.querySelectorAll(".by-hand, .mark-here")) {
    details.addEventListener("toggle", () => {
      const at = details.querySelector('[name="at_utc_ms"]');
      if (details.open && !at.value) at.value = String(Math.round(hubNow()));
      else if (!details.open) at.value = "";
    });
  }
  const close = article.querySelector("[data-close]");
  close.hidden = false;
  setAddress(article.dataset.seat);
  told = standing();
  follow();
  forgetPictures();
}

export function leaveSeat() {
  if (!panel.dataset.seat) return;
  endVideo();
  endVideo = () => {};
  delete panel.dataset.seat;
  setAddress(null);
  panel.hidden = true;
  panel.replaceChildren();
}

function setAddress(seatId) {
  const url = new URL(location.href);
  if (seatId) url.searchParams.set("seat", seatId);
  else url.searchParams.delete("seat");
  history.replaceState(null, "", url);
}

// What of the board makes the panel's lower part another one.
function standing() {
  const it = facts(`s${openedSeat()}`);
  return it ? JSON.stringify([it.break, it.signal, it.unit]) : "";
}

async function renew() {
  const article = opened();
  if (!article) return;
  told = standing();
  try {
    const { status, page } = await fetchPart(`/live/seats/${article.dataset.seat}`);
    const part = page?.getElementById("opened");
    if (status !== 200 || !part || opened() !== article) return;
    for (const place of article.querySelectorAll("[data-renew]")) {
      const fresh = part.querySelector(`[data-renew="${place.dataset.renew}"]`);
      const had = place.contains(document.activeElement);
      place.replaceWith(document.adoptNode(fresh));
      if (had) fresh.querySelector("button:not(:disabled)")?.focus();
    }
    follow();
  } catch {
    // The notice about the connection says so.
  }
}

// Bring the panel in line with the board: called at every change.
export function follow() {
  const article = opened();
  const it = article && facts(`s${article.dataset.seat}`);
  if (!it) return;
  const now = article.querySelector("[data-now]");
  if (now) {
    now.dataset.state = it.state;
    setIcon(now.querySelector("svg"), it.state);
    setText(now.querySelector("[data-words]"), tileWords(it));
    now.querySelector("time").dataset.since = it.since_utc_ms ?? "";
  }
  setText(article.querySelector("[data-lamp]"), lampWords(it.lamp));
  setText(article.querySelector("[data-recorded]"), length(it.recorded_s));
  showTimer();
  if (standing() !== told) renew();
}

function showTimer() {
  const timer = panel.querySelector("[data-timer]");
  if (!timer) return;
  const now = hubNow();
  const [began, limit] = [Number(timer.dataset.began), Number(timer.dataset.limit)];
  timer.toggleAttribute("data-over", now >= limit);
  setText(timer.querySelector("[data-lasts]"), now >= limit
    ? t("break_over", { length: length((now - limit) / 1000) })
    : t("break_of", { length: length((now - began) / 1000), limit: length((limit - began) / 1000) }));
}
setInterval(showTimer, 1000);

// --- acts -----------------------------------------------------------------------------------------------------------

function csrf() {
  return mark.querySelector('[name="csrf_token"]').value;
}

// Answers the sentence that the hub says about it; null when it was refused, or did not get there.
async function act(url, values) {
  const body = values instanceof FormData ? values : new FormData();
  if (!(values instanceof FormData)) for (const [name, value] of Object.entries(values)) body.set(name, value);
  if (!body.get("csrf_token")) body.set("csrf_token", csrf());
  try {
    const { status, page } = await fetchPart(url, body);
    const said = page?.getElementById("said");
    if (!said) throw new Error(`answered ${status}`);
    say(said.textContent, status === 200 && said.dataset.undo ? { url: said.dataset.undo, break_id: said.dataset.break } : null);
    if (status !== 200) return { refused: said.textContent };
    if (said.dataset.incident) acts.dispatchEvent(new CustomEvent("incident", { detail: said.dataset.incident }));
    else renew();
    return { refused: "" };
  } catch {
    say(t("act_failed"));
    return { refused: t("act_failed") };
  }
}

function say(text, undo = null) {
  clearTimeout(doneTimer);
  undoing = undo;
  setText(done.querySelector("[data-said]"), text);
  done.querySelector("[data-undo]").hidden = !undo;
  done.hidden = false;
  doneTimer = setTimeout(() => {
    done.hidden = true;
    undoing = null;
  }, UNDO_MS);
}

function undo() {
  if (!undoing) return say(t("nothing_to_undo"));
  const { url, break_id } = undoing;
  undoing = null;
  act(url, { break_id });
}
done.querySelector("[data-undo]").addEventListener("click", undo);

// The seat that a key is for: the focused tile's, else the opened one's.
function chosenSeat() {
  const id = focusedTile()?.dataset.id ?? (panel.dataset.seat ? `s${panel.dataset.seat}` : null);
  const it = id ? facts(id) : null;
  return it?.seat_id == null ? null : it;
}

function giveBreak(kind) {
  const it = chosenSeat();
  if (!it) return say(t("choose_seat"));
  act(`/seats/${it.seat_id}/break`, { kind });
}

function endBreak() {
  const it = chosenSeat();
  if (!it) return say(t("choose_seat"));
  if (!it.break) return say(t("no_break", { label: it.label }));
  act(`/seats/${it.seat_id}/break/end`, { break_id: it.break.break_id });
}

// --- marks ----------------------------------------------------------------------------------------------------------

let cameFrom = null;

function beginMark() {
  const it = chosenSeat();
  const now = Math.round(hubNow());
  const form = mark.querySelector("form");
  cameFrom = document.activeElement;
  form.elements.at_utc_ms.value = String(now);
  form.elements.seat_id.value = it ? String(it.seat_id) : "";
  mark.querySelector("[data-mark-room]").hidden = it != null;
  if (!it) {
    const wanted = document.getElementById("room").value;
    if (wanted) form.elements.room.value = wanted;
  }
  setText(mark.querySelector("[data-mark-what]"),
    it ? t("mark_seat", { time: clock(now), label: it.label }) : t("mark_room", { time: clock(now) }));
  mark.querySelector("[data-mark-trouble]").hidden = true;
  mark.open = true;
  form.elements.note.focus();
}

function endMark() {
  mark.open = false;
  mark.querySelector("form").reset();
  mark.querySelector('[name="at_utc_ms"]').value = "";
  cameFrom?.focus?.();
}

export function closeMark() {
  if (!mark?.open) return false;
  endMark();
  return true;
}

if (mark) {
  const form = mark.querySelector("form");
  const cancel = mark.querySelector("[data-mark-cancel]");
  cancel.hidden = false;
  cancel.addEventListener("click", endMark);
  mark.querySelector("summary").addEventListener("click", (event) => {
    event.preventDefault();
    if (mark.open) endMark();
    else beginMark();
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && event.target.tagName === "TEXTAREA") {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { refused } = await act(form.getAttribute("action"), new FormData(form));
    const trouble = mark.querySelector("[data-mark-trouble]");
    setText(trouble, refused);
    trouble.hidden = !refused;
    if (!refused) endMark();
  });
}

panel.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.closest("#opened")) return; // an incident's, part.js
  event.preventDefault();
  const buttons = form.querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  const { refused } = await act(form.getAttribute("action"), new FormData(form));
  for (const button of buttons) button.disabled = false;
  const details = form.closest("details");
  if (!refused && details) {
    form.reset();
    details.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  const { target } = event;
  const isField = target.closest?.("textarea, select, input:not([type=radio])");
  if (!isActing || event.ctrlKey || event.metaKey || event.altKey || event.repeat || isField) return;
  if (document.querySelector("dialog[open]")) return;
  const key = event.key.toLowerCase();
  if (key === "t") giveBreak("toilet");
  else if (key === "r") giveBreak("rest");
  else if (key === "b") endBreak();
  else if (key === "m") beginMark();
  else if (key === "z") undo();
  else return;
  event.preventDefault();
});

if (opened()) begin(); // the address named a seat
