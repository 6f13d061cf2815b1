// The pre-flight follows the desks: map, counts and each seat's items, while what is typed stays.

import { fetchPart } from "./base.js";
import { feed } from "./feed.js";

const EVERY_MS = 3000;
let asked = performance.now();
let isBusy = false;

function renewSeat(current, fresh) {
  current.dataset.level = fresh.dataset.level;
  for (const part of ["h3", ".failing", ".now"]) {
    const old = current.querySelector(part);
    const now = fresh.querySelector(part);
    if (old && now && old.textContent !== now.textContent) old.replaceChildren(...document.adoptNode(now).childNodes);
  }
  const seen = fresh.querySelector('input[name^="seen-"]');
  if (seen) current.querySelector('input[name^="seen-"]').value = seen.value;
}

function adopt(page) {
  const fresh = page?.getElementById("followed");
  if (!fresh) return;
  const old = document.getElementById("followed");
  const hadFocus = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  if (old.textContent !== fresh.textContent) {
    old.replaceWith(document.adoptNode(fresh));
    if (hadFocus) document.querySelector(`#followed a[href="${CSS.escape(hadFocus)}"]`)?.focus();
  }
  for (const seat of document.querySelectorAll(".seats > li")) {
    const renewed = page.getElementById(seat.id);
    if (renewed) renewSeat(seat, renewed);
  }
  const start = document.querySelector("[data-start]");
  const now = page.querySelector("[data-start]");
  if (start && now) start.textContent = now.textContent;
  const table = document.querySelector("#drills .scroll");
  const drills = page.querySelector("#drills .scroll");
  if (table && drills && table.textContent !== drills.textContent) table.replaceWith(document.adoptNode(drills));
}

feed.addEventListener("beat", async () => {
  if (isBusy || performance.now() - asked < EVERY_MS || document.hidden) return;
  isBusy = true;
  asked = performance.now();
  try {
    // Not location.href: a page that answers a refused start has the address of the start.
    const { status, page } = await fetchPart(document.getElementById("followed").dataset.pageUrl);
    if (status === 200) adopt(page);
  } catch {
    // The notice about the connection says so.
  }
  isBusy = false;
});
