// Texts, the hub's clock, and small ways to change the page. Text from desks only ever becomes textContent.

const TEXTS = JSON.parse(document.getElementById("texts").textContent);
const LANGUAGE = document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang;
const PLURAL = new Intl.PluralRules(LANGUAGE);

export function t(name, values = {}) {
  return TEXTS[name].replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
}

export function counted(name, n, values = {}) {
  const form = n === 0 && TEXTS[`${name}_none`] ? `${name}_none` : `${name}_${PLURAL.select(n)}`;
  return t(TEXTS[form] ? form : name, { n, ...values });
}

// A number with so many decimals, as the reader writes them; filters.decimal at the server says the same.
export function decimal(value, digits) {
  return value.toLocaleString(LANGUAGE, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false });
}

// What a desk sees at its seat; the server says it the same way (texts.py).
export function inView({ faces, seat }, form = "") {
  if (Object.hasOwn(TEXTS, `seat_${seat}_short`)) return t(`seat_${seat}${form}`);
  return faces == null ? t("faces_unknown") : counted("faces", faces);
}

// Words of the board, which comes in English to all viewers alike.
export function say(words) {
  const [number] = words.match(/^\d+/) ?? [];
  const counted = number && TEXTS[`=${words.replace(number, "{n}")}`];
  return TEXTS[`=${words}`] ?? counted?.replace("{n}", number) ?? words;
}

export const DASH = "\u2013";

// The browser's clock may be wrong or be set while we watch: the hub's time is the last one heard plus what has run since.
let heard = { hub: Number(document.body.dataset.now), at: performance.now() };

export function hearHubTime(utcMs) {
  heard = { hub: utcMs, at: performance.now() };
}

export function hubNow() {
  return heard.hub + performance.now() - heard.at;
}

const ZONE = document.body.dataset.zone;
function clockFormat(zone) {
  return new Intl.DateTimeFormat(LANGUAGE, { timeZone: zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
}
let format;
try {
  format = clockFormat(ZONE);
} catch {
  format = clockFormat("UTC"); // a browser that does not know the centre's zone
}

export function clock(utcMs) {
  return utcMs == null ? DASH : format.format(new Date(utcMs));
}

// Hours and minutes, as an exam's end is told.
export function shortClock(utcMs) {
  return clock(utcMs).replace(/:\d\d$/, "");
}

export function shortLength(seconds) {
  const whole = Math.max(Math.floor(seconds), 0);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function length(seconds) {
  if (seconds == null) return DASH;
  const whole = Math.max(Math.floor(seconds), 0);
  const two = (n) => String(n).padStart(2, "0");
  return `${Math.floor(whole / 3600)}:${two(Math.floor((whole % 3600) / 60))}:${two(whole % 60)}`;
}

export function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

export function setIcon(svg, name) {
  const use = svg.querySelector("use");
  const wanted = `/static/icons.svg#${name}`;
  if (use.getAttribute("href") !== wanted) use.setAttribute("href", wanted);
}

export function shape(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

// Bring a list's elements in line with `wanted` ([key, value]): make, change, move and remove as few as possible.
export function arrange(list, wanted, make, update) {
  const known = new Map([...list.children].map((element) => [element.dataset.id, element]));
  const active = list.contains(document.activeElement) ? document.activeElement : null;
  let place = list.firstElementChild;
  for (const [key, value] of wanted) {
    const id = String(key);
    const element = known.get(id) ?? make(key);
    known.delete(id);
    element.dataset.id = id;
    update(element, value);
    if (element === place) place = place.nextElementSibling;
    else list.insertBefore(element, place);
  }
  for (const element of known.values()) element.remove();
  // What is moved loses the focus, and the next key would be for nobody.
  if (active?.isConnected && document.activeElement !== active) active.focus({ preventScroll: true });
}

// Fetch one of our pages as a parsed document; scripts in it do not run, and no text becomes markup here.
export function fetchPart(url, body = null) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(body ? "POST" : "GET", url);
    request.responseType = "document";
    request.setRequestHeader("X-Part", "1");
    if (body) request.setRequestHeader("X-CSRFToken", body.get("csrf_token") ?? "");
    request.timeout = 15000;
    request.onload = () => resolve({ status: request.status, page: request.response });
    request.onerror = request.ontimeout = () => reject(new Error("no connection"));
    request.send(body);
  });
}

let noticeTimer = 0;
export function notice(text, { isLasting = false } = {}) {
  const place = document.getElementById("connection");
  clearTimeout(noticeTimer);
  place.hidden = !text;
  setText(place, text);
  if (text && !isLasting) noticeTimer = setTimeout(() => (place.hidden = true), 8000);
}
