// The log of one run: what the agent thought, said and did, a line each.
//
// What it is saying now stands under the log; once it turns to something else, that becomes a line of the log.

import { el, icon } from "./dom.js";
import { t } from "./texts.js";

const FINAL = new Set(["succeeded", "failed", "timed_out", "exhausted", "cancelled", "interrupted", "joined"]);

export class Log {
  /** Number of the last event taken; lines come in order, and each once. */
  seq = 0;
  tools = 0;
  #list;
  #live;
  #said = "";
  #attempts = 0;
  #thought = null;
  #plan = null;
  #open = new Map();

  /** `list` takes the lines; `live` shows what is being said. */
  constructor(list, live) {
    this.#list = list;
    this.#live = live;
  }

  add(event) {
    if (event.seq <= this.seq) return;
    this.seq = event.seq;
    const { kind, payload } = event;
    if (kind === "text") return this.#say(payload.text);
    if (kind === "session" || kind === "usage") return;
    // A plan is replaced where it stands, and the end leaves what was said last to the answer.
    const isLine = kind === "plan" ? !this.#plan : kind !== "state" || !FINAL.has(payload.state);
    if (isLine) this.#flush();
    if (kind !== "thought") this.#thought = null;
    this[`_${kind}`]?.(payload);
  }

  _thought({ text }) {
    if (this.#thought) this.#thought.textContent += text;
    else {
      this.#thought = el("span", { className: "step-text", textContent: text });
      this.#step("thought", this.#thought);
    }
  }

  _tool_call({ id, name, summary }) {
    this.tools += 1;
    const mark = el("span", { className: "mark waiting", title: t("chat.at-work") });
    const line = this.#toolLine(name, summary, mark);
    this.#open.set(id, { ...line, mark });
  }

  _tool_result({ id, ok, summary }) {
    let call = this.#open.get(id);
    this.#open.delete(id);
    if (!call) {
      const mark = el("span");
      call = { ...this.#toolLine("", summary, mark), mark };
    }
    call.mark.className = `mark ${ok ? "ok" : "bad"}`;
    call.mark.title = t(ok ? "chat.step-done" : "chat.step-failed");
    call.mark.replaceChildren(icon(ok ? "done" : "fail"), el("span", { className: "hidden", textContent: call.mark.title }));
    call.result.textContent = summary;
  }

  _plan({ steps }) {
    const items = steps.map(({ text, state }) => el("li", { className: state, textContent: text }));
    if (!this.#plan) {
      this.#plan = el("ul", { className: "plan-items" });
      this.#step("plan", this.#plan);
    }
    this.#plan.replaceChildren(...items);
  }

  _notice({ text }) {
    this.#step("note", el("code", { className: "step-text", textContent: text }));
  }

  _permission({ tool, summary, state }) {
    if (state !== "asked") this.#step("note", el("span", { className: "step-text", textContent: t("chat.permission-state", { state, tool, summary }) }));
  }

  _state({ state, reason }) {
    if (state === "running") {
      this.#attempts += 1;
      if (this.#attempts > 1) this.#step("again", el("span", { className: "step-text", textContent: t("chat.taken-up") }));
    } else if (reason && !FINAL.has(state)) {
      this.#step("note", el("span", { className: "step-text", textContent: reason }));
    }
    if (FINAL.has(state)) this.#closeOpenCalls();
  }

  #say(text) {
    this.#said += text;
    this.#live.textContent = this.#said;
  }

  #flush() {
    const said = this.#said.trim();
    this.#said = "";
    this.#live.textContent = "";
    if (said) this.#step("text", el("span", { className: "step-text", textContent: said }));
  }

  /** A tool whose end was never told must not seem to go on. */
  #closeOpenCalls() {
    for (const { mark } of this.#open.values()) {
      mark.className = "mark";
      mark.title = t("chat.cut-off");
    }
    this.#open.clear();
  }

  #toolLine(name, summary, mark) {
    const shown = summary.startsWith(`${name}: `) ? summary.slice(name.length + 2) : summary;
    const result = el("div", { className: "result" });
    const head = el("summary", {}, el("span", { className: "tool-name", textContent: name }), el("span", { className: "about", textContent: shown }), mark);
    this.#step("tool", el("details", {}, head, result));
    return { result };
  }

  #step(kind, content) {
    this.#list.append(el("li", { className: `step ${kind}` }, icon(kind), content));
  }
}
