// The runs of everybody: a list that is always the newest, beside it the run that was chosen.

import { call } from "./api.js";
import { byId, el } from "./dom.js";
import { timeAgo } from "./format.js";
import { live } from "./live.js";
import { complain, report } from "./notices.js";
import { OneRun } from "./runs_one.js";
import { askedBy, costs, firstLine, isFinal, stateBadge, times } from "./runs_words.js";
import { t } from "./texts.js";
import { VirtualList } from "./virtual_list.js";

const PIECE = 50;
const MOST_AGAIN = 200;
const MOST_IDS = 100;
const ROW_PX = 84;
const NEAR_ROWS = 10;
const SETTLE_MS = 250;
/** Pieces without a hit that are looked through before a person is asked to go on. */
const MOST_EMPTY = 10;

const one = new OneRun();
let runs = [];
let next = null;
let loading = null;
let generation = 0;
let timer = 0;

const list = new VirtualList(byId("runs-list"), { rowHeight: ROW_PX, key: (run) => run.id, make, update });

function make() {
  const link = el("a", { className: "run-line" });
  link.append(...["run-line-head", "run-line-question", "run-line-facts"].map((className) => el("span", { className })));
  const row = el("div", { className: "run-row" }, link);
  row.setAttribute("role", "listitem");
  return row;
}

function update(row, run) {
  const link = row.firstElementChild;
  const [head, question, facts] = link.children;
  link.href = `#${encodeURIComponent(run.id)}`;
  if (run.id === one.id) link.setAttribute("aria-current", "true");
  else link.removeAttribute("aria-current");
  const shown = JSON.stringify([run.state, run.stopping, run.prompt_excerpt, run.usage, Math.floor(Date.now() / (isFinal(run) ? 30_000 : 1000))]);
  if (row.dataset.shown === shown) return;
  row.dataset.shown = shown;
  row.dataset.state = run.state;
  head.replaceChildren(stateBadge(run), el("span", { className: "run-line-who", textContent: askedBy(run) }), timeAgo(run.queued_at));
  question.textContent = firstLine(run.prompt_excerpt);
  facts.textContent = [times(run, Date.now()), run.backend, costs(run.usage)].filter(Boolean).join(" · ");
}

const filters = () => ({ state: byId("filter-state").value, source: byId("filter-source").value, backend: byId("filter-backend").value, words: byId("filter-words").value.trim() });

function ask(more = {}) {
  const query = new URLSearchParams(Object.entries({ ...filters(), ...more }).filter(([, value]) => value));
  return call("GET", `/api/run-views?${query}`);
}

/** Begin the list anew, as the filter says. */
async function begin() {
  generation += 1;
  const mine = generation;
  [runs, next, loading] = [[], null, null];
  list.element.scrollTop = 0;
  byId("runs-list").setAttribute("aria-busy", "true");
  try {
    await older(mine, true);
  } finally {
    if (mine === generation) byId("runs-list").removeAttribute("aria-busy");
  }
}

/** Add the next piece; through pieces without a hit it goes on by itself for a while. */
async function older(mine = generation, isFirst = false) {
  if (loading === mine || (!isFirst && next === null)) return;
  loading = mine;
  try {
    for (let empty = 0; empty < MOST_EMPTY; empty += 1) {
      const piece = await ask({ limit: PIECE, cursor: next });
      if (mine !== generation) return;
      next = piece.next_cursor;
      offer(piece.backends);
      if (piece.runs.length) runs = [...runs, ...piece.runs];
      if (piece.runs.length || next === null) break;
    }
    show();
  } finally {
    if (mine === generation) loading = null;
  }
}

function show() {
  list.items = runs;
  const isFiltered = Object.values(filters()).some(Boolean);
  byId("runs-empty").hidden = runs.length > 0 || next !== null;
  byId("runs-empty-title").textContent = t(isFiltered ? "runs.none-fit" : "runs.none");
  byId("runs-empty-help").textContent = t(isFiltered ? "runs.none-fit-help" : "runs.none-help");
  byId("runs-older").hidden = next === null;
}

/** Fetch anew what may have changed: the newest ones, and those further down that have not ended. */
async function refresh() {
  if (!runs.length) await begin();
  else await renew();
  await one.refresh();
  list.draw();
}

async function renew() {
  const mine = generation;
  const count = Math.min(Math.max(PIECE, runs.length), MOST_AGAIN);
  const piece = await ask({ limit: count });
  if (mine !== generation) return;
  offer(piece.backends);
  const fresh = new Map(piece.runs.map((run) => [run.id, run]));
  const last = piece.runs.at(-1);
  const isBehind = (run) => last && (run.queued_at < last.queued_at || (run.queued_at === last.queued_at && run.id < last.id));
  const behind = piece.next_cursor ? runs.filter((run) => !fresh.has(run.id) && isBehind(run)) : [];
  if (!behind.length) next = piece.next_cursor;
  runs = [...piece.runs, ...(await renewed(behind))];
  if (mine === generation) show();
}

async function renewed(behind) {
  const open = behind.filter((run) => !isFinal(run)).slice(0, MOST_IDS);
  if (!open.length) return behind;
  const found = await call("GET", `/api/run-views?limit=${MOST_IDS}&${open.map((run) => `run_id=${encodeURIComponent(run.id)}`).join("&")}`);
  const fresh = new Map(found.runs.map((run) => [run.id, run]));
  return behind.map((run) => fresh.get(run.id) ?? run);
}

function offer(backends) {
  const select = byId("filter-backend");
  const known = new Set([...select.options].map((option) => option.value));
  for (const name of backends) if (!known.has(name)) select.append(el("option", { value: name, textContent: name }));
}

/** Show what the address names: a run, a part of it, a line of its log. */
async function follow() {
  const [id, tab, seq] = location.hash.slice(1).split("/").map(decodeURIComponent);
  document.body.dataset.shows = id ? "run" : "list";
  try {
    if (id) await one.show(id, tab, Number(seq) || null);
    else one.leave();
  } catch (error) {
    if (error.status === undefined) throw error;
    complain(error.message);
    if (error.status === 404) location.hash = "";
  }
  list.draw();
}

for (const name of ["state", "source", "backend"]) byId(`filter-${name}`).addEventListener("change", () => begin().catch(report));
byId("filter-words").addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(() => begin().catch(report), SETTLE_MS);
});
byId("runs-older").addEventListener("click", () => older().catch(report));
list.element.addEventListener("scroll", () => {
  const { scrollTop, clientHeight, scrollHeight } = list.element;
  if (scrollHeight - scrollTop - clientHeight < NEAR_ROWS * ROW_PX) older().catch(report);
}, { passive: true });
addEventListener("hashchange", follow);
setInterval(() => {
  if (document.hidden) return;
  list.draw();
  one.tick(Date.now());
}, 1000);

live(["runs"], refresh);
follow();
