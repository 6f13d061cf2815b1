// A part of a page that is fetched again when something about it changed.

import { fetchPart } from "./base.js";

export function follow(isTouched, feed) {
  let isBusy = false;
  let isDue = false;
  let isFirst = true;

  async function renew() {
    if (isBusy) {
      isDue = true;
      return;
    }
    isBusy = true;
    try {
      const { status, page } = await fetchPart(location.href);
      const fresh = page?.getElementById("followed");
      const current = document.getElementById("followed");
      if (status === 200 && fresh && current.textContent !== fresh.textContent) {
        current.replaceChildren(...document.adoptNode(fresh).childNodes);
        document.dispatchEvent(new CustomEvent("renewed"));
      }
    } catch {
      // The notice about the connection says so.
    }
    isBusy = false;
    if (isDue) {
      isDue = false;
      renew();
    }
  }

  feed.addEventListener("board", () => {
    if (!isFirst) renew();
    isFirst = false;
  });
  feed.addEventListener("change", ({ detail }) => isTouched(detail) && renew());
}
