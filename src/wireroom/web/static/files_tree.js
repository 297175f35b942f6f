// Trees of folders and files, read when they are unfolded; by mouse, and by keyboard as trees are (WAI-ARIA, Tree View).

import { call } from "./api.js";
import { announce, el, icon } from "./dom.js";
import { t } from "./texts.js";

const PLACE = "place";
const FOLDER = "directory";

export class Tree {
  #places = new Map();
  #current = null;

  /** `element` is the list with the role of a tree; `open(place, path)` is called for a file. */
  constructor(element, open) {
    this.element = element;
    this.open = open;
    element.addEventListener("click", (event) => this.#clicked(event));
    element.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /** Show these places, [{place, title}, …]; those that are there already stay as they are. */
  show(places) {
    const wanted = new Set(places.map((one) => one.place));
    for (const [place, item] of this.#places) {
      if (wanted.has(place) || item.contains(document.activeElement)) continue;
      item.remove();
      this.#places.delete(place);
    }
    let before = null;
    for (const { place, title } of places) {
      const item = this.#places.get(place) ?? this.#item(place, { name: title, path: "", type: PLACE }, 1);
      this.#places.set(place, item);
      item.firstElementChild.lastElementChild.textContent = title;
      const next = before ? before.nextSibling : this.element.firstChild;
      if (item !== next && !item.contains(document.activeElement)) this.element.insertBefore(item, next);
      before = item;
    }
    if (!this.#current?.isConnected) this.#makeCurrent(this.element.querySelector("[role=treeitem]"));
  }

  titleOf(place) {
    return this.#places.get(place)?.firstElementChild.lastElementChild.textContent ?? null;
  }

  /** Unfold a place. */
  async unfold(place) {
    const item = this.#places.get(place);
    if (item) await this.#unfold(item);
  }

  /** Unfold the way to a file, and mark it as the one that is shown. */
  async reveal(place, path) {
    let item = this.#places.get(place);
    const parts = path.split("/");
    for (let depth = 0; item && depth < parts.length; depth += 1) {
      await this.#unfold(item);
      const wanted = parts.slice(0, depth + 1).join("/");
      item = [...item.lastElementChild.children].find((child) => child.dataset.path === wanted);
    }
    for (const old of this.element.querySelectorAll("[aria-selected=true]")) old.setAttribute("aria-selected", "false");
    if (!item) return;
    item.setAttribute("aria-selected", "true");
    this.#makeCurrent(item);
    item.firstElementChild.scrollIntoView({ block: "center" });
  }

  #item(place, { name, path, type }, level) {
    const row = el("div", { className: "tree-row" });
    const isFile = type === "file";
    row.append(isFile ? el("span", { className: "chevron-room" }) : icon("chevron", "chevron"), icon(isFile ? "file" : type === PLACE ? "queue" : "folder"), el("span", { className: "tree-name", textContent: name }));
    row.style.paddingLeft = `${0.4 + (level - 1) * 0.9}rem`;
    const item = el("li", { tabIndex: -1 }, row);
    item.setAttribute("role", "treeitem");
    item.setAttribute("aria-level", String(level));
    item.setAttribute("aria-selected", "false");
    Object.assign(item.dataset, { place, path, type });
    if (!isFile) item.setAttribute("aria-expanded", "false");
    return item;
  }

  async #unfold(item) {
    if (item.getAttribute("aria-expanded") === "true") return;
    item.setAttribute("aria-expanded", "true");
    let group = item.querySelector(":scope > ul");
    if (!group) {
      group = el("ul");
      group.setAttribute("role", "group");
      item.append(group);
    }
    if (!group.childElementCount) group.append(el("li", { className: "tree-note", role: "none", textContent: "…" }));
    try {
      const { entries, truncated } = await call("GET", `/api/files/tree?${new URLSearchParams({ place: item.dataset.place, path: item.dataset.path })}`);
      this.#fill(item, group, entries, truncated);
    } catch (error) {
      item.setAttribute("aria-expanded", "false");
      group.remove();
      throw error;
    }
  }

  #fill(item, group, entries, truncated) {
    const level = Number(item.getAttribute("aria-level")) + 1;
    // What was unfolded before stays so, with what it holds.
    const known = new Map([...group.children].filter((child) => child.dataset.path !== undefined).map((child) => [`${child.dataset.type} ${child.dataset.path}`, child]));
    const items = entries.map((entry) => known.get(`${entry.type} ${entry.path}`) ?? this.#item(item.dataset.place, entry, level));
    const notes = [...(entries.length ? [] : ["files.empty-folder"]), ...(truncated ? ["files.truncated"] : [])];
    group.replaceChildren(...items, ...notes.map((key) => el("li", { className: "tree-note", role: "none", textContent: t(key) })));
  }

  #fold(item) {
    item.setAttribute("aria-expanded", "false");
  }

  #toggle(item) {
    if (item.dataset.type === "file") return this.open(item.dataset.place, item.dataset.path);
    if (item.getAttribute("aria-expanded") === "true") return this.#fold(item);
    this.#unfold(item).catch((error) => {
      if (error.status === undefined) throw error;
      announce(error.message);
      item.firstElementChild.title = error.message;
    });
  }

  #clicked({ target }) {
    const item = target.closest(".tree-row")?.parentElement;
    if (!item) return;
    this.#makeCurrent(item);
    item.focus();
    this.#toggle(item);
  }

  #pressed(event) {
    const item = event.target.closest("[role=treeitem]");
    if (!item || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = this[KEYS[event.key]] ?? (event.key.length === 1 && event.key !== " " ? this._type : null);
    if (!act) return;
    event.preventDefault();
    act.call(this, item, event.key);
  }

  _enter(item) {
    this.#toggle(item);
  }

  _right(item) {
    if (item.getAttribute("aria-expanded") === "false") this.#toggle(item);
    else if (item.dataset.type !== "file") this.#focus(item.querySelector("[role=treeitem]"));
  }

  _left(item) {
    if (item.getAttribute("aria-expanded") === "true") this.#fold(item);
    else this.#focus(item.parentElement.closest("[role=treeitem]"));
  }

  _down(item) {
    this.#step(item, 1);
  }

  _up(item) {
    this.#step(item, -1);
  }

  _first() {
    this.#focus(this.#seen()[0]);
  }

  _last() {
    this.#focus(this.#seen().at(-1));
  }

  /** Go to the next item that begins with a letter. */
  _type(item, letter) {
    const seen = this.#seen();
    const after = [...seen.slice(seen.indexOf(item) + 1), ...seen];
    this.#focus(after.find((one) => one.querySelector(".tree-name").textContent.toLowerCase().startsWith(letter.toLowerCase())));
  }

  #step(item, by) {
    const seen = this.#seen();
    this.#focus(seen[seen.indexOf(item) + by]);
  }

  #seen() {
    return [...this.element.querySelectorAll("[role=treeitem]")].filter((item) => !item.parentElement.closest("[aria-expanded=false]"));
  }

  #focus(item) {
    if (!item) return;
    this.#makeCurrent(item);
    item.focus();
  }

  /** The one item that Tab reaches. */
  #makeCurrent(item) {
    if (!item) return;
    if (this.#current) this.#current.tabIndex = -1;
    this.#current = item;
    item.tabIndex = 0;
  }
}

const KEYS = { Enter: "_enter", " ": "_enter", ArrowRight: "_right", ArrowLeft: "_left", ArrowDown: "_down", ArrowUp: "_up", Home: "_first", End: "_last" };
