// Messages on their way to Wireroom. Each keeps its request id from the first try to the last, across reloads
// and in every tab, so that however often it is sent it becomes one run.

import { backoff, call, pause } from "./api.js";
import { freshId, recall, remember } from "./dom.js";

const KEY = "wireroom.outbox";

export class Outbox {
  #sending = false;

  /** `on` = {sent(item), waits(item, error), refused(item, error)}. */
  constructor(on) {
    this.on = on;
  }

  items() {
    return JSON.parse(recall(KEY)) ?? [];
  }

  /** Take a message with the ids of its files. */
  add(text, files = []) {
    const item = { request_id: freshId("web"), text, files };
    this.#store([...this.items(), item]);
    return item;
  }

  /** Send what waits, in order, until nothing does. */
  async flush() {
    if (this.#sending) return;
    this.#sending = true;
    let attempt = 0;
    for (let item = this.items()[0]; item; item = this.items()[0]) {
      try {
        await call("POST", "/api/chat/messages", item);
        attempt = 0;
        this.#remove(item);
        this.on.sent(item);
      } catch (error) {
        if (error.status === 401) {
          this.on.waits(item, error);
          break;
        }
        if (error.passes) {
          attempt += 1;
          this.on.waits(item, error);
          await pause(backoff(attempt));
        } else {
          this.#remove(item);
          this.on.refused(item, error);
        }
      }
    }
    this.#sending = false;
  }

  #remove(item) {
    this.#store(this.items().filter((other) => other.request_id !== item.request_id));
  }

  #store(items) {
    remember(KEY, JSON.stringify(items));
  }
}
