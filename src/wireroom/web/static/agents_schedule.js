// The part of an agent's form that says when: how people choose it, what it means, and its next times.

import { nextLines } from "./agents_parts.js";
import { call } from "./api.js";
import { byId, el } from "./dom.js";
import { fill, setText } from "./rows.js";
import { t } from "./texts.js";

const PAUSE_MS = 250;
const UNITS_MS = [86_400_000, 3_600_000, 60_000, 1000];
const ON_DAYS = /^(\d{1,2}) (\d{1,2}) \* \* (\*|\d(?:[,-]\d)*)$/;
const field = (name) => byId(`f-${name}`);
const days = () => [...document.querySelectorAll("[name=day]")];
let asked = 0;
let waiting = 0;

/** What the form says: `{oneTime, at}` or `{schedule}`, as `POST /agents` takes them. */
export function schedule() {
  const kind = field("kind").value;
  if (kind === "now") return { oneTime: true };
  if (kind === "at") return { oneTime: true, at: field("at").value };
  const bounds = Object.fromEntries(["start", "end"].map((name) => [name, bound(name)]).filter(([, value]) => value));
  const bare = kind === "every" ? { every: Math.round(Number(field("every").value) * Number(field("unit").value)) } : pattern(kind);
  if (!Object.keys(bounds).length) return { schedule: bare };
  return { schedule: typeof bare === "string" ? { pattern: bare, ...bounds } : { ...bare, ...bounds } };
}

/** Which fields a person has still to fill, as [[field, text], …]. */
export function missing() {
  const kind = field("kind").value;
  const wanted = { clock: "clock", every: "every", cron: "cron", at: "at" }[kind];
  const found = wanted && !field(wanted).value.trim() ? [[wanted, t("agents.required")]] : [];
  return kind === "clock" && !days().some((day) => day.checked) ? [...found, ["schedule", t("agents.one-day")]] : found;
}

/** Show a stored schedule; `null` shows what a new agent begins with. A stored one repeats, so no choice of once. */
export function showSchedule(given, zone) {
  const { tz = zone, start = "", end = "", ...bare } = typeof given === "string" ? { pattern: given } : (given ?? { pattern: "0 8 * * *" });
  field("timezone").value = tz;
  for (const option of field("kind").options) option.hidden = option.disabled = given !== null && ["now", "at"].includes(option.value);
  for (const [name, value] of Object.entries({ start, end })) {
    field(name).value = value.slice(0, 10) + (value.slice(10, 16) || (value && "T00:00"));
    field(name).dataset.given = JSON.stringify([field(name).value, value]);
  }
  field("at").value = "";
  if (bare.every !== undefined) showEvery(Number(bare.every));
  else showPattern(bare.pattern ?? bare.cron);
  chooseKind();
}

function showEvery(everyMs) {
  const unit = UNITS_MS.find((size) => everyMs % size === 0) ?? 1000;
  field("kind").value = "every";
  field("every").value = everyMs / unit;
  field("unit").value = String(unit);
}

function showPattern(pattern) {
  const found = pattern.match(ON_DAYS);
  const chosen = found && daysOf(found[3]);
  field("kind").value = chosen ? "clock" : "cron";
  field("cron").value = pattern;
  for (const day of days()) day.checked = !chosen || chosen.has(Number(day.value));
  if (chosen) field("clock").value = `${found[2].padStart(2, "0")}:${found[1].padStart(2, "0")}`;
}

function daysOf(text) {
  if (text === "*") return new Set([0, 1, 2, 3, 4, 5, 6]);
  const chosen = new Set();
  for (const part of text.split(",")) {
    const [first, last = first] = part.split("-").map(Number);
    for (let day = first; day <= last; day += 1) chosen.add(day % 7);
  }
  return chosen;
}

function pattern(kind) {
  if (kind === "cron") return field("cron").value.trim();
  const [hour, minute] = field("clock").value.split(":").map(Number);
  const chosen = days().filter((day) => day.checked).map((day) => day.value);
  const text = chosen.length === 7 ? "*" : chosen.join(",") === "1,2,3,4,5" ? "1-5" : chosen.join(",");
  return `${minute} ${hour} * * ${text}`;
}

/** A bound as it was given, offset and all, unless a person has changed it. */
function bound(name) {
  const [shown, given] = JSON.parse(field(name).dataset.given ?? '["", ""]');
  return field(name).value === shown ? given : field(name).value;
}

/** Show the fields of the kind that is chosen, and what they mean. */
export function chooseKind() {
  const kind = field("kind").value;
  for (const part of document.querySelectorAll("[data-when]")) part.hidden = !part.dataset.when.split(" ").includes(kind);
  preview();
}

/** Tell what the fields mean, once they have been left alone for a moment. */
export function preview() {
  asked += 1;
  clearTimeout(waiting);
  waiting = setTimeout(() => tellMeaning(asked).catch((error) => error.status === undefined && Promise.reject(error)), PAUSE_MS);
}

async function tellMeaning(number) {
  const zone = field("timezone").value.trim();
  const said = schedule();
  if (said.oneTime) return show({ words: t(said.at ? "agents.preview-at" : "agents.preview-now"), detail: said.at ? `${said.at.replace("T", " ")}, ${zone}` : "" });
  if (missing().length) return show({ words: "", problem: missing()[0][0] === "schedule" ? missing()[0][1] : "" });
  const text = typeof said.schedule === "string" ? said.schedule : JSON.stringify(said.schedule);
  const found = await call("GET", `/api/schedules/preview?${new URLSearchParams({ schedule: text, timezone: zone })}`);
  if (number !== asked) return undefined;
  const over = found.words !== null && !found.next.length ? t("agents.preview-over") : "";
  const words = found.words === null ? "" : `${found.words}, ${found.timezone}`;
  return show({ words, next: found.next, zone: found.timezone, problem: found.problem?.message ?? over });
}

function show({ words, detail = "", next = [], zone = "UTC", problem = "" }) {
  setText(byId("preview-words"), words);
  fill(byId("preview-next"), [detail, next, zone], () => (detail ? [el("li", { className: "soft", textContent: detail })] : nextLines(next, zone)));
  const wrong = byId("w-schedule");
  setText(wrong, problem);
  wrong.hidden = !problem;
  const input = field({ clock: "clock", every: "every", cron: "cron" }[field("kind").value] ?? "kind");
  input.toggleAttribute("aria-invalid", false);
  if (problem) input.setAttribute("aria-invalid", "true");
}

/** Offer the browser's time zones. */
function offerZones() {
  const zones = Intl.supportedValuesOf?.("timeZone") ?? [];
  byId("timezones").replaceChildren(...["UTC", ...zones].map((zone) => el("option", { value: zone })));
}

for (const name of ["clock", "every", "unit", "cron", "at", "start", "end", "timezone"]) field(name).addEventListener("input", preview);
for (const day of days()) day.addEventListener("change", preview);
field("kind").addEventListener("change", chooseKind);
offerZones();
