// Film inside a page: one look, played stretch by stretch, with the time it shows, its gaps, and the timeline to choose from.

import { clock, fetchPart, notice, setText, t } from "./base.js";
import { feed } from "./feed.js";

const RENEW_EVERY_MS = 3000;
const READ_MS = 4000; // what is said stands at least so long
const NEAR_MS = 400; // closer than this a moment is where it is asked for

let current = null; // the film that this page shows, of one incident or seat

export function startFilm(root) {
  const section = root.querySelector("#film");
  if (!section || section === current?.section) return;
  current = section.dataset.seat ? new Film(section) : null;
}

// A newer incident came: its film is the one that plays, not a fresh one that stands still. A browser stops what leaves
// the page, if only for a moment: call the answer when it is there again.
export function keepFilm(old, fresh) {
  const playing = old.querySelector("#film");
  const place = fresh.querySelector("#film");
  if (!playing || !place || current?.section !== playing || !current.isOpen) return () => {};
  const { video } = current;
  const isPlaying = !video.paused && !video.ended;
  place.replaceWith(playing);
  return () => isPlaying && video.play().catch(() => {});
}

feed.addEventListener("beat", () => current?.beat());

class Film {
  constructor(section) {
    this.section = section;
    this.player = section.querySelector("[data-player]");
    this.video = section.querySelector("video");
    this.over = section.querySelector("[data-over]");
    this.takes = [];
    this.place = -1;
    this.token = "";
    this.renewedAt = performance.now();
    this.isBusy = false;
    this.failures = 0;
    this.listen();
    this.dress();
  }

  get isOpen() {
    return !this.player.hidden;
  }

  get from() {
    return Number(this.section.dataset.from);
  }

  get until() {
    return Number(this.section.dataset.until);
  }

  listen() {
    const { video, section } = this;
    section.addEventListener("submit", (event) => this.submit(event));
    section.addEventListener("click", (event) => this.click(event));
    section.addEventListener("input", (event) => this.input(event));
    section.addEventListener("change", (event) => this.change(event));
    video.addEventListener("timeupdate", () => this.show());
    video.addEventListener("seeked", () => this.show());
    video.addEventListener("playing", () => {
      this.failures = 0;
      this.hush();
    });
    video.addEventListener("ended", () => this.next());
    video.addEventListener("error", () => this.failed());
  }

  // What the server alone could not do without this script.
  dress() {
    for (const hidden of this.section.querySelectorAll(".pick")) hidden.hidden = false;
  }

  // --- asking ---------------------------------------------------------------------------------------------------------

  async submit(event) {
    const form = event.target;
    if (event.submitter?.dataset.download !== undefined) return;
    event.preventDefault();
    if (form.matches("[data-play]")) await this.open(this.wantedMoment ?? this.begin);
    else if (form.matches("[data-fetch]")) await this.fetchNow(form);
  }

  get begin() {
    return this.section.dataset.part ? this.from : Number(this.section.dataset.at);
  }

  // Ask for the look, which the hub records with its reason, and play from `utcMs`.
  async open(utcMs) {
    if (this.token) return this.seek(utcMs, true);
    const form = this.section.querySelector("[data-play]");
    if (!form) return;
    if (!form.reportValidity()) {
      this.wantedMoment = utcMs;
      return;
    }
    const answer = await this.ask(form.getAttribute("action"), new FormData(form));
    if (!answer) return;
    this.wantedMoment = undefined;
    this.take(answer);
    form.hidden = true;
    this.player.hidden = false;
    this.seek(utcMs, true);
  }

  take(answer) {
    this.token = answer.play;
    this.takes = answer.takes.map((take) => ({ ...take, pieces: take.pieces.map(([clip, utc, length]) => ({ clip, utc, length })) }));
  }

  async ask(url, body = null) {
    try {
      const headers = { "X-Part": "1" };
      if (body) headers["X-CSRFToken"] = body.get("csrf_token");
      const response = await fetch(url, { method: body ? "POST" : "GET", body, headers });
      const answer = await response.json();
      if (response.ok) return answer;
      notice(`${answer.title}. ${answer.happened} ${answer.todo}`);
    } catch {
      notice(t("act_failed"));
    }
    return null;
  }

