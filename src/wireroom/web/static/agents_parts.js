// What the list of agents, one agent and its form have in common: addresses, times in a zone, how they stand.

import { badge, duration, el } from "./dom.js";
import { timeAgo } from "./format.js";
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

/** The lines of a list of next times: the time in its zone, and how far away it is. */
export function nextLines(times, zone) {
  return times.map((when) => el("li", {}, el("span", { textContent: inZone(when, zone) }), timeAgo(when)));
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
