// The performance screen: asks for one window every few seconds while somebody looks, and shows the difference.

import { ApiError, call } from "./api.js";
import { byId, duration, el } from "./dom.js";
import { bytes, clock, number } from "./format.js";
import { live } from "./live.js";
import { complain } from "./notices.js";
import { drawCharts } from "./performance_charts.js";
import { fixed, waited } from "./performance_figures.js";
import { refreshProfiles, showProfiler } from "./performance_profiles.js";
import { fillTables } from "./performance_tables.js";
import { t } from "./texts.js";

const EVERY_MS = { "5m": 5000, "1h": 15000, "24h": 30000 };

let chosen = "5m";
let isPaused = false;
let asking = 0;
let timer = null;
let shownCauses = "";

/** Ask for the chosen window and show it; an answer that another choice has overtaken is dropped. */
async function refresh() {
  clearTimeout(timer);
  const mine = (asking += 1);
  try {
    const found = await call("GET", `/api/performance?window=${chosen}`);
    if (mine === asking) show(found);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (mine === asking) trouble(error);
  }
  if (mine === asking) plan();
}

function plan() {
  clearTimeout(timer);
  if (!isPaused && document.visibilityState === "visible") timer = setTimeout(refresh, EVERY_MS[chosen]);
}

function trouble(error) {
  if (error.status === 404) {
    byId("absent").textContent = error.message;
    byId("absent").hidden = false;
  } else if (error.status !== 0) {
    complain(error.message);
  }
}

function show(found) {
  byId("absent").hidden = true;
  byId("figures").hidden = false;
  const { window, process } = found;
  const covered = duration(window.seconds * 1000);
  byId("covers").textContent = t(window.is_whole ? "performance.covers" : "performance.covers-start", { time: covered, at: clock(window.ends_at) });
  for (const place of document.querySelectorAll(".window-name")) place.textContent = t("performance.over", { time: covered });
  byId("exactness").textContent = found.percentiles;
  showHeadline(found, covered);
  showCauses(found.bottlenecks);
  drawCharts(found);
  fillTables(found);
  showProcess(process, found.memory);
  showProfiler(process);
}

function showHeadline({ totals, queues, memory, loop_lag_ms: lag }, covered) {
  const over = t("performance.over", { time: covered });
  const waiting = queues?.reduce((sum, queue) => sum + queue.waiting, 0);
  const oldest = Math.max(0, ...(queues ?? []).map((queue) => queue.oldest_seconds ?? 0));
  const items = [
    ["rate", value(totals.requests_per_second, "/s"), t("performance.rate-note", { count: number(totals.requests), over })],
    ["p50", value(totals.p50_ms, " ms"), over],
    ["p95", value(totals.p95_ms, " ms"), over],
    ["p99", value(totals.p99_ms, " ms"), over],
    ["errors", number(totals.errors), over],
    ["waiting", waiting === undefined ? "–" : number(waiting), waiting ? t("performance.waiting-note", { time: duration(oldest * 1000, true) }) : t("performance.now")],
    ["lag", value(lag, " ms"), t("performance.lag-note")],
    ["memory", bytes(memory.resident_bytes), t("performance.now")],
  ];
  const list = byId("headline");
  if (!list.children.length) list.append(...items.map(([name]) => el("div", {}, el("dt", { textContent: t(`performance.figure-${name}`) }), el("dd"), el("dd", { className: "soft" }))));
  items.forEach(([, figure, note], place) => {
    const [, shown, under] = list.children[place].children;
    if (shown.textContent !== figure) shown.textContent = figure;
    if (under.textContent !== note) under.textContent = note;
  });
}

function showCauses(causes) {
  byId("no-causes").hidden = causes.length > 0;
  const seen = JSON.stringify(causes);
  if (seen === shownCauses) return;
  shownCauses = seen;
  byId("causes").replaceChildren(...causes.map(causeCard));
}

function causeCard({ kind, what, cost_seconds: cost, shown_by: shownBy, advice }) {
  return el(
    "li",
    { className: "card cause" },
    el(
      "p",
      { className: "cause-head" },
      el("span", { className: "badge", textContent: kind }),
      el("strong", { className: "cause-what", textContent: what }),
      el("span", { className: "count", textContent: t("performance.cost", { time: waited(cost) }) }),
    ),
    el("ul", { className: "soft" }, ...shownBy.map((sentence) => el("li", { textContent: sentence }))),
    el("p", { className: "advice", textContent: advice }),
  );
}

function showProcess(process, memory) {
  const facts = [
    ["pid", `${process.pid} · Wireroom ${process.version}`],
    ["started", t("performance.started-at", { time: duration(Date.now() - Date.parse(process.started_at)), at: clock(process.started_at) })],
    ["resident", t("performance.memory-now", { bytes: bytes(memory.resident_bytes), blocks: number(memory.allocated_blocks) })],
    ["history", t("performance.history-bytes", { bytes: bytes(process.history_bytes), most: bytes(process.history_most_bytes) })],
  ];
  byId("process-facts").replaceChildren(...facts.flatMap(([name, text]) => [el("dt", { textContent: t(`performance.fact-${name}`) }), el("dd", { textContent: text })]));
}

const value = (figure, unit) => (figure === null ? "–" : `${fixed(figure)}${unit}`);

function choose(name) {
  chosen = name;
  for (const button of document.querySelectorAll("[data-window]")) button.setAttribute("aria-pressed", String(button.dataset.window === name));
  refresh();
}

function pause() {
  isPaused = !isPaused;
  byId("pause").setAttribute("aria-pressed", String(isPaused));
  byId("pause").textContent = t(isPaused ? "performance.resume" : "performance.pause");
  if (isPaused) clearTimeout(timer);
  else refresh();
}

for (const button of document.querySelectorAll("[data-window]")) button.addEventListener("click", () => choose(button.dataset.window));
byId("pause").addEventListener("click", pause);
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "visible" && !isPaused) refresh();
  else clearTimeout(timer);
});
refresh();
live(["settings"], () => Promise.all([isPaused ? null : refresh(), refreshProfiles()]));
