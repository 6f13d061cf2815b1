// One tile, brought in line with what the hub says about its seat.

import { clock, hubNow, inView, length, setIcon, say, setText, shape, shortLength, t } from "./base.js";

function chip({ state, words }) {
  const element = shape("chip-shape");
  element.dataset.state = state;
  setIcon(element.querySelector("svg"), state);
  setText(element.querySelector("span"), say(words));
  return element;
}

export function tileWords(it) {
  return it.state === "unknown" && it.since_utc_ms ? t("unknown_since", { time: clock(it.since_utc_ms) }) : say(it.words);
}

export function lampWords(lamp) {
  return lamp ? (lamp.is_buzzing ? t("buzzing", { words: say(lamp.words) }) : say(lamp.words)) : "";
}

export function setNumber(element, number) {
  const place = element.querySelector(".candidate");
  setText(place, number ?? "");
  place.title = number ?? "";
}

// The time of a break, on every tile that has one.
function showTimers() {
  const now = hubNow();
  for (const timer of document.querySelectorAll(".tile .timer:not([hidden])")) showTimer(timer, now);
}

function showTimer(timer, now) {
  const [began, limit] = [Number(timer.dataset.since), Number(timer.dataset.limit)];
  const text = now < limit ? length((now - began) / 1000) : t("break_over", { length: shortLength((now - limit) / 1000) });
  setText(timer, text.replace(/^0:/, ""));
}
setInterval(showTimers, 1000);

export function showTile(element, it) {
  const find = (name) => element.querySelector(name);
  Object.assign(element.dataset, { state: it.state, unit: it.unit, room: it.room });
  element.toggleAttribute("data-seen", it.is_seen);
  if (it.seat_id != null) find(".face").setAttribute("href", `/seats/${it.seat_id}`);
  find("canvas").setAttribute("aria-label", t("seat_picture", { label: it.label }));
  setText(find(".label"), it.label);
  find(".label").title = it.label;
  setIcon(find(".line svg"), it.state);
  const said = tileWords(it);
  setText(find(".state .words"), said);
  find(".state").title = said;
  const timer = find(".timer");
  timer.hidden = !it.break;
  if (it.break) {
    Object.assign(timer.dataset, { since: it.break.began_utc_ms, limit: it.break.limit_utc_ms });
    showTimer(timer, hubNow());
  }
  find(".signalled").toggleAttribute("hidden", !it.signal || it.signal.attended_utc_ms != null);
  const also = find(".also");
  const wanted = JSON.stringify(it.also);
  if (also.dataset.shown !== wanted) {
    also.dataset.shown = wanted;
    also.replaceChildren(...it.also.map(chip));
  }
  const lamp = it.lamp;
  find(".dot circle").setAttribute("fill", lamp ? lamp.colour : "none");
  setText(find(".lamp-words"), lampWords(lamp));
  find(".lamp").title = lamp ? t("lamp", { words: lampWords(lamp) }) : t("lamp_unknown");
  setText(find(".faces"), inView(it, "_short"));
  find(".faces").title = inView(it);
  setText(find(".recorded"), length(it.recorded_s));
  setText(find(".fps"), it.fps == null ? "" : t("fps", { n: it.fps }));
}
