// One run: its head, its answer, its changes, what there is to know of it; the log is in runs_log.js.

import { call } from "./api.js";
import { byId, el, icon } from "./dom.js";
import { showDiff } from "./diff_view.js";
import { clock, number } from "./format.js";
import { ask, complain, tell } from "./notices.js";
import { Permissions } from "./permissions.js";
import { RunLog } from "./runs_log.js";
import { fill } from "./rows.js";
import { askedBy, costs, firstLine, isFinal, links, stateBadge, times } from "./runs_words.js";
import { t } from "./texts.js";

const TABS = ["log", "answer", "changes", "more"];
const SETTLE_MS = 150;

export class OneRun {
  #view = null;
  /** The id of the run that the address names; answers about another one come too late. */
  #wanted = null;
  #tab = "log";
  #diffOf = null;
  #diff = "";
  #answered = "";
  #timer = 0;
  #log = new RunLog((event) => this.#took(event));
  #permissions = new Permissions(byId("run-questions"));

  constructor() {
    byId("run-stop").addEventListener("click", () => this.#stop());
    byId("run-again").addEventListener("click", () => this.#again());
    byId("run-tabs").addEventListener("keydown", (event) => this.#walk(event));
    byId("changes-again").addEventListener("click", () => this.#loadDiff());
  }

  get id() {
    return this.#view?.run.id ?? null;
  }

  /** Show a run: `tab` of it, and of its log the event number `seq`. */
  async show(id, tab, seq) {
    this.#wanted = id;
    if (id !== this.id) {
      this.#diffOf = null;
      this.#permissions.clear();
      await this.refresh(id);
      if (this.id !== id) return;
    }
    this.#choose(TABS.includes(tab) ? tab : isFinal(this.#view.run) ? "answer" : "log");
    if (seq) this.#log.reveal(seq);
  }

  leave() {
    this.#log.leave();
    this.#wanted = null;
    this.#view = null;
    byId("run").hidden = true;
    byId("run-none").hidden = false;
  }

  /** Ask how it stands, and show the difference. */
  async refresh(id = this.#wanted) {
    if (!id) return;
    const view = await call("GET", `/api/run-views/${encodeURIComponent(id)}`);
    if (id !== this.#wanted) return;
    const wasFinal = this.#view?.run.id === view.run.id && isFinal(this.#view.run);
    this.#view = view;
    byId("run").hidden = false;
    byId("run-none").hidden = true;
    this.#head();
    this.#log.show({ ...view.run });
    this.#answer();
    this.#more();
    if (!wasFinal && isFinal(view.run)) this.#diffOf = null;
    if (this.#tab === "changes") this.#loadDiff();
    if (isFinal(view.run)) this.#permissions.clear();
  }

  tick(now) {
    if (this.#view && !isFinal(this.#view.run)) byId("run-times").textContent = times(this.#view.run, now);
  }

  #took(event) {
    if (event.kind === "permission") this.#permissions.take(event.payload);
    if (event.kind !== "state" && event.kind !== "round" && event.kind !== "usage") return;
    clearTimeout(this.#timer);
    // The page may be without its server just now; its return brings a refresh.
    this.#timer = setTimeout(() => this.refresh().catch(() => {}), SETTLE_MS);
  }

  #head() {
    const { run, prompt } = this.#view;
    fill(byId("run-state"), [run.state, run.stopping], () => [stateBadge(run)]);
    byId("run-question").textContent = firstLine(prompt);
    byId("run-question").title = prompt.slice(0, 500);
    byId("run-times").textContent = times(run, Date.now());
    byId("run-facts").textContent = [askedBy(run), run.backend, costs(run.usage)].filter(Boolean).join(" · ");
    byId("run-stop").hidden = isFinal(run) || run.stopping;
    byId("run-stop").lastElementChild.textContent = t(run.state === "queued" ? "runs.remove" : "runs.stop");
    byId("run-again").hidden = !isFinal(run);
    fill(byId("run-links"), links(run), () => links(run).map(([text, href]) => el("li", {}, el("a", { href, textContent: text }))));
    for (const tab of TABS) byId(`tab-${tab}`).href = `#${encodeURIComponent(run.id)}/${tab}`;
    const diff = this.#view.diff;
    byId("tab-changes-count").textContent = diff ? `+${number(diff.insertions)} −${number(diff.deletions)}` : "";
  }

  /** What somebody reads, selects or scrolls stays as long as it says the same. */
  #answer() {
    const view = this.#view;
    const shown = JSON.stringify([view.run.id, isFinal(view.run), view.prompt, view.reason_html, view.answer_html]);
    if (shown === this.#answered) return;
    this.#answered = shown;
    byId("answer-question").textContent = view.prompt + (view.prompt_cut ? " …" : "");
    byId("answer-none").hidden = isFinal(view.run);
    // The only HTML that is set: made by Wireroom's own renderer, which lets no markup of the agent's through.
    byId("answer-reason").innerHTML = view.reason_html ?? "";
    const answer = byId("answer-said");
    answer.innerHTML = view.answer_html ?? "";
    for (const table of answer.querySelectorAll("table")) {
      const frame = el("div", { className: "scroll-x", tabIndex: 0 });
      table.replaceWith(frame);
      frame.append(table);
    }
    const isEmpty = isFinal(view.run) && !view.answer_html && !view.reason_html;
    if (isEmpty) answer.textContent = t("runs.said-nothing");
    byId("answer-cut").hidden = !view.answer_cut;
  }

  #more() {
    const { run, attempts, rounds, ...view } = this.#view;
    const facts = [
      ["run", run.id],
      ["request", view.request_id],
      ["asked-at", clock(run.queued_at)],
      ["mode", t(`runs.mode-${run.mode}`)],
      ["repository", view.repository],
      ["branch", view.branch],
      ["exit-code", view.exit_code],
      ["error-code", view.error_code],
      ["reason", run.reason],
      ["justification", view.justification],
      ["rounds", view.max_iterations === null ? null : t("runs.rounds-of", { count: view.iterations ?? 0, most: view.max_iterations })],
      ["interruptions", view.interruptions || null],
    ];
    const shown = facts.filter(([, value]) => value !== null && value !== "");
    fill(byId("more-facts"), shown, () => shown.flatMap(([key, value]) => [el("dt", { textContent: t(`runs.fact-${key}`) }), el("dd", { textContent: String(value) })]));
    fill(byId("more-attempts"), attempts, () => attempts.map(attemptRow));
    byId("more-rounds-frame").hidden = !rounds.length;
    fill(byId("more-rounds"), rounds, () => roundCards(rounds));
  }

  #choose(tab) {
    this.#tab = tab;
    for (const one of TABS) {
      byId(`tab-${one}`).setAttribute("aria-selected", String(one === tab));
      byId(`tab-${one}`).tabIndex = one === tab ? 0 : -1;
      byId(`panel-${one}`).hidden = one !== tab;
    }
    if (tab === "changes" && this.#diffOf !== this.id) this.#loadDiff();
  }

  #walk(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const next = TABS[(TABS.indexOf(this.#tab) + step + TABS.length) % TABS.length];
    byId(`tab-${next}`).focus();
    byId(`tab-${next}`).click();
  }

  async #loadDiff() {
    const id = this.id;
    this.#diffOf = id;
    try {
      const diff = await call("GET", `/api/run-views/${encodeURIComponent(id)}/diff`);
      if (id !== this.id) return;
      const shown = JSON.stringify([id, diff]);
      if (shown !== this.#diff) showDiff(byId("changes"), diff);
      this.#diff = shown;
      byId("changes-again").hidden = diff.basis === "recorded";
    } catch (error) {
      if (error.status === undefined) throw error;
      this.#diff = "";
      if (id === this.id) byId("changes").replaceChildren(el("p", { className: "empty", textContent: error.message }));
      this.#diffOf = null;
    }
  }

  async #stop() {
    const { id, state } = this.#view.run;
    if (state === "running" && !(await ask({ title: t("runs.stop-title"), text: t("runs.stop-text"), yes: t("runs.stop") }))) return;
    await this.#change(byId("run-stop"), `/api/runs/${encodeURIComponent(id)}/cancel`, () => tell(t("runs.stopped")));
  }

  async #again() {
    await this.#change(byId("run-again"), `/api/runs/${encodeURIComponent(this.id)}/retry`, (asked) => {
      tell(t(asked.created ? "runs.asked-again" : "runs.asked-before"));
      location.hash = `#${encodeURIComponent(asked.run_id)}`;
    });
  }

