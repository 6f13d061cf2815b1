// The card for the room: it is printed.

import "./app.js";

const button = document.querySelector("[data-print]");
button.hidden = false;
button.addEventListener("click", () => window.print());
