// A flame graph that can be read with the mouse, the keyboard, or as a table: a box is a function, its width is its
// share, what it calls stands below it.

import { announce, el } from "./dom.js";
import { build, matches, weightOf } from "./flame_model.js";
import { FlameTable } from "./flame_table.js";
import { bytes, number } from "./format.js";
import { t } from "./texts.js";

const ROW_PX = 20;
const SMALLEST_PX = 1.5;
const NAMED_PX = 26;

/** Show a profile in `place`, instead of what was there. */
export class FlameGraph {
  constructor(place, sent) {
    this.tree = build(sent);
    this.unit = sent.unit;
    this.zoomed = this.tree.root;
    this.current = this.tree.root;
    this.words = "";
    this.shown = new Map();
    this.makeParts();
    place.replaceChildren(this.bar, this.told, this.frame, this.table.element);
    this.width = 0;
    new ResizeObserver(() => this.width !== this.frame.clientWidth && this.draw()).observe(this.frame);
    this.draw();
    this.tell(this.tree.root);
  }

  makeParts() {
    this.find = el("input", { type: "search", id: "flame-find", placeholder: t("performance.find-hint"), autocomplete: "off" });
    this.find.addEventListener("input", () => this.search(this.find.value.trim()));
    this.found = el("span", { className: "soft", id: "flame-found" });
    this.reset = el("button", { type: "button", className: "button small", textContent: t("performance.zoom-out"), disabled: true });
    this.reset.addEventListener("click", () => this.zoom(this.tree.root));
    const label = el("label", { className: "hidden", htmlFor: "flame-find", textContent: t("performance.find") });
    this.bar = el("div", { className: "toolbar flame-bar" }, label, this.find, this.found, el("span", { className: "grow" }), this.reset);
    this.told = el("p", { className: "flame-told", id: "flame-told" });
    this.frame = el("div", { className: "flame" });
    this.frame.setAttribute("role", "tree");
    this.frame.setAttribute("aria-label", t("performance.flame"));
    this.frame.addEventListener("click", (event) => this.at(event, (box) => this.zoom(box)));
    this.frame.addEventListener("mouseover", (event) => this.at(event, (box) => this.tell(box)));
    this.frame.addEventListener("mouseleave", () => this.tell(this.current));
    this.frame.addEventListener("focusin", (event) => this.at(event, (box) => this.goTo(box)));
    this.frame.addEventListener("keydown", (event) => this.press(event));
    this.table = new FlameTable(this.tree, (weight) => this.inUnit(weight), (frame) => this.pick(frame));
  }

  /** Draw what is within the zoomed box, and the way to it; what nobody could see is left out. */
  draw() {
    this.width = this.frame.clientWidth || 800;
    this.shown.clear();
    let deepest = 0;
    for (const box of this.tree.boxes) {
      const [left, width] = this.span(box);
      if (width < SMALLEST_PX) continue;
      this.shown.set(box, this.element(box, left, width));
      deepest = Math.max(deepest, box.depth);
    }
    this.frame.style.height = `${(deepest + 1) * ROW_PX}px`;
    this.frame.replaceChildren(...this.shown.values());
    if (!this.shown.has(this.current)) this.current = this.zoomed;
    this.shown.get(this.current).tabIndex = 0;
  }

  /** Where a box begins and how wide it is, in pixels; the boxes on the way to the zoomed one have the whole width. */
  span(box) {
    if (box.holds(this.zoomed)) return [0, this.width];
    if (!this.zoomed.holds(box)) return [0, 0];
    const scale = this.width / (this.zoomed.weight || 1);
    return [(box.left - this.zoomed.left) * scale, box.weight * scale];
  }

  element(box, left, width) {
    const kind = box.frame.isOurs ? "ours" : box.frame.place ? "theirs" : "root";
    const isHit = matches(box.frame, this.words);
    const made = el("div", { className: `box ${kind}${isHit ? " hit" : ""}`, tabIndex: -1, textContent: width < NAMED_PX ? "" : box.frame.name });
    made.box = box;
    made.dataset.shade = String(box.frame.name.length % 3);
    made.setAttribute("role", "treeitem");
    made.setAttribute("aria-level", String(box.depth + 1));
    made.setAttribute("aria-label", this.inWords(box));
    Object.assign(made.style, { left: `${left}px`, width: `${Math.max(1, width - 1)}px`, top: `${box.depth * ROW_PX}px` });
    return made;
  }

  zoom(box) {
    this.zoomed = box;
    this.current = box;
    this.reset.disabled = box === this.tree.root;
    const hadFocus = this.frame.contains(document.activeElement);
    this.draw();
    if (hadFocus) this.shown.get(box).focus();
    this.tell(box);
    announce(t("performance.zoomed", { name: box.frame.name }));
  }

  /** Show what is searched for, and what share it has of the whole. */
  search(words) {
    this.words = words;
    const isMatch = (frame) => matches(frame, words);
    for (const [box, made] of this.shown) made.classList.toggle("hit", isMatch(box.frame));
    const weight = weightOf(this.tree.root, isMatch);
    this.found.textContent = words ? t("performance.found", { share: this.share(weight), weight: this.inUnit(weight) }) : "";
    this.table.filter(words);
  }

  /** Search for a function that was chosen in the table. */
  pick(frame) {
    this.find.value = `${frame.name} ${frame.place}`;
    this.search(this.find.value);
    this.frame.scrollIntoView({ block: "nearest" });
  }

  press(event) {
    const beside = this.current.above?.below.filter((box) => this.shown.has(box)) ?? [];
    const place = beside.indexOf(this.current);
    const keys = {
      ArrowUp: () => this.goTo(this.current.above),
      ArrowDown: () => this.goTo(this.current.below.find((box) => this.shown.has(box))),
      ArrowLeft: () => this.goTo(beside[place - 1]),
      ArrowRight: () => this.goTo(beside[place + 1]),
      Home: () => this.goTo(this.tree.root),
      Enter: () => this.zoom(this.current),
      " ": () => this.zoom(this.current),
      Escape: () => this.zoom(this.zoomed.above ?? this.tree.root),
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    keys[event.key]();
  }

  goTo(box) {
    if (!box || !this.shown.has(box)) return;
    this.shown.get(this.current).tabIndex = -1;
    this.current = box;
    const made = this.shown.get(box);
    made.tabIndex = 0;
    if (document.activeElement !== made) made.focus();
    this.tell(box);
  }

  tell(box) {
    this.told.replaceChildren(el("strong", { textContent: box.frame.name }), ` ${box.frame.place} `, el("span", { className: "soft", textContent: this.figures(box) }));
  }

  at(event, act) {
    if (event.target.box) act(event.target.box);
  }

  figures(box) {
    return t("performance.box-figures", { share: this.share(box.weight), total: this.inUnit(box.weight), itself: this.inUnit(box.itself) });
  }

  inWords(box) {
    return `${box.frame.name} ${box.frame.place}, ${this.figures(box)}`;
  }

  share(weight) {
    return `${number((100 * weight) / (this.tree.total || 1), 1)} %`;
  }

  inUnit(weight) {
    if (this.unit === "bytes") return bytes(weight);
    return weight >= 1 ? `${number(weight, 2)} s` : `${number(weight * 1000)} ms`;
  }
}
