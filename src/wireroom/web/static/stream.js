// A live connection that comes back by itself and misses nothing.
//
// Each message's id is a cursor; a new connection begins after the last message that arrived whole.

import { backoff, call, pause } from "./api.js";

const STALE_CURSOR_TRIES = 3;
/** Browsers allow six connections to a server, over all tabs: one that nobody looks at gives its own back. */
const HIDDEN_MS = 15000;

export class Stream {
  #path;
  #event;
  #cursor;
  #source = null;
  #failures = 0;
  #wake = () => {};
  #hiding = null;
  #parked = false;

  /**
   * `path` of the stream, the name of its `event`, and the `cursor` to begin after (null: the server decides).
   * `on` = {message(body), state("connecting" | "live" | "offline" | "logged-out"), stale()}.
   */
  constructor({ path, event, cursor = null }, on) {
    this.#path = path;
    this.#event = event;
    this.#cursor = cursor;
    this.on = on;
    addEventListener("online", () => this.#wake());
    document.addEventListener("visibilitychange", () => (document.hidden ? this.#hide() : this.#look()));
    // A page that is kept for the back button must not keep one of the few connections.
    addEventListener("pagehide", () => this.#source?.close());
    addEventListener("pageshow", (event) => event.persisted && this.open());
  }

  open() {
    this.on.state("connecting");
    const source = new EventSource(this.#address());
    this.#source = source;
    source.addEventListener("open", () => this.on.state("live"));
    source.addEventListener(this.#event, (message) => {
      this.#failures = 0;
      this.#cursor = message.lastEventId;
      this.on.message(JSON.parse(message.data));
    });
    source.addEventListener("error", () => {
      source.close();
      this.#comeBack();
    });
  }

  #hide() {
    clearTimeout(this.#hiding);
    this.#hiding = setTimeout(() => {
      if (this.#source?.readyState === EventSource.CLOSED) return;
      this.#source?.close();
      this.#parked = true;
    }, HIDDEN_MS);
  }

  #look() {
    clearTimeout(this.#hiding);
    if (!this.#parked) return this.#wake();
    this.#parked = false;
    this.open();
  }

  #address() {
    if (this.#cursor === null) return this.#path;
    return `${this.#path}${this.#path.includes("?") ? "&" : "?"}after=${encodeURIComponent(this.#cursor)}`;
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
