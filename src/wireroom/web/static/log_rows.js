// A piece of a run's log as rows: what was said in one go is one row, a tool call has its result folded inside.

import { el, icon } from "./dom.js";
import { number } from "./format.js";
import { t } from "./texts.js";

const BAD = new Set(["failed", "timed_out", "exhausted", "interrupted"]);
const SYMBOLS = { tool_call: "tool", tool_result: "tool", notice: "note", permission: "people", message: "people", round: "again", session: "link", usage: "pulse", state: "note" };

/**
 * Makes chunks for a `LogList`. `since()` is the time that offsets count from, `words()` what was searched for,
 * `address(seq)` where a row is, `opened` the set of calls that are unfolded, `isLive()` whether more may come.
 */
export class LogRows {
  /** How calls ended whose result stands in another piece than they do, by their ids. */
  #ends = new Map();
  #open = new Map();

  constructor({ since, words, address, opened, isLive }) {
    this.on = { since, words, address, opened, isLive };
  }

  /** Forget everything: another log is shown. */
  reset() {
    this.#ends.clear();
    this.#open.clear();
  }

  /** The run is over: a call whose end was never told must not seem to go on. */
  end() {
    for (const { mark } of this.#open.values()) showEnd(mark, null);
    this.#open.clear();
  }

  make() {
    const element = el("ol", { className: "log-chunk" });
    const chunk = { element, said: null, calls: new Map() };
    return { element, add: (event) => this.#add(chunk, event) };
  }

  #add(chunk, event) {
    const { kind, payload } = event;
    if (kind === "text" || kind === "thought") return this.#speak(chunk, event);
    chunk.said = null;
    if (kind === "tool_call") return this.#call(chunk, event);
    if (kind === "tool_result") return this.#result(chunk, event);
    const { tone, content } = this[`_${kind}`]?.(payload) ?? { content: this.#text(JSON.stringify(payload)) };
    this.#row(chunk, event, content, tone);
  }

  #speak(chunk, event) {
    if (chunk.said?.kind === event.kind) return chunk.said.content.append(...this.#marked(event.payload.text));
    const content = this.#text(event.payload.text);
    chunk.said = { kind: event.kind, content };
    this.#row(chunk, event, content);
  }

  #call(chunk, event) {
    const { id, name, summary } = event.payload;
    const shown = summary.startsWith(`${name}: `) ? summary.slice(name.length + 2) : summary;
    const mark = el("span", { className: "mark" });
    const result = el("div", { className: "result", textContent: "" });
    const head = el("summary", {}, el("span", { className: "tool-name" }, ...this.#marked(name)), el("span", { className: "about" }, ...this.#marked(shown)), mark);
    const details = el("details", { open: this.on.opened.has(event.seq) }, head, result);
    details.addEventListener("toggle", () => this.on.opened[details.open ? "add" : "delete"](event.seq));
    chunk.calls.set(id, { mark, result });
    this.#row(chunk, event, details);
    const known = this.#ends.get(id);
    if (known === undefined) this.#open.set(id, { mark, result });
    else result.textContent = t("runs.result-below");
    showEnd(mark, known ?? null, known === undefined && this.on.isLive());
  }

  #result(chunk, event) {
    const { id, ok, summary } = event.payload;
    const call = chunk.calls.get(id);
    this.#ends.set(id, ok);
    const waiting = this.#open.get(id);
    this.#open.delete(id);
    if (waiting) {
      showEnd(waiting.mark, ok);
      waiting.result.textContent = t("runs.result-below");
    }
    if (call) {
      showEnd(call.mark, ok);
      call.result.replaceChildren(...this.#marked(summary));
      return;
    }
    // Its call stands in another piece, or is filtered out.
    const mark = el("span", { className: "mark" });
    showEnd(mark, ok);
    this.#row(chunk, event, el("div", { className: "loose-result" }, mark, this.#text(summary)), ok ? "" : "bad");
  }

  _plan({ steps }) {
    const items = steps.map(({ text, state }) => el("li", { className: state }, ...this.#marked(text)));
    return { content: el("ul", { className: "plan-items" }, ...items) };
  }

  _notice({ text }) {
    return { content: el("code", { className: "log-text" }, ...this.#marked(text)) };
  }

  _permission({ tool, summary, state }) {
    return { content: this.#text(t(`runs.permission-${state}`, { tool, about: summary })), tone: state === "asked" ? "warm" : "" };
  }

  _message({ text, state }) {
    return { content: this.#text(t(`runs.message-${state}`, { text })), tone: "step" };
  }

  _round({ number: round, kind, verdict }) {
    const text = verdict ? t("runs.round-verdict", { number: round, verdict: t(`runs.verdict-${verdict}`) }) : t(`runs.round-${kind}`, { number: round });
    return { content: this.#text(text), tone: "step" };
  }

  _session({ session_id: id }) {
    return { content: this.#text(t("runs.log-session", { id })) };
  }

  _usage({ input_tokens: input = 0, output_tokens: output = 0, cost_usd: cost }) {
    const tokens = t("runs.log-usage", { input: number(input), output: number(output) });
    return { content: this.#text(cost ? `${tokens} · $${cost.toFixed(4)}` : tokens) };
  }

  _state({ state, reason }) {
    if (state !== "running" && state !== "queued") this.end();
    const word = t(`runs.state-${state}`);
    return { content: this.#text(reason ? `${word}: ${reason}` : word), tone: BAD.has(state) ? "bad" : "step" };
  }

  #text(text) {
    return el("span", { className: "log-text" }, ...this.#marked(text));
  }

  /** The text with what was searched for marked in it. */
  #marked(text) {
    const words = this.on.words().toLowerCase();
    const low = text.toLowerCase();
    if (!words || low.length !== text.length || !low.includes(words)) return [text];
    const pieces = [];
    let end = 0;
    for (let at = low.indexOf(words); at >= 0; at = low.indexOf(words, end)) {
      pieces.push(text.slice(end, at), el("mark", { textContent: text.slice(at, at + words.length) }));
      end = at + words.length;
    }
    return [...pieces, text.slice(end)];
  }

  #row(chunk, event, content, tone = "") {
    const time = el("a", { className: "log-time", href: this.on.address(event.seq), textContent: offset(Date.parse(event.at) - this.on.since()), title: `${event.seq} · ${new Date(event.at).toLocaleString()}` });
    const row = el("li", { className: `log-row ${event.kind}` }, time, icon(SYMBOLS[event.kind] ?? event.kind), content);
    row.dataset.seq = event.seq;
    if (tone) row.dataset.tone = tone;
    chunk.element.append(row);
  }
}

/** Show how a call ended: well, badly, not yet, or (null) that it is not told here. */
function showEnd(mark, ok, waits = false) {
  if (ok === null && !waits) return (mark.className = "mark"), mark.replaceChildren();
  const word = waits ? "at-work" : ok ? "worked" : "failed";
  mark.className = `mark ${waits ? "waiting" : ok ? "ok" : "bad"}`;
  mark.title = t(`runs.call-${word}`);
  mark.replaceChildren(...(waits ? [] : [icon(ok ? "done" : "fail")]), el("span", { className: "hidden", textContent: mark.title }));
}

/** "+0:03.2", "+1:02:03": how long after the beginning. */
function offset(ms) {
  const sign = ms < 0 ? "−" : "+";
  const tenths = Math.floor(Math.abs(ms) / 100);
  const [hours, minutes, seconds] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, Math.floor(tenths / 10) % 60];
  const pad = (value) => String(value).padStart(2, "0");
  if (hours) return `${sign}${hours}:${pad(minutes)}:${pad(seconds)}`;
  return `${sign}${minutes}:${pad(seconds)}.${tenths % 10}`;
}
