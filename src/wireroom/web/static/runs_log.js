// The log of the run that is shown: live, by pages both ways, by kind and word, copied and downloaded.

import { call } from "./api.js";
import { announce, byId } from "./dom.js";
import { number } from "./format.js";
import { LogList } from "./log_list.js";
import { LogRows } from "./log_rows.js";
import { LogStream } from "./log_stream.js";
import { complain, tell } from "./notices.js";
import { t } from "./texts.js";

const SIZE = 60;
const MOST_COPIED = 20_000;
const SETTLE_MS = 250;
const KINDS = {
  said: ["text"],
  thought: ["thought"],
  tools: ["tool_call", "tool_result"],
  plan: ["plan", "round"],
  errors: ["error"],
  notes: ["notice", "message", "permission", "session", "usage", "state"],
};

export class RunLog {
  run = null;
  #list;
  #rows;
  #stream = null;
  #chosen = new Set();
  #words = "";
  /** Numbers of the events that fit what is chosen; null while all are shown. */
  #matches = null;
  #lookedTo = 0;
  #looking = false;
  #timer = 0;
  #opened = new Set();

  /** `took(event)` is told each event that comes live. */
  constructor(took) {
    this.took = took;
    this.#rows = new LogRows({
      since: () => Date.parse(this.run.started_at ?? this.run.queued_at),
      words: () => this.#words,
      address: (seq) => `#${encodeURIComponent(this.run.id)}/log/${seq}`,
      opened: this.#opened,
      isLive: () => this.run?.finished_at === null,
    });
    this.#list = new LogList(byId("log"), {
      size: SIZE,
      load: (start, count) => this.#load(start, count),
      make: () => this.#rows.make(),
      followed: (yes) => (byId("log-to-end").hidden = yes),
    });
    byId("log-to-end").addEventListener("click", () => this.#list.toEnd());
    byId("log-kinds").addEventListener("click", ({ target }) => target.dataset.kind !== undefined && this.#choose(target.dataset.kind));
    byId("log-words").addEventListener("input", () => {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#filter(), SETTLE_MS);
    });
    byId("log-copy").addEventListener("click", () => this.#copy());
  }

  /** Show the log of this run; the same run again only takes note of how it stands. */
  show(run) {
    const isNew = run.id !== this.run?.id;
    this.run = run;
    if (isNew) this.#begin();
    const isOver = run.finished_at !== null;
    if (!isOver && !this.#stream) this.#follow();
    byId("log-none").hidden = run.event_count > 0 || this.#list.count > 0;
    byId("log-none").textContent = t(isOver ? "runs.log-none" : "runs.log-not-yet");
  }

  leave() {
    this.#stream?.close();
    this.#stream = null;
    this.run = null;
  }

  /** Bring one event into sight, among all others. */
  async reveal(seq) {
    if (this.#matches) this.#clear();
    const chunk = await this.#list.reveal(seq - 1);
    // Several pieces that were said in one go are one row, with the number of the first.
    const row = [...(chunk?.children ?? [])].findLast((one) => Number(one.dataset.seq) <= seq);
    for (const old of byId("log").querySelectorAll("[aria-current]")) old.removeAttribute("aria-current");
    row?.setAttribute("aria-current", "true");
    row?.scrollIntoView({ block: "center" });
  }

  #begin() {
    this.#stream?.close();
    this.#stream = null;
    this.#chosen.clear();
    this.#words = "";
    byId("log-words").value = "";
    this.#opened.clear();
    this.#showChosen();
    this.#all();
    if (this.run.finished_at === null) this.#follow();
  }

  #follow() {
    const stream = new LogStream(this.run.id, this.run.event_count, (event) => {
      if (stream !== this.#stream) return;
      this.#take(event);
      this.took(event);
    });
    this.#stream = stream;
  }

  #take(event) {
    this.run.event_count = Math.max(this.run.event_count, event.seq);
    byId("log-none").hidden = true;
    if (this.#matches === null) {
      this.#list.push(event, event.seq - 1);
      this.#count();
    } else this.#look();
  }

  #all() {
    this.#matches = null;
    this.#rows.reset();
    this.#list.reset(this.run.event_count, { atEnd: this.run.finished_at === null });
    this.#count();
  }

  #choose(kind) {
    if (kind === "") this.#chosen.clear();
    else if (!this.#chosen.delete(kind)) this.#chosen.add(kind);
    this.#filter();
  }

  #clear() {
    this.#chosen.clear();
    byId("log-words").value = "";
    this.#filter();
  }

  #filter() {
    clearTimeout(this.#timer);
    this.#words = byId("log-words").value.trim();
    this.#showChosen();
    if (!this.#chosen.size && !this.#words) return this.#all();
    this.#matches = [];
    this.#lookedTo = 0;
    this.#rows.reset();
    this.#list.reset(0);
    this.#look();
  }

  /** Ask which further events fit, until all have been looked at. */
  async #look() {
    if (this.#looking) return;
    this.#looking = true;
    try {
      while (this.#matches && this.#lookedTo < this.run.event_count) {
        const [wanted, id] = [this.#matches, this.run.id];
        const found = await call("GET", `${this.#path("matches")}&after=${this.#lookedTo}`);
        // Another filter or run may have been chosen meanwhile.
        if (wanted !== this.#matches || id !== this.run?.id) continue;
        this.#lookedTo = found.looked_to;
        this.run.event_count = Math.max(this.run.event_count, found.event_count);
        for (const seq of found.matches) wanted.push(seq);
        this.#list.grow(wanted.length);
        this.#count();
      }
    } catch (error) {
      if (error.status === undefined) throw error;
      if (!this.#stream) complain(error.message);
    } finally {
      this.#looking = false;
    }
    if (this.#matches) announce(t("runs.log-found", { count: number(this.#matches.length) }));
  }

  async #load(start, count) {
    if (this.#matches === null) {
      const piece = await call("GET", `/api/runs/${encodeURIComponent(this.run.id)}/events?after=${start}&limit=${count}`);
      return piece.events;
    }
    const after = start === 0 ? 0 : this.#matches[start - 1];
    const piece = await call("GET", `${this.#path("log")}&after=${after}&limit=${count}`);
    return piece.events;
  }

  #path(what) {
    const query = new URLSearchParams([...this.#chosen].flatMap((kind) => KINDS[kind]).map((kind) => ["kind", kind]));
    query.set("words", this.#words);
    return `/api/run-views/${encodeURIComponent(this.run.id)}/${what}?${query}`;
  }

  #count() {
    const all = number(this.run.event_count);
    byId("log-count").textContent = this.#matches ? t("runs.log-some", { count: number(this.#matches.length), all }) : t("runs.log-all", { count: all });
    byId("log-download").href = this.#path("log.txt");
  }

  #showChosen() {
    for (const button of byId("log-kinds").children) {
      const kind = button.dataset.kind;
      button.setAttribute("aria-pressed", String(kind ? this.#chosen.has(kind) : !this.#chosen.size));
    }
  }

  async #copy() {
    if ((this.#matches?.length ?? this.run.event_count) > MOST_COPIED) return complain(t("runs.copy-too-much", { most: number(MOST_COPIED) }));
    try {
      const response = await fetch(this.#path("log.txt"));
      if (!response.ok) throw new Error(String(response.status));
      await navigator.clipboard.writeText(await response.text());
      tell(t("runs.copied"));
    } catch {
      complain(t("runs.not-copied"));
    }
  }
}
