// A profile as a table of functions: what a flame graph says, for those who read or sort instead of looking.

import { el } from "./dom.js";
import { matches } from "./flame_model.js";
import { number } from "./format.js";
import { t } from "./texts.js";

const MOST = 40;

export class FlameTable {
  /** `pick(function)` is called with the one that somebody chooses. */
  constructor(tree, inUnit, pick) {
    Object.assign(this, { tree, inUnit, pick, sort: "itself", words: "" });
    this.heads = { itself: this.head("itself"), total: this.head("total") };
    const where = el("th", { textContent: t("performance.column-function") });
    where.scope = "col";
    this.body = el("tbody");
    const table = el("table", { className: "table flame-table" }, el("thead", {}, el("tr", {}, this.heads.itself, this.heads.total, where)), this.body);
    this.none = el("p", { className: "soft", textContent: t("performance.no-function"), hidden: true });
    const frame = el("div", { className: "scroll-x", tabIndex: 0 }, table);
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", t("performance.functions"));
    this.element = el("div", {}, el("h4", { textContent: t("performance.functions") }), frame, this.none);
    this.show();
  }

  head(name) {
    const button = el("button", { type: "button", className: "sort", textContent: t(`performance.column-${name}`) });
    button.addEventListener("click", () => {
      this.sort = name;
      this.show();
    });
    const made = el("th", { className: "number" }, button);
    made.scope = "col";
    return made;
  }

  filter(words) {
    this.words = words;
    this.show();
  }

  show() {
    for (const [name, head] of Object.entries(this.heads)) {
      if (name === this.sort) head.setAttribute("aria-sort", "descending");
      else head.removeAttribute("aria-sort");
    }
    const found = this.tree.functions.filter((one) => !this.words || matches(one, this.words));
    const heaviest = found.filter((one) => one[this.sort] > 0).sort((one, other) => other[this.sort] - one[this.sort]).slice(0, MOST);
    this.body.replaceChildren(...heaviest.map((one) => this.line(one)));
    this.none.hidden = heaviest.length > 0;
  }

  line(one) {
    const name = el("button", { type: "button", className: "link-button", textContent: one.name });
    name.addEventListener("click", () => this.pick(one));
    const place = el("span", { className: "soft mono", textContent: one.place });
    return el("tr", { className: one.isOurs ? "ours" : "" }, this.figure(one.itself), this.figure(one.total), el("td", {}, name, " ", place));
  }

  figure(weight) {
    const share = number((100 * weight) / (this.tree.total || 1), 1);
    return el("td", { className: "number", textContent: `${this.inUnit(weight)} · ${share} %` });
  }
}
