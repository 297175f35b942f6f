// What an agent asks to be allowed, as buttons under its request; the log's events bring questions and answers.

import { call } from "./api.js";
import { announce, el } from "./dom.js";
import { t } from "./texts.js";

const ANSWERS = [
  ["allow", "chat.allow"],
  ["session", "chat.allow-session"],
  ["deny", "chat.deny"],
];

export class Permissions {
  #place;
  #open = new Map();

  /** `place` is the element that takes the questions. */
  constructor(place) {
    this.#place = place;
  }

  /** Take the payload of an event: a question, or how one ended. An attempt that asks again says the same again. */
  take({ id, tool, summary, state }) {
    if (state !== "asked") return this.#remove(id);
    if (!id || this.#open.has(id)) return;
    const note = el("p", { className: "question-note", hidden: true });
    const buttons = ANSWERS.map(([answer, words]) => {
      const button = el("button", { type: "button", className: "button small", textContent: t(words) });
      button.addEventListener("click", () => this.#answer(id, answer, buttons, note));
      return button;
    });
    const head = el("p", {}, t("chat.permission-for"), el("strong", { textContent: tool }));
    const about = el("code", { className: "question-about", textContent: summary });
    const card = el("section", { className: "question" }, head, about, el("div", { className: "question-buttons" }, ...buttons), note);
    card.setAttribute("aria-label", t("chat.permission"));
    this.#open.set(id, card);
    this.#place.append(card);
    announce(t("chat.permission-for") + tool);
  }

  /** Nobody waits for an answer any more. */
  clear() {
    for (const id of [...this.#open.keys()]) this.#remove(id);
  }

  async #answer(id, answer, buttons, note) {
    for (const button of buttons) button.disabled = true;
    try {
      await call("POST", `/api/permissions/${encodeURIComponent(id)}`, { answer });
      this.#remove(id);
    } catch (error) {
      note.textContent = error.message;
      note.hidden = false;
      for (const button of buttons) button.disabled = !error.passes;
    }
  }

  #remove(id) {
    this.#open.get(id)?.remove();
    this.#open.delete(id);
  }
}
