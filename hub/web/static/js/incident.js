// An incident's own page.

import { isTyping } from "./app.js";
import { feed } from "./feed.js";
import { actByKey, adopt, renew } from "./part.js";

const holder = document.getElementById("incident-holder");
const article = holder.querySelector("#incident");
const id = article.dataset.id;
adopt(holder, article);

let isFirst = true;
feed.addEventListener("board", () => {
  if (!isFirst) renew(holder, id); // something may have been missed while there was no connection
  isFirst = false;
});
feed.addEventListener("change", ({ detail }) => {
  if (detail.touched?.includes(Number(id))) renew(holder, id);
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && isTyping(event.target)) event.target.blur();
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if (actByKey(holder, event)) event.preventDefault();
});
