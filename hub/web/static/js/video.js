// Live video of one seat. Needs base.js and the texts of the page; nothing else of the page it stands on.
//
//   watch(canvas, seatId, { onState }) -> { stop(), goOn(), state }
//     Draws the seat's newest pictures on `canvas` (its width and height become the picture's) until `stop()`, and opens
//     the stream again by itself when it breaks. The desk is asked for pictures only while somebody watches.
//     `onState(state)` is called at once, at every change and four times a second:
//       state.name   connecting | live | stale | offline | camera | none | full | lost | asking | paused | refused | gone
//       state.words  the same for people, in their language; with "live" how far behind, with "stale" for how long
//       state.age_s  the age of the picture that is shown, by the hub's clock; null without one
//       state.at     the picture's own time, the desk's UTC in ms; null without one
//     Only "live" means that the canvas shows the seat as it is now: in every other state it carries `data-stale`.
//     Nobody at the page for ten minutes: "asking", until `goOn()`. Page hidden: "paused", and on again when it is seen.
//
//   startVideo(holder) -> (nothing) | a function that ends it
//     The player that templates/_video.html draws (macro `video_box`): its button, its words, the key W. Call the
//     function before the holder is taken from the page.

import { clock, hubNow, setText, shortLength, t, decimal } from "./base.js";
import { isTyping } from "./app.js";

const LIVE_MS = 2000; // older is not live: it is greyed, and its age is said
const SILENT_MS = 5000; // the hub says something every second
const IDLE_MS = 10 * 60 * 1000;
const TICK_MS = 250;
const AGAIN_MS = 2000;
const NEXT_MS = 300;
const FULL_AGAIN_MS = 10000;
const MOST_HEAD_BYTES = 4096;
const FINAL = new Set(["refused", "gone"]);
const SIGNS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart", "scroll"];

// The parts of a stream: a line of JSON that ends with the number of bytes that follow it, and those bytes.
async function* parts(reader) {
  let held = new Uint8Array(0);
  async function more() {
    const { value, done } = await reader.read();
    if (done) return false;
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    held = joined;
    return true;
  }
  for (;;) {
    let end = held.indexOf(10);
    while (end < 0) {
      if (held.length > MOST_HEAD_BYTES) throw new Error("not a stream of pictures");
      if (!(await more())) return;
      end = held.indexOf(10);
    }
    const head = JSON.parse(new TextDecoder().decode(held.subarray(0, end)));
    const whole = end + 1 + head.size;
    while (held.length < whole) if (!(await more())) return;
    yield [head, held.slice(end + 1, whole)];
    held = held.slice(whole);
  }
}

