// What the list of agents, one agent and its form have in common: addresses, times in a zone, rows that stay.

import { duration, el } from "./dom.js";
import { ago } from "./format.js";
import { t } from "./texts.js";

const LANGUAGE = document.documentElement.lang;
const SHOWN = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", hour12: false };
const OLD_MS = 300 * 86_400_000;
const formats = new Map();

export const path = (name, rest = "") => `/agents/${encodeURIComponent(name)}${rest}`;
export const viewPath = (name) => `/api/agents/${encodeURIComponent(name)}`;
export const link = (name, rest = "") => `#${encodeURIComponent(name)}${rest}`;
export const queueLink = (name) => `/room/queues#${encodeURIComponent(name)}`;

/** "Mon, Nov 23, 07:30" as the clocks of a zone show it; in UTC, and saying so, where the browser has no such zone. */
export function inZone(when, zone) {
  const date = new Date(when);
  const isFar = Math.abs(date - Date.now()) > OLD_MS;
  return format(zone, isFar ? { year: "numeric" } : {}, date.getUTCSeconds() ? { second: "2-digit" } : {}).format(date);
}

function format(zone, year, second) {
  const key = JSON.stringify([zone, year, second]);
  if (!formats.has(key)) formats.set(key, made({ ...SHOWN, ...year, ...second }, zone));
  return formats.get(key);
}

function made(options, zone) {
  try {
    return new Intl.DateTimeFormat(LANGUAGE, { ...options, timeZone: zone });
  } catch {
    return new Intl.DateTimeFormat(LANGUAGE, { ...options, timeZone: "UTC", timeZoneName: "short" });
  }
}

/** A `<time>` that says how far away it is; `tick` keeps it true. */
export function awayFrom(when) {
  const made = el("time", { dateTime: when, className: "away", textContent: ago(when) });
  made.title = new Date(when).toLocaleString(LANGUAGE);
  return made;
}

/** Say anew how far away every time of the screen is. */
export function tick() {
  for (const time of document.querySelectorAll("time.away")) setText(time, ago(time.dateTime));
}

/** The lines of a list of next times: the time in its zone, and how far away it is. */
export function nextLines(times, zone) {
  return times.map((when) => el("li", {}, el("span", { textContent: inZone(when, zone) }), awayFrom(when)));
}

export function badge(text, tone = "plain") {
  const made = el("span", { className: "badge", textContent: text });
  made.dataset.tone = tone;
  return made;
}

/** The badges that tell how an agent stands. */
export function standing(line) {
  const tones = { active: "good", paused: "warm", waiting: "plain", done: "plain" };
  const found = [badge(t(`agents.state-${line.state}`), tones[line.state])];
  if (line.running) found.push(badge(t("agents.working"), "good"));
  if (line.failures > 1) found.push(badge(t(line.failures < 20 ? "agents.failing" : "agents.failing-many", { count: line.failures }), "bad"));
  return found;
}

const VERDICTS = { succeeded: "good", dead: "bad", running: "good", waiting: "plain", skipped: "warm", cancelled: "plain" };
export const verdict = (state) => badge(t(`agents.verdict-${state}`), VERDICTS[state] ?? "plain");

/** "12 ms" or "3.4 s". */
export const lasted = (ms) => (ms < 1000 ? t("agents.milliseconds", { count: ms }) : duration(ms, true));

/** Let a refresh that nobody asked for fail in silence: the connection's sign tells, and the next one mends it. */
export async function quietly(work) {
  try {
    await work();
  } catch (error) {
    if (error.status === undefined) throw error;
  }
}

/** Set text only where it is another one, so that selection and listeners are left alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Fill an element anew when what it shows has changed; `key` says what that is. */
export function fill(element, key, make) {
  const text = JSON.stringify(key);
  if (element.dataset.shows === text) return;
  element.dataset.shows = text;
  element.replaceChildren(...make());
}

/**
 * Show items as rows that stay as long as their item does, in the order of the items.
 *
 * `make(item)` returns a row; `update(row, item)` shows the item in it.
 */
export function showRows(body, items, { key, make, update }) {
  const known = new Map([...body.children].map((row) => [row.dataset.key, row]));
  let place = body.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    const row = known.get(name) ?? make(item);
    known.delete(name);
    row.dataset.key = name;
    update(row, item);
    if (row === place) place = place.nextElementSibling;
    else body.insertBefore(row, place);
  }
  for (const row of known.values()) row.remove();
}
