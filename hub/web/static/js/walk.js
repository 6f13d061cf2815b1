// From one incident of the review queue to the next, by J and K.

import { isTyping } from "./app.js";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || document.querySelector("dialog[open]")) return;
  if (event.key !== "j" && event.key !== "k") return;
  const link = document.querySelector(`a[data-walk="${event.key}"]`);
  if (!link) return;
  event.preventDefault();
  link.click();
});
