// The tables of a window: sorted by any column, filled in place, the first rows until more are asked for.

import { duration, el } from "./dom.js";
import { bytes, clock, number } from "./format.js";
import { fixed } from "./performance_figures.js";
import { t } from "./texts.js";

const FIRST = 12;

const text = (value) => value;
const count = (value) => number(value);
const figure = (unit) => (value) => (value === null ? "–" : `${fixed(value)}${unit}`);
const MS = figure(" ms");
const SECONDS = figure(" s");
const PERCENT = figure(" %");
const AGE = (value) => (value === null ? "–" : duration(value * 1000, true));

// [field, how it is shown (none: as text), whether it is code]
const TABLES = {
  routes: { key: ["route"], rows: (found) => found.routes, sort: "total_seconds", columns: [["route", null, true], ["calls", count], ["p50_ms", MS], ["p95_ms", MS], ["p99_ms", MS], ["slowest_ms", MS], ["errors", count], ["total_seconds", SECONDS]] },
  queues: { key: ["queue"], rows: (found) => found.queues ?? [], sort: "waiting", columns: [["queue"], ["waiting", count], ["oldest_seconds", AGE], ["delayed", count], ["running", count], ["dead", count], ["started", count], ["p95_wait_ms", MS]] },
  caches: { key: ["name", "level"], rows: (found) => found.caches, sort: "hits", columns: [["name"], ["level"], ["hit_percent", PERCENT], ["hits", count], ["misses", count], ["evictions", count]] },
  pools: { key: ["pool"], rows: (found) => found.pools, sort: "busy", columns: [["pool"], ["size", count], ["busy", count], ["waiting", count], ["acquired", count], ["waited", count], ["p95_wait_ms", MS], ["kept", count]] },
  blocks: { key: ["at", "place"], rows: (found) => found.loop_blocks, sort: "at", columns: [["at", clock], ["ms", MS], ["place", null, true], ["task", null, true]] },
  growing: { key: ["kind", "name"], rows: (found) => found.memory.growing.map(grown), sort: "after", columns: [["kind"], ["name", null, true], ["before", (one) => one.shown], ["after", (one) => one.shown], ["seconds", AGE]] },
  statements: { key: ["statement"], rows: (found) => found.statements.map((one) => ({ ...one, scans: one.scans.join(", ") })), sort: "total_seconds", columns: [["statement", null, true], ["calls", count], ["p95_ms", MS], ["slowest_ms", MS], ["total_seconds", SECONDS], ["rows", count], ["scans", text], ["place", null, true]] },
  repeated: { key: ["within", "statement"], rows: (found) => found.repeated, sort: "total_seconds", columns: [["within", null, true], ["most_times", count], ["occurrences", count], ["total_seconds", SECONDS], ["statement", null, true], ["place", null, true]] },
};

/** Fill every table from an answer of `/api/performance`. */
export function fillTables(found) {
  for (const table of tables) table.show(TABLES[table.name].rows(found));
}

class Figures {
  constructor(table) {
    this.name = table.dataset.table;
    this.plan = TABLES[this.name];
    this.more = document.querySelector(`[data-more="${this.name}"]`);
    this.none = document.querySelector(`[data-none="${this.name}"]`);
    this.frame = table.parentElement;
    this.body = el("tbody");
    this.lines = new Map();
    this.sort = this.plan.sort;
    this.isUp = false;
    this.showsAll = false;
    this.heads = new Map(this.plan.columns.map((column) => [column[0], this.head(column)]));
    table.append(el("thead", {}, el("tr", {}, ...this.heads.values())), this.body);
    this.more.addEventListener("click", () => this.toggleAll());
    this.showSort();
  }

  head([name, shown]) {
    const button = el("button", { type: "button", className: "sort", textContent: t(`performance.column-${name}`) });
    button.addEventListener("click", () => this.sortBy(name));
    const made = el("th", { className: isNumber(shown) ? "number" : "" }, button);
    made.scope = "col";
    return made;
  }

  show(rows) {
    this.rows = rows;
    const sorted = [...rows].sort((one, other) => compare(one[this.sort], other[this.sort]) * (this.isUp ? 1 : -1));
    const shown = this.showsAll ? sorted : sorted.slice(0, FIRST);
    const keys = new Set(shown.map((row) => this.keyOf(row)));
    for (const [key, line] of this.lines) if (!keys.has(key)) (line.remove(), this.lines.delete(key));
    shown.forEach((row, place) => this.place(row, place));
    this.frame.hidden = !rows.length;
    this.none.hidden = rows.length > 0;
    this.more.hidden = rows.length <= FIRST;
    this.more.textContent = this.showsAll ? t("performance.less") : t("performance.more", { count: rows.length });
  }

  /** Put a row where it belongs; the line of a row that was there before is kept, with what is focused or open in it. */
  place(row, place) {
    const key = this.keyOf(row);
    let line = this.lines.get(key);
    if (!line) this.lines.set(key, (line = el("tr", {}, ...this.plan.columns.map(([name, shown, isCode]) => cell(row[name], shown, isCode)))));
    this.plan.columns.forEach(([name, shown], at) => shown && set(line.children[at], shown(row[name])));
    if (this.body.children[place] !== line) this.body.insertBefore(line, this.body.children[place] ?? null);
  }

  sortBy(name) {
    this.isUp = this.sort === name ? !this.isUp : false;
    this.sort = name;
    this.showSort();
    this.show(this.rows ?? []);
  }

  showSort() {
    for (const [name, head] of this.heads) {
      if (name === this.sort) head.setAttribute("aria-sort", this.isUp ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
  }

  toggleAll() {
    this.showsAll = !this.showsAll;
    this.show(this.rows);
  }

  keyOf(row) {
    return this.plan.key.map((name) => row[name]).join("\n");
  }
}

const isNumber = (shown) => Boolean(shown) && shown !== clock && shown !== text;

function cell(value, shown, isCode) {
  if (!isCode) return el("td", { className: isNumber(shown) ? "number" : "", textContent: shown ? "" : value });
  if (!value) return el("td", { textContent: "" });
  // What is too long for a line opens by itself, without a script.
  if (value.length <= 60) return el("td", {}, el("code", { textContent: value }));
  return el("td", { className: "long" }, el("details", {}, el("summary", { className: "mono", textContent: value })));
}

function set(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

function compare(one, other) {
  const [left, right] = [one?.value ?? one, other?.value ?? other];
  if (left === right) return 0;
  if (left === null || left === undefined) return -1;
  if (right === null || right === undefined) return 1;
  return left < right ? -1 : 1;
}

function grown(one) {
  const shown = one.kind === "rss" ? bytes : count;
  return { ...one, before: { value: one.before, shown: shown(one.before) }, after: { value: one.after, shown: shown(one.after) } };
}

const tables = [...document.querySelectorAll("[data-table]")].map((table) => new Figures(table));