  async #change(button, path, done) {
    button.disabled = true;
    try {
      done(await call("POST", path));
      await this.refresh();
    } catch (error) {
      if (error.status === undefined) throw error;
      complain(error.message);
    } finally {
      button.disabled = false;
    }
  }
}

function attemptRow(attempt) {
  const cells = [String(attempt.number), t(`runs.state-${attempt.state}`), clock(attempt.started_at), attempt.finished_at ? clock(attempt.finished_at) : "–", attempt.exit_code ?? "–", attempt.reason ?? ""];
  return el("tr", {}, ...cells.map((text, place) => el("td", { className: place === 0 || place === 4 ? "number" : "", textContent: text })));
}

function roundCards(rounds) {
  let works = 0;
  return rounds.map((round) => roundCard(round, (works += round.kind === "work")));
}

/** A round; `place` counts the work, and a review has the number of what it reviews. */
function roundCard(round, place) {
  const title = t(`runs.round-${round.kind}`, { number: place });
  const verdict = round.verdict ? t(`runs.verdict-${round.verdict}`) : t(`runs.state-${round.state}`);
  const body = el("div", {}, ...[round.reason, round.justification].filter(Boolean).map((text) => el("p", { textContent: text })), el("pre", { className: "mono", textContent: round.output || "–" }));
  const facts = el("span", { className: "soft", textContent: [verdict, costs(round.usage)].filter(Boolean).join(" · ") });
  return el("details", { className: "round" }, el("summary", {}, icon("chevron", "chevron"), el("strong", { textContent: title }), facts), body);
}
