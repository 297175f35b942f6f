// What a task waits for: shown, dropped, and found by number or words.

import { call } from "./api.js";
import { columnOf, linkTo, titleOf } from "./board_card.js";
import { announce, byId, el, icon } from "./dom.js";
import { t } from "./texts.js";

const PAUSE_MS = 200;
const input = byId("f-needs");
const found = byId("needs-found");

export class Needs {
  #tasks = [];
  #offered = [];
  #active = -1;
  #timer = 0;
  #own = null;

  constructor(changed) {
    this.changed = changed;
    input.addEventListener("input", () => this.#lookSoon());
    input.addEventListener("keydown", (event) => this.#key(event));
    input.addEventListener("blur", () => setTimeout(() => this.#close(), 150));
    found.addEventListener("mousedown", (event) => event.preventDefault());
  }

  get ids() {
    return this.#tasks.map((task) => task.id);
  }

  get tasks() {
    return this.#tasks;
  }

  /** Show the tasks that task `own` waits for; null for a new one. */
  show(tasks, own) {
    this.#tasks = [...tasks];
    this.#own = own;
    input.value = "";
    this.#close();
    this.#draw();
  }

  #draw() {
    byId("needs").replaceChildren(...this.#tasks.map((task) => el("li", {}, linkTo(task), this.#dropper(task))));
    byId("needs-none").hidden = this.#tasks.length > 0;
  }

  #dropper(task) {
    const drop = el("button", { type: "button", className: "icon-button owner-only" }, icon("close"));
    drop.setAttribute("aria-label", t("board.needs-drop", { id: task.id }));
    drop.addEventListener("click", () => {
      this.#tasks = this.#tasks.filter((one) => one !== task);
      this.#draw();
      input.focus();
      this.changed();
    });
    return drop;
  }

  #lookSoon() {
    clearTimeout(this.#timer);
    if (!input.value.trim()) return this.#close();
    this.#timer = setTimeout(() => this.#look(input.value.trim()), PAUSE_MS);
  }

  async #look(text) {
    const { cards } = await call("GET", `/api/board/find?${new URLSearchParams({ q: text })}`).catch(() => ({ cards: [] }));
    if (text !== input.value.trim()) return;
    this.#offered = cards.filter((card) => card.id !== this.#own && !this.ids.includes(card.id));
    this.#active = this.#offered.length ? 0 : -1;
    announce(this.#offered.length ? t("board.needs-found", { count: this.#offered.length }) : t("board.needs-nothing"));
    this.#offer();
  }

  #offer() {
    const options = this.#offered.map((task, place) => this.#option(task, place));
    found.replaceChildren(...options);
    found.hidden = options.length === 0;
    input.setAttribute("aria-expanded", String(!found.hidden));
    if (found.hidden) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", options[this.#active].id);
    found.scrollIntoView({ block: "nearest" });
    options[this.#active].scrollIntoView({ block: "nearest" });
  }

  #option(task, place) {
    const option = el("div", { id: `needs-option-${task.id}`, className: "needs-option" }, el("span", { className: "task-number", textContent: `#${task.id}` }), el("span", { className: "cut", textContent: titleOf(task) }), el("span", { className: "soft", textContent: t(`board.column-${columnOf(task)}`) }));
    option.setAttribute("role", "option");
    option.setAttribute("aria-selected", String(place === this.#active));
    option.addEventListener("click", () => this.#choose(task));
    return option;
  }

  #choose(task) {
    this.#tasks.push(task);
    input.value = "";
    this.#close();
    this.#draw();
    this.changed();
  }

  #key(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key === "Enter") {
      event.preventDefault();
      if (this.#active >= 0) this.#choose(this.#offered[this.#active]);
    } else if (event.key in steps && this.#offered.length) {
      event.preventDefault();
      this.#active = (this.#active + steps[event.key] + this.#offered.length) % this.#offered.length;
      this.#offer();
    } else if (event.key === "Escape" && !found.hidden) {
      event.preventDefault();
      event.stopPropagation();
      this.#close();
    }
  }

  #close() {
    this.#offered = [];
    this.#active = -1;
    this.#offer();
  }
}