export function watch(canvas, seatId, { onState = () => {} } = {}) {
  let trouble = "connecting"; // what is said while no picture is young enough
  let shown = null; // the head of the picture on the canvas
  let waiting = null; // the newest that is not drawn yet
  let isDrawing = false;
  let isStopped = false;
  let controller = null;
  let timer = 0;
  let heardAt = performance.now();
  let signAt = performance.now();
  let state = null;

  function age() {
    return shown ? Math.max(hubNow() - shown.heard, 0) : null;
  }

  function tell() {
    const old = age();
    let name = trouble;
    if (name === "connecting" && old != null) name = old > LIVE_MS ? "stale" : "live";
    const length = old == null ? "" : shortLength(old / 1000);
    const words = t(`video_${name}`, { length, age: decimal((old ?? 0) / 1000, 1) });
    canvas.toggleAttribute("data-stale", name !== "live");
    state = { name, words, age_s: old == null ? null : old / 1000, at: shown?.taken ?? null };
    onState(state);
  }

  async function draw() {
    if (isDrawing) return; // the newest that came meanwhile is drawn next, those before it never
    isDrawing = true;
    while (waiting && !isStopped) {
      const [head, jpeg] = waiting;
      waiting = null;
      try {
        const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
        if (canvas.width !== picture.width) canvas.width = picture.width;
        if (canvas.height !== picture.height) canvas.height = picture.height;
        canvas.getContext("2d").drawImage(picture, 0, 0);
        picture.close();
        const isFirst = shown == null;
        shown = head;
        canvas.dataset.at = String(head.taken);
        if (isFirst) tell();
      } catch {
        // Not a picture that can be shown; the age of the one before goes on growing.
      }
    }
    isDrawing = false;
  }

  function take([head, jpeg]) {
    heardAt = performance.now();
    if (head.end) return head.end;
    if (head.size) {
      waiting = [head, jpeg];
      trouble = "connecting";
      draw();
    } else trouble = head.desk || "connecting";
    // A line that cannot carry it brings pictures ever later: a new one begins with the newest.
    return hubNow() - head.now > 2 * LIVE_MS ? "late" : null;
  }

  async function stream() {
    const response = await fetch(`/seats/${seatId}/live`, {
      cache: "no-store", redirect: "error", headers: { "X-Part": "1" }, signal: controller.signal,
    });
    if (response.status === 401 || response.status === 403) return "refused";
    if (response.status === 404) return "gone";
    if (response.status === 409) return "none";
    if (response.status === 503) return "full";
    if (!response.ok) return "lost";
    for await (const part of parts(response.body.getReader())) {
      const end = take(part);
      if (end) return end === "ended" ? "refused" : "connecting";
    }
    return "lost";
  }

  async function open() {
    clearTimeout(timer);
    if (isStopped || controller || FINAL.has(trouble)) return;
    if (document.hidden) return say("paused");
    const own = (controller = new AbortController());
    heardAt = performance.now();
    say("connecting");
    let outcome = "lost";
    try {
      outcome = await stream();
    } catch {
      // The connection broke, or we gave it up: whoever gave it up has said why.
    }
    own.abort();
    if (controller !== own) return;
    controller = null;
    say(outcome);
    const pause = { full: FULL_AGAIN_MS, none: FULL_AGAIN_MS, connecting: NEXT_MS }[outcome] ?? AGAIN_MS;
    timer = setTimeout(open, pause);
  }

  function say(word) {
    trouble = word;
    tell();
  }

  function giveUp(word) {
    clearTimeout(timer);
    controller?.abort();
    controller = null;
    waiting = null;
    say(word);
  }

  function sign() {
    signAt = performance.now();
  }

  function look() {
    if (document.hidden) {
      if (!FINAL.has(trouble) && trouble !== "asking") giveUp("paused");
    } else if (trouble === "paused") open();
  }

  function tick() {
    const now = performance.now();
    if (controller && now - signAt > IDLE_MS) giveUp("asking");
    else if (controller && now - heardAt > SILENT_MS) {
      giveUp("lost");
      timer = setTimeout(open, AGAIN_MS);
    } else tell();
  }

  function stop() {
    if (isStopped) return;
    isStopped = true;
    clearTimeout(timer);
    clearInterval(ticking);
    controller?.abort();
    controller = null; // what it was waiting for says nothing any more
    for (const kind of SIGNS) document.removeEventListener(kind, sign, { capture: true });
    document.removeEventListener("visibilitychange", look);
    window.removeEventListener("pagehide", leave);
    canvas.toggleAttribute("data-stale", true);
  }

  function leave() {
    giveUp("paused");
  }

  function goOn() {
    sign();
    if (FINAL.has(trouble)) trouble = "connecting";
    open();
  }

  for (const kind of SIGNS) document.addEventListener(kind, sign, { capture: true, passive: true });
  document.addEventListener("visibilitychange", look);
  window.addEventListener("pagehide", leave);
  const ticking = setInterval(tick, TICK_MS);
  open();
  return {
    stop,
    goOn,
    get state() {
      return state;
    },
  };
}

export function startVideo(holder) {
  const box = holder?.querySelector(".video");
  if (!box) return () => {};
  const find = (name) => box.querySelector(`[data-video="${name}"]`);
  const toggle = find("toggle");
  let video = null;

  function show(state) {
    box.dataset.state = state.name;
    find("asking").hidden = state.name !== "asking";
    const isLive = state.name === "live";
    setText(find("words"), isLive ? "" : state.words);
    find("words").hidden = isLive || state.name === "asking";
    setText(find("state"), isLive ? t("video_is_live") : state.name === "asking" ? t("video_asking") : "");
    setText(find("age"), state.at == null ? "" : t("video_behind", { time: clock(state.at), age: decimal(state.age_s, 1) }));
  }

  function turn(isOn) {
    if (isOn === (video != null)) return;
    find("picture").hidden = !isOn;
    toggle.setAttribute("aria-pressed", String(isOn));
    setText(find("toggle-words"), t(isOn ? "video_stop" : "video_start"));
    if (isOn) video = watch(box.querySelector("canvas"), box.dataset.seat, { onState: show });
    else {
      video.stop();
      video = null;
      box.dataset.state = "off";
      for (const name of ["state", "age", "words"]) setText(find(name), "");
    }
  }

  function key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key.toLowerCase() === "w") turn(video == null);
  }

  toggle.hidden = false;
  toggle.addEventListener("click", () => turn(video == null));
  find("go-on").addEventListener("click", () => {
    video?.goOn();
    toggle.focus();
  });
  document.addEventListener("keydown", key);
  return () => {
    turn(false);
    document.removeEventListener("keydown", key);
  };
}
