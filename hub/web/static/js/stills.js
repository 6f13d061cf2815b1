// Live pictures: one batch a beat for the whole page, drawn on canvases. A picture too old is greyed and says so.

import { hubNow, setText, shortLength, t } from "./base.js";
import { feed } from "./feed.js";

const STALE_MS = 5000;
let beat = 0;
let isFetching = false;
const received = new Map();

async function draw(unit, jpeg) {
  const canvases = document.querySelectorAll(`.tile[data-unit="${CSS.escape(unit)}"] canvas`);
  if (!canvases.length) return;
  try {
    const picture = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
    for (const canvas of canvases) canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    picture.close();
  } catch {
    // Not a picture that can be shown; its age goes on growing on the tile.
    received.delete(unit);
  }
}

async function take() {
  if (isFetching || document.hidden) return;
  isFetching = true;
  try {
    const response = await fetch(`/live/stills?since=${beat}`, { redirect: "error" });
    if (response.status !== 200) return;
    const data = new Uint8Array(await response.arrayBuffer());
    const end = data.indexOf(10);
    const head = JSON.parse(new TextDecoder().decode(data.subarray(0, end)));
    let start = end + 1;
    const drawn = [];
    for (const [unit, at, size] of head.stills) {
      received.set(unit, at);
      drawn.push(draw(unit, data.subarray(start, start + size)));
      start += size;
    }
    await Promise.all(drawn);
    beat = head.beat;
  } catch {
    // The next beat tries again; meanwhile the pictures grow old on the page.
  } finally {
    isFetching = false;
    showAges();
  }
}

function showAges() {
  const now = hubNow();
  for (const tile of document.querySelectorAll(".tile")) {
    const at = received.get(tile.dataset.unit);
    const isStale = tile.dataset.unit !== "" && (at == null || now - at > STALE_MS);
    tile.toggleAttribute("data-stale", isStale && at != null);
    const words = tile.querySelector(".stale");
    words.hidden = !isStale;
    if (isStale) {
      setText(words, at == null ? t("no_picture") : t("no_picture_for", { length: shortLength((now - at) / 1000) }));
    }
  }
}

// A tile made anew has an empty canvas: ask for all pictures once more.
export function forgetPictures() {
  beat = 0;
}

feed.addEventListener("beat", ({ detail }) => {
  if (detail.beat < beat) beat = 0; // the hub's pages were restarted and count anew
  if (detail.beat !== beat) take();
});
document.addEventListener("visibilitychange", take);
setInterval(showAges, 1000);
take();
