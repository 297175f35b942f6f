// The box that people write in. What is not sent yet survives a reload.

import { Attachments } from "./attachments.js";
import { byId, recall, remember } from "./dom.js";
import { t } from "./texts.js";

const KEY = "wireroom.draft";

export class Composer {
  #text = byId("text");
  #form = byId("composer");
  #trouble = byId("trouble");
  #files = new Attachments({ changed: () => this.#changed(), complain: (text) => this.complain(text) });

  /** `send(text, files)` takes a message with the files that have arrived. */
  constructor(send) {
    this.send = send;
    this.#text.value = recall(KEY) ?? "";
    this.#text.addEventListener("input", () => this.#changed());
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#changed();
  }

  /** Give a message back that could not be sent, unless something new was begun. */
  giveBack(text) {
    if (!this.#text.value.trim()) {
      this.#text.value = text;
      this.#changed();
    }
  }

  complain(message) {
    this.#trouble.textContent = message;
    this.#trouble.hidden = !message;
  }

  set shown(shown) {
    this.#form.hidden = !shown;
  }

  focus() {
    this.#text.focus();
  }

  #key(event) {
    const plainEnter = event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey;
    if (plainEnter && !event.isComposing) {
      event.preventDefault();
      this.#submit();
    }
  }

  #submit() {
    const text = this.#text.value.trim();
    if (!text && !this.#files.count) return;
    if (this.#files.busy) return this.complain(t("chat.wait-upload"));
    this.complain("");
    this.#text.value = "";
    this.send(text, this.#files.take());
    this.focus();
  }

  #changed() {
    remember(KEY, this.#text.value);
    byId("send").disabled = !this.#text.value.trim() && !this.#files?.count;
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }
}
