// Times, sizes and numbers as people read them, in the browser's own zone.

import { duration, el } from "./dom.js";
import { setText } from "./rows.js";
import { t } from "./texts.js";

const DAY_MS = 86_400_000;
const LANGUAGE = document.documentElement.lang;
const COUNT = new Intl.NumberFormat(LANGUAGE);
const SHORT = new Intl.DateTimeFormat(LANGUAGE, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hour12: false });
const TIME = new Intl.DateTimeFormat(LANGUAGE, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });

const toMs = (when) => (typeof when === "number" ? when : Date.parse(when));

/** "5 min ago", "in 2 h", "just now"; `when` is ISO text or milliseconds. */
export function ago(when, now = Date.now()) {
  const left = toMs(when) - now;
  const size = Math.abs(left);
  if (size < 5000) return t("common.just-now");
  const time = size < DAY_MS ? duration(size).split(" ").slice(0, 2).join(" ") : t("common.days", { count: Math.floor(size / DAY_MS) });
  return t(left < 0 ? "common.ago" : "common.in", { time });
}

/** "Nov 22, 09:30", or "09:30:12" for today. */
export function clock(when) {
  const date = new Date(toMs(when));
  return date.toDateString() === new Date().toDateString() ? TIME.format(date) : SHORT.format(date);
}

/** A `<time>` element that says how far away it is, and the whole date on hover; `tick` keeps it true. */
export function timeAgo(when) {
  const date = new Date(toMs(when));
  return el("time", { className: "away", dateTime: date.toISOString(), textContent: ago(when), title: date.toLocaleString(LANGUAGE) });
}

/** Say anew how far away every such time of the screen is. */
export function tick() {
  for (const time of document.querySelectorAll("time.away")) setText(time, ago(time.dateTime));
}

export const number = (value, digits = 0) => (digits ? value.toLocaleString(LANGUAGE, { maximumFractionDigits: digits }) : COUNT.format(value));

/** "512 B", "4.2 KiB", "1.3 GiB". */
export function bytes(size) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let power = 0;
  while (size >= 1024 && power < units.length - 1) {
    size /= 1024;
    power += 1;
  }
  return `${power && size < 100 ? size.toFixed(1) : Math.round(size)} ${units[power]}`;
}