  async fetchNow(form) {
    const body = new FormData(form);
    for (const button of form.querySelectorAll("button")) button.disabled = true;
    try {
      const { status } = await fetchPart(form.getAttribute("action"), body);
      notice(t(status < 400 ? "film_asked" : "act_failed"));
    } catch {
      notice(t("act_failed"));
    }
    await this.renew();
  }

  // --- playing --------------------------------------------------------------------------------------------------------

  seek(utcMs, isPlaying) {
    const number = this.takes.findIndex((take) => utcMs < take.until - NEAR_MS / 4);
    if (number < 0) {
      this.say(t("film_end"));
      this.video.pause();
      return;
    }
    const take = this.takes[number];
    if (utcMs < take.from - NEAR_MS) this.say(t("film_missing", { from: clock(utcMs), until: clock(take.from) }));
    else this.say("");
    this.wantedAt = Math.max(clipOf(take, utcMs) / 1000, 0);
    this.isPlaying = isPlaying;
    if (number !== this.place) this.load(number);
    else this.video.currentTime = this.wantedAt;
    if (isPlaying) this.video.play().catch(() => {});
    this.showAt(Math.max(utcMs, take.from));
  }

  load(number) {
    this.place = number;
    this.speed ??= this.section.querySelector("[data-speed]").value;
    const wanted = this.wantedAt;
    this.video.addEventListener(
      "loadedmetadata",
      () => {
        this.video.playbackRate = Number(this.speed);
        if (wanted > 0) this.video.currentTime = wanted;
      },
      { once: true },
    );
    this.video.src = this.takes[number].src;
  }

  // The end of a file is not the end of the film: the next one follows, and what is missing between is said.
  async next() {
    const shown = this.shown();
    if (!this.takes[this.place + 1] && "pending" in this.section.dataset) await this.look();
    const take = this.takes[this.place];
    const end = Math.min(shown ?? take.until, take.until);
    const isEarly = take.until - end > 1500 && this.failures === 0;
    const following = this.takes[this.place + 1];
    if (!following) return this.say(t("film_end"));
    this.wantedAt = 0;
    if (following.from - end > NEAR_MS * 2 && !isEarly) {
      this.say(t("film_missing", { from: clock(end), until: clock(following.from) }));
    }
    this.load(this.place + 1);
    this.video.play().catch(() => {});
  }

  // More of a film that grows, within the same look.
  async look() {
    await this.renew();
    const seat = this.section.dataset.seat;
    const last = this.takes.at(-1);
    const answer = await this.ask(
      `/seats/${seat}/takes?from=${last.until}&to=${Math.max(this.until, last.until + 1000)}&play=${encodeURIComponent(this.token)}`,
    );
    if (answer?.takes.length) {
      const known = this.takes;
      this.take(answer);
      this.takes = [...known, ...this.takes.filter((take) => take.until - last.until > NEAR_MS)];
    }
  }

  failed() {
    if (!this.video.getAttribute("src") || this.failures > 2) return this.say(t("film_failed"));
    this.failures += 1;
    const at = this.video.currentTime || this.wantedAt || 0;
    setTimeout(() => {
      this.wantedAt = at;
      this.load(this.place);
      this.video.play().catch(() => {});
    }, 1000 * this.failures);
  }

  say(text) {
    this.saidAt = performance.now();
    this.over.hidden = !text;
    setText(this.over, text);
  }

  hush() {
    if (performance.now() - (this.saidAt ?? 0) > READ_MS) this.say("");
  }

  // --- what is shown --------------------------------------------------------------------------------------------------

  shown() {
    const take = this.takes[this.place];
    return take ? utcOf(take, this.video.currentTime * 1000) : null;
  }

  show() {
    const take = this.takes[this.place];
    if (!take || this.video.readyState < 1) return;
    const at = this.video.currentTime * 1000;
    const hole = holeAt(take, at);
    if (hole) {
      this.say(t("film_missing", { from: clock(hole.from), until: clock(hole.until) }));
    } else if (!this.video.ended && this.over.textContent !== t("film_end") && !this.video.seeking && !this.video.paused) this.hush();
    this.showAt(utcOf(take, at));
  }

