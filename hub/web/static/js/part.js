// An incident inside a page: shown, renewed when somebody changes it, and acted on without leaving the page.

import { fetchPart, notice, t } from "./base.js";
import { keepFilm, startFilm } from "./film.js";

export function partOf(page) {
  return page?.getElementById("incident") ?? null;
}

const KEPT = ["text", "assignee", "category", "hold-reason"];

// A field that the person has changed and not sent keeps what it says; one that they left alone shows what is so now.
function keepField(old, fresh, id) {
  const typed = old.querySelector(`#${id}`);
  const place = fresh.querySelector(`#${id}`);
  if (!typed || !place) return null;
  const isChanged = typed.dataset.was === undefined ? typed.value !== "" : typed.value !== typed.dataset.was;
  if (isChanged && (place.tagName !== "SELECT" || [...place.options].some((option) => option.value === typed.value))) place.value = typed.value;
  return document.activeElement === typed ? [typed, place] : null;
}

// Put the newer incident in the holder. What was typed and chosen stays: another person's act must not eat it.
export function adopt(holder, part, { keepTyped = true } = {}) {
  const old = holder.querySelector("#incident");
  const fresh = document.adoptNode(part);
  const goOn = old && old.dataset.id === fresh.dataset.id ? keepFilm(old, fresh) : () => {};
  if (old && keepTyped && old.dataset.id === fresh.dataset.id) {
    const focused = KEPT.map((id) => keepField(old, fresh, id)).find((pair) => pair);
    const verdict = old.querySelector('input[name="verdict"]:checked')?.value;
    const choice = verdict && fresh.querySelector(`input[name="verdict"][value="${CSS.escape(verdict)}"]`);
    if (choice) choice.checked = true;
    for (const details of fresh.querySelectorAll("details")) {
      const same = details.dataset.keep
        ? old.querySelector(`details[data-keep="${CSS.escape(details.dataset.keep)}"]`)
        : [...old.querySelectorAll("details")].find((each) => each.querySelector("summary").textContent === details.querySelector("summary").textContent);
      details.open = same?.open ?? false;
    }
    const place = placeOf(document.activeElement, old);
    holder.replaceChildren(fresh);
    if (focused) {
      const [typed, there] = focused;
      there.focus();
      if (there.setSelectionRange) there.setSelectionRange(typed.selectionStart, typed.selectionEnd);
    } else if (place) fresh.querySelector(place)?.focus();
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
  for (const button of form.querySelectorAll("button[name]")) button.disabled = true;
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
  for (const button of form.querySelectorAll("button[name]")) button.disabled = false;
  notice(t("act_failed"));
}

// Where the keyboard is, as a selector: the same button or choice gets it back.
function placeOf(active, old) {
  if (!active || !old.contains(active) || !active.name || !active.value) return null;
  return `${active.tagName.toLowerCase()}[name="${CSS.escape(active.name)}"][value="${CSS.escape(active.value)}"]`;
}

const CLICKED = { a: "acknowledge", g: "take", o: "reopen" };
const FOCUSED = { c: "#text", s: "#category" };

// One key, one act: the keys of the sheet in base.html. Answers whether the key meant something here.
export function actByKey(holder, event) {
  const { key } = event;
  if (Object.hasOwn(CLICKED, key)) {
    const button = holder.querySelector(`form.act button[value="${CLICKED[key]}"]`);
    button?.click();
    return Boolean(button);
  }
  if (Object.hasOwn(FOCUSED, key)) return goTo(holder.querySelector(`form.act ${FOCUSED[key]}`));
  if (key === "v") return focusVerdict(holder);
  if (key === "h") {
    const details = holder.querySelector('details[data-keep="hold"]');
    if (details) details.open = true;
    return goTo(holder.querySelector("#hold-reason"));
  }
  const fieldset = event.target.closest?.("fieldset.verdict");
  if (!fieldset || !holder.contains(fieldset)) return false;
  if (key === "Enter" && event.target.type === "radio") {
    fieldset.querySelector('button[value="close"]').click();
    return true;
  }
  const choice = /^[1-9]$/.test(key) ? fieldset.querySelectorAll('input[name="verdict"]')[Number(key) - 1] : null;
  if (choice) {
    choice.checked = true;
    choice.focus();
  }
  return Boolean(choice);
}

function goTo(field) {
  field?.focus();
  field?.scrollIntoView({ block: "nearest" });
  return Boolean(field);
}

export function focusVerdict(holder) {
  const first = holder.querySelector('input[name="verdict"]:checked') ?? holder.querySelector('input[name="verdict"]');
  first?.focus();
  first?.closest("fieldset").scrollIntoView({ block: "nearest" });
  return Boolean(first);
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
