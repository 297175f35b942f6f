// The board's columns. Only what is in sight is fetched and in the document; everything else is a gap.

import { call } from "./api.js";
import { makeCard, showCard } from "./board_card.js";
import { number } from "./format.js";
import { report } from "./notices.js";
import { t } from "./texts.js";
import { VirtualList } from "./virtual_list.js";

/** Cards that are fetched on each side of what is in sight, and how near to their end more are. */
const BEYOND = 40;
const NEAR = 15;
const MOST = 200;
const SCROLL_PAUSE_MS = 60;
const gaps = [];
const gapAt = (place) => (gaps[place] ??= { gap: true, id: `gap-${place}` });

/** How high a card is, with the space under it: as the style says, in pixels. */
const rowHeight = (board) => parseFloat(getComputedStyle(board).getPropertyValue("--row")) * parseFloat(getComputedStyle(document.documentElement).fontSize);

class Column {
  constructor(section, rowHeight, cameIntoSight) {
    this.name = section.dataset.column;
    this.section = section;
    this.list = new VirtualList(section.querySelector(".list"), { rowHeight, key: (task) => task.id, make: makeCard, update: showCard });
    this.list.element.addEventListener("scroll", () => this.misses() && cameIntoSight(), { passive: true });
    this.counts = [section.querySelector(".count"), document.querySelector(`[data-chip="${this.name}"] .count`)];
    this.empty = section.querySelector(".column-empty");
  }

  get tasks() {
    return this.list.items;
  }

  get isShown() {
    return !this.section.hidden;
  }

  /** First place in sight, and how many. */
  sight() {
    const { scrollTop, clientHeight } = this.list.element;
    return [Math.floor(scrollTop / this.list.rowHeight), Math.ceil(clientHeight / this.list.rowHeight) + 1];
  }

  window() {
    const [first, size] = this.sight();
    return `${this.name}:${Math.max(0, first - BEYOND)}:${Math.min(MOST, size + 2 * BEYOND)}`;
  }

  misses() {
    const [first, size] = this.sight();
    return this.tasks.slice(Math.max(0, first - NEAR), first + size + NEAR).some((task) => task.gap);
  }

  show({ count, start = 0, cards = [] }) {
    const tasks = Array.from({ length: count }, (_, place) => gapAt(place));
    cards.forEach((card, place) => (tasks[start + place] = card));
    this.list.items = tasks;
    this.showCount(count);
  }

  /** Fill gaps alone: what is there stays where it is. */
  fill({ start = 0, cards = [] }) {
    if (!cards.length) return;
    const known = new Set(this.tasks.map((task) => task.id));
    const tasks = [...this.tasks];
    cards.forEach((card, place) => tasks[start + place]?.gap && !known.has(card.id) && (tasks[start + place] = card));
    this.list.items = tasks;
  }

  showCount(count) {
    this.counts.forEach((place) => (place.textContent = number(count)));
    this.empty.hidden = count > 0;
    this.section.classList.toggle("bare", count === 0);
  }

  place(id) {
    return this.tasks.findIndex((task) => task.id === id);
  }
}

export class Columns {
  #held = 0;
  #due = false;
  #asked = 0;
  #timer = 0;
  sought = { q: "", label: "" };

  /** `shown()` is called after each look at the board. */
  constructor(board, shown) {
    this.board = board;
    this.shown = shown;
    this.all = [...board.querySelectorAll(".column")].map((section) => new Column(section, rowHeight(board), () => this.#fetchSoon()));
  }

  /** The screen became wide or narrow, and the cards with it. */
  resize() {
    for (const { list } of this.all) {
      list.rowHeight = rowHeight(this.board);
      list.items = [...list.items];
    }
  }

  get inSight() {
    return this.all.filter((column) => column.isShown);
  }

  named(name) {
    return this.all.find((column) => column.name === name);
  }

  /** The column, place and card of a task that is loaded, else null. */
  find(id) {
    for (const column of this.all) {
      const place = column.place(id);
      if (place >= 0) return { column, place, task: column.tasks[place] };
    }
    return null;
  }

  /** Let nothing change until `release`: somebody has a card in the hand. */
  hold() {
    this.#held += 1;
  }

  release() {
    this.#held -= 1;
    if (this.#held || !this.#due) return Promise.resolve();
    this.#due = false;
    return this.refresh();
  }

  /** Ask anew what is in sight, or show it later when somebody has a card in the hand. */
  async refresh() {
    if (this.#held) {
      this.#due = true;
      return;
    }
    this.#asked += 1;
    const asked = this.#asked;
    const columns = await this.#ask(this.inSight);
    if (asked !== this.#asked) return;
    if (!this.#held) return this.#show(columns);
    this.#due = true;
    this.#fill(columns);
  }

  /** Ask for what people have scrolled to. What is there already stays where it is. */
  async #fetch() {
    const asked = this.#asked;
    const columns = await this.#ask(this.inSight.filter((column) => column.misses()));
    // A look that was begun meanwhile knows better, and asks again for what it does not have.
    if (asked === this.#asked) this.#fill(columns);
  }

  async #ask(wanted) {
    const query = new URLSearchParams(Object.entries(this.sought).filter(([, text]) => text));
    wanted.forEach((column) => query.append("window", column.window()));
    const { columns } = await call("GET", `/api/board?${query}`);
    return columns;
  }

  #fill(columns) {
    this.all.forEach((column) => column.fill(columns[column.name]));
  }

  #show(columns) {
    const focused = Number(document.activeElement?.closest?.("[data-task]")?.dataset.task ?? 0);
    for (const column of this.all) {
      column.show(columns[column.name]);
      column.empty.textContent = t(this.sought.q || this.sought.label ? "board.empty-found" : `board.empty-${column.name}`);
    }
    this.board.setAttribute("aria-busy", "false");
    if (focused && document.activeElement === document.body) this.focus(focused);
    if (this.inSight.some((column) => column.misses())) this.#fetchSoon();
    this.shown();
  }

  /** Put the focus on a task's card, wherever it stands; false when it is not loaded. */
  focus(id) {
    const found = this.find(id);
    if (!found || !found.column.isShown) return false;
    found.column.list.reveal(found.place).querySelector(".task-open").focus({ preventScroll: true });
    found.column.section.scrollIntoView({ block: "nearest", inline: "nearest" });
    return true;
  }

  /** Show a task elsewhere at once, before the server has answered. */
  relocate({ column, place, task }, to, index) {
    const from = [...column.tasks];
    from.splice(place, 1);
    const target = to === column ? from : [...to.tasks];
    target.splice(index, 0, task);
    column.list.items = from;
    if (to !== column) to.list.items = target;
    [column, to].forEach((one) => one.showCount(one.tasks.length));
  }

  #fetchSoon() {
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.#fetch().catch(report);
    }, SCROLL_PAUSE_MS);
  }
}
