// The log of one run, live: comes back by itself after the last event that it has, and ends with the run.

import { backoff, call, pause } from "./api.js";

const KINDS = ["text", "thought", "tool_call", "tool_result", "plan", "session", "usage", "notice", "permission", "message", "round", "state"];
const FINAL = new Set(["succeeded", "failed", "timed_out", "exhausted", "cancelled", "interrupted", "joined"]);

export class LogStream {
  #source = null;
  #closed = false;
  #failures = 0;

  /** Follow the run after event number `after`; `take(event)` gets each later one, in order and once. */
  constructor(runId, after, take) {
    this.path = `/api/runs/${encodeURIComponent(runId)}`;
    this.seq = after;
    this.take = take;
    this.#open();
  }

  close() {
    this.#closed = true;
    this.#source?.close();
  }

  #open() {
    if (this.#closed) return;
    const source = new EventSource(`${this.path}/stream?after=${this.seq}`);
    this.#source = source;
    const take = (message) => this.#taken(JSON.parse(message.data), source);
    for (const kind of KINDS) source.addEventListener(kind, take);
    source.addEventListener("error", () => {
      source.close();
      this.#comeBack();
    });
  }

  #taken(event, source) {
    if (this.#closed || source !== this.#source || event.seq <= this.seq) return;
    // A gap cannot be: the stream goes on after the number that was asked for. If it is there, ask again.
    if (event.seq !== this.seq + 1) return source.dispatchEvent(new Event("error"));
    this.#failures = 0;
    this.seq = event.seq;
    this.take(event);
    if (event.kind === "state" && FINAL.has(event.payload.state)) this.#finish(source);
  }

  /** The event of the end is the last one. */
  #finish(source) {
    source.close();
    this.#closed = true;
  }

  async #comeBack() {
    while (!this.#closed) {
      this.#failures += 1;
      await pause(backoff(this.#failures));
      if (this.#closed) return;
      try {
        const run = await call("GET", this.path);
        if (FINAL.has(run.state) && run.event_count <= this.seq) return this.close();
        return this.#open();
      } catch (error) {
        if (error.status === 401 || error.status === 404) return this.close();
      }
    }
  }
}
