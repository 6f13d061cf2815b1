// The list of incidents: it follows the feed, and its rows are chosen by keyboard.

import { isTyping } from "./app.js";
import { feed } from "./feed.js";
import { follow } from "./follow.js";

follow((change) => change.touched || change.queue, feed);

const form = document.querySelector(".filters");
form.addEventListener("change", () => form.requestSubmit());

let chosen = null;
function rows() {
  return [...document.querySelectorAll("tbody tr")];
}
function mark() {
  for (const row of rows()) {
    if (row.dataset.id === chosen) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}
document.addEventListener("renewed", mark);
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  const all = rows();
  const at = all.findIndex((row) => row.dataset.id === chosen);
  if (event.key === "j" || event.key === "k") {
    const next = all[at < 0 ? 0 : Math.min(Math.max(at + (event.key === "j" ? 1 : -1), 0), all.length - 1)];
    chosen = next?.dataset.id ?? null;
    mark();
    next?.scrollIntoView({ block: "nearest" });
  } else if (event.key === "Enter" && at >= 0 && !event.target.closest?.("a, button")) {
    all[at].querySelector("a").click();
  } else return;
  event.preventDefault();
});
