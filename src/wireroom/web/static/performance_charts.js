// The charts: uPlot with our colours and units, a legend that tells the row under the cursor, and the same as a table.

import { el } from "./dom.js";
import { bytes, number } from "./format.js";
import { t } from "./texts.js";

const HEIGHT = 170;
const LANGUAGE = document.documentElement.lang;
const MINUTE = new Intl.DateTimeFormat(LANGUAGE, { hour: "2-digit", minute: "2-digit", hour12: false });
const SECOND = new Intl.DateTimeFormat(LANGUAGE, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const WINDOW_SECONDS = { "5m": 300, "1h": 3600, "24h": 86400 };

const in_ = (unit) => (value) => `${number(value, value < 10 ? 2 : 1)}${unit}`;
const WHOLE = [1, 2, 5].flatMap((step) => [0, 1, 2, 3, 4, 5].map((power) => step * 10 ** power)).sort((one, other) => one - other);
const MIB = [...Array(16).keys()].map((power) => 2 ** (20 + power));
const LINES = [["--accent", []], ["--warm", [6, 3]], ["--bad", [2, 3]]];
// `least`: what the axis shows even if nothing happens; `steps`: of its marks, where those of ten would be odd.
const CHARTS = {
  latency: { unit: in_(" ms"), least: 1, columns: ["p50_ms", "p95_ms", "p99_ms"] },
  throughput: { unit: in_("/s"), least: 1, columns: ["requests_per_second", "jobs_per_second", "errors_per_second"] },
  depth: { unit: in_(""), least: 4, steps: WHOLE, columns: ["waiting_jobs"] },
  oldest: { unit: in_(" s"), least: 1, columns: ["oldest_seconds"] },
  hits: { unit: in_(" %"), least: 100, columns: ["memory_hit_percent", "redis_hit_percent", "disk_hit_percent"] },
  lag: { unit: in_(" ms"), least: 10, columns: ["loop_lag_ms"] },
  processor: { unit: in_(" %"), least: 10, columns: ["processor_percent", "loop_blocked_percent"] },
  memory: { unit: bytes, least: 1, steps: MIB, columns: ["resident_bytes"] },
  pools: { unit: in_(""), least: 4, steps: WHOLE, columns: ["connections_busy", "callers_waiting"] },
};

/** Draw every chart from an answer of `/api/performance`. */
export function drawCharts(found) {
  for (const chart of charts) chart.show(found);
}

class Chart {
  constructor(figure) {
    this.name = figure.dataset.chart;
    this.plan = CHARTS[this.name];
    this.figure = figure;
    this.plot = figure.querySelector(".plot");
    this.rows = figure.querySelector(".rows");
    this.toggle = figure.querySelector(".as-table");
    this.drawn = null;
    this.found = null;
    this.toggle.addEventListener("click", () => this.swap());
    new ResizeObserver(() => this.drawn?.setSize({ width: this.plot.clientWidth, height: HEIGHT })).observe(this.plot);
  }

  show(found) {
    this.found = found;
    const { series, window } = found;
    this.figure.querySelector("[data-rows]").textContent = t("performance.every", { time: t("performance.seconds", { count: series.row_seconds }) });
    this.data = [series.times_ms.map((at) => at / 1000), ...this.plan.columns.map((name) => series.columns[name])];
    if (this.rows.hidden) this.draw();
    else this.fillRows();
    this.plot.setAttribute("aria-label", this.inWords(window));
  }

  /** Draw what was given last; anew when `fresh`, as for other colours. */
  draw(fresh = false) {
    if (!this.found) return;
    if (fresh || !this.drawn) {
      this.drawn?.destroy();
      this.drawn = new globalThis.uPlot(this.options(), this.data, this.plot);
    } else {
      this.drawn.setData(this.data);
    }
    this.showLast();
  }

  options() {
    const style = getComputedStyle(document.documentElement);
    const colour = (token) => style.getPropertyValue(token).trim();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 }, font: "11px system-ui, sans-serif" };
    const { unit, columns, least, steps } = this.plan;
    return {
      width: this.plot.clientWidth || 300,
      height: HEIGHT,
      cursor: { y: false, points: { size: 6 } },
      scales: {
        x: { range: () => this.timeRange() },
        y: { range: (_, low, high) => [0, Math.max(high * (high > least ? 1.1 : 1), least)] },
      },
      axes: [
        { ...axis, values: (_, splits) => splits.map((at) => MINUTE.format(at * 1000)), incrs: [60, 300, 600, 900, 3600, 10800, 21600], space: 60, size: 32 },
        { ...axis, ...(steps && { incrs: steps }), size: 64, values: (_, splits) => splits.map((value) => (value === null ? "" : unit(value))), space: 26 },
      ],
      series: [
        { label: t("performance.at"), value: (_, at) => (at == null ? "–" : SECOND.format(at * 1000)) },
        ...columns.map((name, place) => ({
          label: t(`performance.line-${name}`),
          stroke: colour(LINES[place][0]),
          dash: LINES[place][1],
          width: 1.75,
          points: { size: 4 },
          value: (_, value) => (value == null ? "–" : unit(value)),
        })),
      ],
      hooks: { setCursor: [(plot) => plot.cursor.idx === null && this.showLast()] },
    };
  }

  timeRange() {
    const { name, ends_at: ends } = this.found.window;
    const end = Date.parse(ends) / 1000;
    return [end - WINDOW_SECONDS[name], end];
  }

  /** Have the legend tell the newest row while the cursor is elsewhere. */
  showLast() {
    if (this.drawn && this.data[0].length && this.drawn.cursor.idx == null) this.drawn.setLegend({ idx: this.data[0].length - 1 }, false);
  }

  swap() {
    const asTable = this.rows.hidden;
    this.rows.hidden = !asTable;
    this.plot.hidden = asTable;
    this.toggle.setAttribute("aria-expanded", String(asTable));
    this.toggle.textContent = t(asTable ? "performance.as-chart" : "performance.as-table");
    if (asTable) this.fillRows();
    else this.draw(true);
  }

  fillRows() {
    if (!this.found) return;
    const { columns, unit } = this.plan;
    const [times, ...values] = this.data;
    const head = el("tr", {}, ...[t("performance.at"), ...columns.map((name) => t(`performance.line-${name}`))].map((text, place) => heading(text, place)));
    const lines = times.map((at, row) => el("tr", {}, el("td", { textContent: SECOND.format(at * 1000) }), ...values.map((column) => el("td", { className: "number", textContent: column[row] === null ? "–" : unit(column[row]) }))));
    this.rows.replaceChildren(el("table", { className: "table" }, el("thead", {}, head), el("tbody", {}, ...lines.reverse())));
  }

  /** What somebody who does not see the chart is told: the newest and the highest figure of each line. */
  inWords(window) {
    const { columns, unit } = this.plan;
    const lines = columns.map((name, place) => {
      const known = this.data[place + 1].filter((value) => value !== null);
      const line = t(`performance.line-${name}`);
      return known.length ? t("performance.line-words", { line, last: unit(known.at(-1)), most: unit(Math.max(...known)) }) : t("performance.line-unknown", { line });
    });
    return `${t(`performance.chart-${this.name}`)}, ${t(`performance.window-${window.name}`)}: ${lines.join("; ")}`;
  }
}

function heading(text, place) {
  const made = el("th", { textContent: text, className: place ? "number" : "" });
  made.scope = "col";
  return made;
}

const charts = [...document.querySelectorAll("[data-chart]")].map((figure) => new Chart(figure));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((chart) => chart.rows.hidden && chart.draw(true)));