  showAt(utcMs) {
    setText(this.section.querySelector("[data-wall]"), clock(utcMs));
    const line = this.section.querySelector("[data-timeline]");
    const pick = this.section.querySelector("[data-pick]");
    if (!line) return;
    const share = ((utcMs - Number(line.dataset.from)) / (line.dataset.until - line.dataset.from)) * 100;
    const head = line.querySelector("[data-playhead]");
    const x = `${Math.min(Math.max(share, 0), 100).toFixed(3)}%`;
    head.setAttribute("x1", x);
    head.setAttribute("x2", x);
    head.setAttribute("visibility", "visible");
    if (document.activeElement !== pick) pick.value = utcMs;
    setText(this.section.querySelector("[data-picked]"), clock(utcMs));
  }

  // --- choosing -------------------------------------------------------------------------------------------------------

  click(event) {
    const skip = event.target.closest("[data-skip]");
    const jump = event.target.closest("[data-jump]");
    if (skip) return this.seek((this.shown() ?? this.begin) + Number(skip.dataset.skip) * 1000, !this.video.paused);
    if (jump) return this.seek(Number(jump.dataset.jump), true);
    const svg = event.target.closest("[data-timeline] > svg");
    if (!svg || event.target.closest("a")) return;
    const box = svg.getBoundingClientRect();
    const line = svg.parentElement.dataset;
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    this.choose(Math.round(Number(line.from) + share * (line.until - line.from)));
  }

  input(event) {
    if (event.target.matches("[data-pick]")) setText(this.section.querySelector("[data-picked]"), clock(Number(event.target.value)));
  }

  change(event) {
    if (event.target.matches("[data-pick]")) this.choose(Number(event.target.value));
    if (event.target.matches("[data-speed]")) this.video.playbackRate = Number((this.speed = event.target.value));
  }

  choose(utcMs) {
    if (this.section.querySelector("[data-play]") || this.token) this.open(utcMs);
    else notice(t("film_none"));
    this.showAt(utcMs);
  }

  // --- what comes by itself -------------------------------------------------------------------------------------------

  beat() {
    if (!this.section.isConnected || document.hidden || !("pending" in this.section.dataset)) return;
    if (this.section.dataset.part && performance.now() - this.renewedAt > RENEW_EVERY_MS) this.renew();
  }

  // Everything but the player and a reason that is being written.
  async renew() {
    this.renewedAt = performance.now();
    if (this.isBusy || this.section.querySelector("[data-pick]") === document.activeElement) return;
    this.isBusy = true;
    try {
      const { status, page } = await fetchPart(this.section.dataset.part ?? location.href);
      const fresh = page?.getElementById("film");
      if (status === 200 && fresh) this.adopt(document.adoptNode(fresh));
    } catch {
      // The notice about the connection says so.
    }
    this.isBusy = false;
  }

  adopt(fresh) {
    for (const name of ["from", "until", "pending"]) {
      if (name in fresh.dataset) this.section.dataset[name] = fresh.dataset[name];
      else delete this.section.dataset[name];
    }
    const body = this.section.querySelector("[data-film-body]");
    const isOpen = body.querySelector("details")?.open;
    const freshBody = fresh.querySelector("[data-film-body]");
    const details = freshBody.querySelector("details");
    if (details) details.open = Boolean(isOpen);
    body.replaceWith(freshBody);
    const form = this.section.querySelector("[data-play]");
    const freshForm = fresh.querySelector("[data-play]");
    if (!form && freshForm) freshBody.before(freshForm);
    else if (form && freshForm) form.elements.to.value = freshForm.elements.to.value;
    this.dress();
    if (this.isOpen && this.shown() !== null) this.showAt(this.shown());
  }
}

// A clip's time (ms) of a moment: within a piece, or where the next one begins.
function clipOf(take, utcMs) {
  for (const piece of take.pieces) {
    if (utcMs < piece.utc) return piece.clip;
    if (utcMs < piece.utc + piece.length) return piece.clip + utcMs - piece.utc;
  }
  const last = take.pieces.at(-1);
  return last.clip + last.length - 50;
}

function utcOf(take, clipMs) {
  let found = take.pieces[0];
  for (const piece of take.pieces) if (piece.clip <= clipMs) found = piece;
  return found.utc + Math.min(clipMs - found.clip, found.length);
}

function holeAt(take, clipMs) {
  for (const [number, piece] of take.pieces.entries()) {
    const end = piece.clip + piece.length;
    const following = take.pieces[number + 1];
    if (following && clipMs >= end && clipMs < following.clip) return { from: piece.utc + piece.length, until: following.utc };
  }
  return null;
}
