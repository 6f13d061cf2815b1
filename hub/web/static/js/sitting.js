// A sitting's coverage: while it runs, asked for again every few seconds.

import { fetchPart } from "./base.js";
import { feed } from "./feed.js";

const EVERY_MS = 10000;
let asked = performance.now();
let isBusy = false;

feed.addEventListener("beat", async () => {
  const current = document.getElementById("followed");
  if (isBusy || !("running" in current.dataset) || performance.now() - asked < EVERY_MS || document.hidden) return;
  isBusy = true;
  asked = performance.now();
  try {
    const { status, page } = await fetchPart(location.href);
    const fresh = page?.getElementById("followed");
    if (status === 200 && fresh && current.textContent !== fresh.textContent) current.replaceWith(document.adoptNode(fresh));
  } catch {
    // The notice about the connection says so.
  }
  isBusy = false;
});
