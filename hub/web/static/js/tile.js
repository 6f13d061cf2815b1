// One tile, brought in line with what the hub says about its seat.

import { inView, length, setIcon, setText, shape, t } from "./base.js";

function chip({ state, words }) {
  const element = shape("chip-shape");
  element.dataset.state = state;
  setIcon(element.querySelector("svg"), state);
  setText(element.querySelector("span"), words);
  return element;
}

export function showTile(element, it) {
  const find = (name) => element.querySelector(name);
  Object.assign(element.dataset, { state: it.state, unit: it.unit, room: it.room });
  element.toggleAttribute("data-seen", it.is_seen);
  if (it.seat_id != null) find(".face").setAttribute("href", `/seats/${it.seat_id}`);
  find("canvas").setAttribute("aria-label", t("seat_picture", { label: it.label }));
  setText(find(".label"), it.label);
  find(".label").title = it.label;
  setIcon(find(".line svg"), it.state);
  setText(find(".state .words"), it.words);
  find(".state").title = it.words;
  const also = find(".also");
  const wanted = JSON.stringify(it.also);
  if (also.dataset.shown !== wanted) {
    also.dataset.shown = wanted;
    also.replaceChildren(...it.also.map(chip));
  }
  const lamp = it.lamp;
  find(".dot circle").setAttribute("fill", lamp ? lamp.colour : "none");
  const lampWords = lamp ? (lamp.is_buzzing ? t("buzzing", { words: lamp.words }) : lamp.words) : "";
  setText(find(".lamp-words"), lampWords);
  find(".lamp").title = lamp ? t("lamp", { words: lampWords }) : t("lamp_unknown");
  setText(find(".faces"), inView(it, "_short"));
  find(".faces").title = inView(it);
  setText(find(".recorded"), length(it.recorded_s));
  setText(find(".fps"), it.fps == null ? "" : t("fps", { n: it.fps }));
}
