// The live connection: one stream of the page's lane, which comes back by itself and misses nothing.
//
// Each message's id is a cursor; a new connection begins after the last message that arrived whole.

import { backoff, call, pause } from "./api.js";

const STALE_CURSOR_TRIES = 3;

export class Stream {
  #cursor;
  #failures = 0;
  #wake = () => {};

  /** `on` = {news(body), state("connecting" | "live" | "offline" | "logged-out"), stale()}. */
  constructor(cursor, on) {
    this.#cursor = cursor;
    this.on = on;
    addEventListener("online", () => this.#wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.#wake());
  }

  open() {
    this.on.state("connecting");
    const source = new EventSource(`/api/chat/stream?after=${encodeURIComponent(this.#cursor)}`);
    source.addEventListener("open", () => this.on.state("live"));
    source.addEventListener("news", (message) => {
      this.#failures = 0;
      this.#cursor = message.lastEventId;
      this.on.news(JSON.parse(message.data));
    });
    source.addEventListener("error", () => {
      source.close();
      this.#comeBack();
    });
  }

  async #comeBack() {
    for (;;) {
      this.#failures += 1;
      this.on.state("offline");
      await Promise.race([pause(backoff(this.#failures)), new Promise((go) => (this.#wake = go))]);
      try {
        await call("GET", "/api/chat?limit=1");
      } catch (error) {
        if (error.status === 401) return this.on.state("logged-out");
        continue;
      }
      if (this.#failures > STALE_CURSOR_TRIES) return this.on.stale();
      return this.open();
    }
  }
}
