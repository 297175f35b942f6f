// A live connection that comes back by itself and misses nothing.
//
// Each message's id is a cursor; a new connection begins after the last message that arrived whole.

import { backoff, call, pause } from "./api.js";

/** Tries that a server that answers may refuse before the cursor is held to be none of its own. */
const MOST_REFUSALS = 3;
/** Browsers allow six connections to a server, over all tabs: one that nobody looks at gives its own back. */
const HIDDEN_MS = 15000;

export class Stream {
  #path;
  #event;
  #cursor;
  #source = null;
  #failures = 0;
  #refusals = 0;
  #wake = () => {};
  #hiding = null;
  #parked = false;

  /**
   * `path` of the stream, the name of its `event`, and the `cursor` to begin after (null: the server decides).
   * `on` = {message(body), state("connecting" | "live" | "offline" | "logged-out"), stale()}; `stale` is
   * called when the server knows the cursor no more, and begins anew.
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
    source.addEventListener("open", () => {
      this.#refusals = 0;
      this.on.state("live");
    });
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

  /** Forget the cursor: the server tells everything that it tells a newcomer. */
  openAnew() {
    this.#cursor = null;
    this.#refusals = 0;
    this.open();
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
      // However long nobody answered: only one who answers, and refuses the cursor, says that it is of no use.
      this.#refusals += 1;
      if (this.#refusals > MOST_REFUSALS) return this.on.stale();
      return this.open();
    }
  }
}
