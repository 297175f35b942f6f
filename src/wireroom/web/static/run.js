// One question with its answer, as an element that is brought up to date by what the stream tells.

import { call } from "./api.js";
import { byId, duration, el, setIcon } from "./dom.js";
import { Log } from "./log.js";
import { Permissions } from "./permissions.js";
import { showPrompt } from "./prompt.js";
import { t } from "./texts.js";

const SYMBOLS = { queued: "clock", running: "work", succeeded: "done", failed: "fail", timed_out: "fail", exhausted: "fail", cancelled: "stop", interrupted: "fail", joined: "done" };
const EVENTS_A_CALL = 1000;

export const isFinal = (state) => state !== "queued" && state !== "running";

export class RunView {
  /** The newest that is known of it; null until Wireroom has it. */
  run = null;
  #log;
  #permissions;
  #whole = false;
  #touched = false;

  /** `act` = {stop(run, button), again(run, button)}. */
  constructor(requestId, prompt, act) {
    this.requestId = requestId;
    this.element = byId("run-template").content.firstElementChild.cloneNode(true);
    this.parts = Object.fromEntries(
      ["bubble", "ask-note", "reply", "state-icon", "state-text", "elapsed", "stop", "log", "log-title", "steps", "questions", "saying", "reason", "said", "changes", "diff", "reply-foot", "again", "more"].map(
        (name) => [name, this.element.querySelector(`.${name}`)],
      ),
    );
    showPrompt(this.parts.bubble, prompt);
    this.parts.stop.addEventListener("click", () => act.stop(this.run, this.parts.stop));
    this.parts.again.addEventListener("click", () => act.again(this.run, this.parts.again));
    this.parts.log.querySelector("summary").addEventListener("click", () => (this.#touched = true));
    this.parts.log.addEventListener("toggle", () => this.parts.log.open && this.#loadLog());
    this.parts.changes.addEventListener("toggle", () => this.parts.changes.open && this.#showChanges());
    this.#log = new Log(this.parts.steps, this.parts.saying);
    this.#permissions = new Permissions(this.parts.questions);
  }

  /** Say something under the question, such as that it is not sent yet. */
  note(text) {
    this.parts["ask-note"].textContent = text;
    this.parts["ask-note"].hidden = !text;
  }

  /** Show the run as it is now; older news than what is shown changes nothing. */
  update(run) {
    if (this.run && this.run.event_count > run.event_count) return;
    this.run = run;
    this.note(run.prompt_cut ? t("chat.cut-prompt") : "");
    this.element.dataset.state = run.state;
    this.parts.reply.hidden = false;
    this.#head(run);
    const over = isFinal(run.state);
    if (over) this.#showAnswer(run);
    if (over) this.#permissions.clear();
    this.parts["reply-foot"].hidden = !over;
    this.parts.again.hidden = run.state === "succeeded";
    this.parts.more.href = `/room/runs#${encodeURIComponent(run.id)}`;
    this.parts.changes.hidden = !run.changed_files;
    this.parts.log.hidden = run.event_count === 0 && this.#log.seq === 0;
    if (!this.#touched) this.parts.log.open = run.state === "running" && this.#log.seq > 0;
  }

  addEvents(events) {
    for (const event of events) {
      if (event.seq !== this.#log.seq + 1) continue;
      this.#log.add(event);
      if (event.kind === "permission" && !(this.run && isFinal(this.run.state))) this.#permissions.take(event.payload);
    }
    const steps = this.#log.tools;
    this.parts["log-title"].textContent = steps ? t(steps === 1 ? "chat.log-step" : "chat.log-steps", { count: steps }) : t("chat.log");
    this.parts.log.hidden = false;
    if (!this.#touched && this.run?.state === "running") this.parts.log.open = this.parts.steps.childElementCount > 0;
  }

  tick(now) {
    if (this.run?.state === "running") this.parts.elapsed.textContent = duration(now - Date.parse(this.run.started_at));
  }

  #head(run) {
    setIcon(this.parts["state-icon"], SYMBOLS[run.state]);
    this.parts["state-text"].textContent = run.stopping ? t("chat.stopping") : run.state === "queued" ? queued(run) : t(`chat.state-${run.state}`);
    this.parts.elapsed.textContent = isFinal(run.state) ? facts(run) : "";
    this.parts.stop.hidden = isFinal(run.state) || run.stopping;
    this.parts.stop.disabled = false;
    this.parts.stop.lastElementChild.textContent = t(run.state === "queued" ? "chat.remove" : "chat.stop");
    this.tick(Date.now());
  }

  #showAnswer(run) {
    const { said: answer, reason, saying } = this.parts;
    saying.hidden = true;
    // The only HTML that is ever set: made by Wireroom's own renderer, which lets no markup of the agent's through.
    reason.innerHTML = run.reason_html ?? "";
    answer.innerHTML = run.answer_html ?? "";
    if (!run.answer_html && run.state === "succeeded") answer.append(el("p", { textContent: t("chat.silent") }));
    for (const table of answer.querySelectorAll("table")) {
      const frame = el("div", { className: "table", tabIndex: 0 });
      table.replaceWith(frame);
      frame.append(table);
    }
    if (run.answer_cut) answer.append(this.#wholeButton(run));
  }

  async #showChanges() {
    try {
      const [{ showDiff }, diff] = await Promise.all([import("./diff_view.js"), call("GET", `/api/run-views/${encodeURIComponent(this.run.id)}/diff`)]);
      showDiff(this.parts.diff, diff);
    } catch (error) {
      this.parts.diff.textContent = error.message;
    }
  }

  #wholeButton(run) {
    const button = el("button", { type: "button", className: "link-button", textContent: t("chat.whole") });
    button.addEventListener("click", async () => {
      button.disabled = true;
      try {
        const whole = await call("GET", `/api/runs/${encodeURIComponent(run.id)}`);
        this.parts.said.replaceChildren(el("pre", { textContent: whole.output ?? "" }));
      } catch (error) {
        button.disabled = false;
        button.textContent = t("chat.whole-failed", { error: error.message });
      }
    });
    return button;
  }

  /** Fetch the lines that the stream did not bring, such as those of a run that had ended before the page was opened. */
  async #loadLog() {
    if (this.#whole || !this.run || !isFinal(this.run.state)) return;
    this.#whole = true;
    const path = `/api/runs/${encodeURIComponent(this.run.id)}/events`;
    try {
      while (this.#log.seq < this.run.event_count) {
        const piece = await call("GET", `${path}?after=${this.#log.seq}&limit=${EVENTS_A_CALL}`);
        if (!piece.events.length) break;
        this.addEvents(piece.events);
      }
      if (!this.parts.steps.childElementCount) {
        this.parts.steps.append(el("li", { className: "step-text", textContent: t("chat.straight") }));
      }
    } catch (error) {
      this.#whole = false;
      this.parts["log-title"].textContent = t("chat.log-trouble", { error: error.message });
    }
  }
}

function queued(run) {
  if (run.place > 0) return t("chat.place", { place: run.place });
  return t(run.started_at ? "chat.waits-again" : "chat.starting");
}

function facts(run) {
  const parts = run.started_at ? [duration(Date.parse(run.finished_at) - Date.parse(run.started_at), true)] : [];
  const tokens = (run.usage?.input_tokens ?? 0) + (run.usage?.output_tokens ?? 0);
  if (tokens) parts.push(t("chat.tokens", { count: tokens.toLocaleString(document.documentElement.lang) }));
  if (run.usage?.cost_usd) parts.push(`$${run.usage.cost_usd.toFixed(2)}`);
  return parts.join(" · ");
}
