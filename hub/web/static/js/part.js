// An incident inside a page: shown, renewed when somebody changes it, and acted on without leaving the page.

import { fetchPart, notice, t } from "./base.js";
import { keepFilm, startFilm } from "./film.js";

export function partOf(page) {
  return page?.getElementById("incident") ?? null;
}

// Put the newer incident in the holder. What was typed and chosen stays: another person's act must not eat it.
export function adopt(holder, part, { keepTyped = true } = {}) {
  const old = holder.querySelector("#incident");
  const fresh = document.adoptNode(part);
  const goOn = old && old.dataset.id === fresh.dataset.id ? keepFilm(old, fresh) : () => {};
  if (old && keepTyped && old.dataset.id === fresh.dataset.id) {
    const typed = old.querySelector("textarea");
    const place = fresh.querySelector("textarea");
    if (typed && place && !place.value) place.value = typed.value;
    const verdict = old.querySelector('input[name="verdict"]:checked')?.value;
    const choice = verdict && fresh.querySelector(`input[name="verdict"][value="${CSS.escape(verdict)}"]`);
    if (choice) choice.checked = true;
    for (const [n, details] of fresh.querySelectorAll("details").entries()) {
      details.open = old.querySelectorAll("details")[n]?.open ?? false;
    }
    const reason = fresh.querySelector("#hold-reason");
    if (reason) reason.value = old.querySelector("#hold-reason")?.value ?? "";
    const active = document.activeElement;
    holder.replaceChildren(fresh);
    if (active === typed && place) {
      place.focus();
      place.setSelectionRange(typed.selectionStart, typed.selectionEnd);
    } else if (active?.name === "verdict" && old.contains(active)) {
      fresh.querySelector(`input[name="verdict"][value="${CSS.escape(active.value)}"]`)?.focus();
    }
  } else holder.replaceChildren(fresh);
  goOn();
  startFilm(holder);
  const form = holder.querySelector("form.act");
  if (form) form.addEventListener("submit", (event) => send(event, holder));
}

async function send(event, holder) {
  event.preventDefault();
  const form = event.target;
  const body = new FormData(form, event.submitter);
  for (const button of form.querySelectorAll("button")) button.disabled = true;
  try {
    const { page } = await fetchPart(form.getAttribute("action"), body);
    const part = partOf(page);
    if (part) {
      adopt(holder, part, { keepTyped: false });
      holder.querySelector("article h1")?.scrollIntoView({ block: "nearest" });
      return;
    }
  } catch {
    // Said below.
  }
  for (const button of form.querySelectorAll("button")) button.disabled = false;
  notice(t("act_failed"));
}

export function focusVerdict(holder) {
  const first = holder.querySelector('input[name="verdict"]');
  first?.focus();
  first?.closest("fieldset").scrollIntoView({ block: "nearest" });
}

export async function renew(holder, id) {
  try {
    const { status, page } = await fetchPart(`/incidents/${id}`);
    const part = partOf(page);
    if (status === 200 && part) adopt(holder, part);
  } catch {
    // The notice about the connection says so.
  }
}
