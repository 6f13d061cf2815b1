// The live feed: a stream of events from the hub, and asking every two seconds when the hub has no stream to give.

import { clock, hearHubTime, hubNow, notice, shortLength, t } from "./base.js";

const POLL_MS = 2000;
const TRY_STREAM_AGAIN_MS = 30000;
const SILENT_MS = 4000; // the hub says something every second

export const feed = new EventTarget();
let source = null;
let pollTimer = 0;
let heardAt = performance.now();
let heardHub = hubNow();
let isEnded = false;
let mode = "starting";

function hear(data) {
  heardAt = performance.now();
  heardHub = data.now;
  hearHubTime(data.now);
  if (data.is_store_readable === false) notice(t("store_down", { time: clock(data.read_utc_ms) }), { isLasting: true });
  else if (mode === "polling") notice(t("polling", { n: POLL_MS / 1000 }), { isLasting: true });
  else notice("");
}

function tell(kind, data) {
  if (kind !== "strips") hear(data); // by seat, with no time of its own
  feed.dispatchEvent(new CustomEvent(kind, { detail: data }));
}

function setMode(wanted) {
  mode = wanted;
  document.body.dataset.feed = wanted;
}

function end() {
  isEnded = true;
  source?.close();
  clearTimeout(pollTimer);
  setMode("ended");
  notice(t("logged_out"), { isLasting: true });
}

function openStream() {
  if (isEnded) return;
  source = new EventSource("/live/stream");
  for (const kind of ["board", "change", "beat", "strips"]) {
    source.addEventListener(kind, (event) => {
      if (kind === "board") {
        clearTimeout(pollTimer);
        setMode("streaming");
      }
      tell(kind, JSON.parse(event.data));
    });
  }
  source.addEventListener("ended", end);
  source.onerror = () => {
    // A stream that broke is opened again by the browser; one that was refused is closed for good.
    if (source.readyState !== EventSource.CLOSED || isEnded) return;
    if (mode !== "polling") poll();
    setTimeout(openStream, TRY_STREAM_AGAIN_MS);
  };
}

async function poll() {
  clearTimeout(pollTimer);
  if (isEnded || mode === "streaming") setMode(isEnded ? "ended" : "polling");
  try {
    const response = await fetch("/live/board.json", { cache: "no-store", redirect: "error" });
    if (response.status === 401 || response.status === 403) return end();
    if (response.ok) {
      const data = await response.json();
      if (mode !== "streaming" || source.readyState !== EventSource.OPEN) {
        setMode("polling");
        tell("board", data);
        feed.dispatchEvent(new CustomEvent("beat", { detail: data }));
      }
    }
  } catch {
    // The connection is gone; the watch below says so.
  }
  if (source.readyState !== EventSource.OPEN) pollTimer = setTimeout(poll, POLL_MS);
}

setInterval(() => {
  const silent = performance.now() - heardAt;
  const limit = mode === "polling" ? SILENT_MS + POLL_MS : SILENT_MS;
  document.body.toggleAttribute("data-lost", !isEnded && silent > limit);
  if (!isEnded && silent > limit) {
    notice(t("lost", { length: shortLength(silent / 1000), time: clock(heardHub) }), { isLasting: true });
  }
}, 1000);

// Not before every script of the page listens: the board that the stream begins with is told once, and a page without it
// would show changes of seats that it does not know.
document.addEventListener("DOMContentLoaded", openStream, { once: true });
window.addEventListener("pagehide", () => source?.close());
window.addEventListener("pageshow", (event) => event.persisted && openStream());
