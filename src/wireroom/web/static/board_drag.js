// Dragging a card by mouse or pen, by holding it on a touch screen, or by its handle. Escape puts it back.

import { canTake, isOrdered } from "./board_moves.js";
import { announce, el } from "./dom.js";
import { t } from "./texts.js";

const SLACK_PX = 6;
const HOLD_MS = 350;
const EDGE_PX = 48;
const SPEED_PX = 14;

/** Let people drag the cards of the board; `chips` are the names of the columns, onto which cards can be let go too. */
export function makeDraggable(columns, moves, chips) {
  const hand = new Hand(columns, moves, chips);
  columns.board.addEventListener("pointerdown", (event) => hand.touch(event));
  addEventListener("pointermove", (event) => hand.follow(event));
  addEventListener("pointerup", (event) => hand.letGo(event));
  addEventListener("pointercancel", () => hand.putBack());
  addEventListener("keydown", (event) => event.key === "Escape" && hand.putBack());
  addEventListener("contextmenu", (event) => hand.isHolding && event.preventDefault());
  // A finger that carries a card must not scroll the column under it.
  columns.board.addEventListener("touchmove", (event) => hand.isHolding && event.preventDefault(), { passive: false });
  // A drag ends in a click, which is not meant.
  columns.board.addEventListener("click", (event) => hand.swallowsClick && (event.preventDefault(), event.stopPropagation()), true);
}

class Hand {
  #touched = null;
  #card = null;
  swallowsClick = false;

  constructor(columns, moves, chips) {
    this.columns = columns;
    this.moves = moves;
    this.chips = chips;
    this.line = el("div", { className: "drop-line", hidden: true });
  }

  get isHolding() {
    return this.#card !== null;
  }

  touch(event) {
    // A second finger changes nothing.
    if (this.#card) return;
    this.#forget();
    this.swallowsClick = false;
    const row = event.target.closest("[data-task]");
    if (event.button !== 0 || !row?.dataset.task || document.body.dataset.role === "viewer") return;
    const byHandle = event.target.closest(".handle") !== null;
    this.#touched = { row, x: event.clientX, y: event.clientY, byHandle, pointer: event.pointerId, isTouch: event.pointerType === "touch" };
    if (byHandle) event.preventDefault();
    if (this.#touched.isTouch) this.#touched.timer = setTimeout(() => this.#pickUp(), byHandle ? 0 : HOLD_MS);
  }

  follow(event) {
    const touched = this.#touched;
    if (!touched || event.pointerId !== touched.pointer) return;
    const far = Math.hypot(event.clientX - touched.x, event.clientY - touched.y) > SLACK_PX;
    Object.assign(touched, { nowX: event.clientX, nowY: event.clientY });
    if (this.#card) this.#show();
    else if (far && touched.isTouch && !touched.byHandle) this.#forget();
    else if (far) this.#pickUp();
  }

  letGo(event) {
    // The click of this release comes before.
    setTimeout(() => (this.swallowsClick = false));
    if (event.pointerId !== this.#touched?.pointer) return;
    const { id, seen, target } = this.#card ?? {};
    const held = this.#end();
    if (held && target) this.moves.move(id, target.column, target.index, seen);
    if (held) this.columns.release();
  }

  putBack() {
    const id = this.#card?.id;
    if (!this.#end()) return;
    announce(t("board.put-down", { id }));
    this.columns.release();
  }

  #pickUp() {
    const { row, x, y, nowX = x, nowY = y } = this.#touched;
    const found = this.columns.find(Number(row.dataset.task));
    if (this.#card || !found) return;
    clearTimeout(this.#touched.timer);
    this.columns.hold();
    // What has the focus stays in the document however far its column goes on: a touch ends with what was touched.
    row.querySelector(".task-open").focus({ preventScroll: true });
    const box = row.getBoundingClientRect();
    const ghost = row.cloneNode(true);
    ghost.className = "row ghost";
    ghost.removeAttribute("data-task");
    ghost.setAttribute("aria-hidden", "true");
    ghost.style.width = `${box.width}px`;
    ghost.style.height = `${box.height}px`;
    document.body.append(ghost);
    document.body.classList.add("dragging");
    row.classList.add("lifted");
    Object.assign(this.#touched, { nowX, nowY });
    this.#card = { id: found.task.id, seen: found.task.status_label, row, ghost, dx: x - box.left, dy: y - box.top, target: null };
    this.#show();
    this.#card.frame = requestAnimationFrame(() => this.#scroll());
  }

  #show() {
    const { nowX, nowY } = this.#touched;
    const { ghost, dx, dy } = this.#card;
    ghost.style.transform = `translate(${nowX - dx}px, ${nowY - dy}px)`;
    this.#aim(document.elementFromPoint(nowX, nowY), nowY);
  }

  #aim(under, y) {
    const chip = under?.closest("[data-chip]");
    const column = this.columns.named(chip?.dataset.chip ?? under?.closest("[data-column]")?.dataset.column);
    const taken = column && canTake(column) ? column : null;
    this.#card.target = taken && { column: taken, index: chip ? taken.tasks.length : this.#index(taken, y) };
    this.columns.all.forEach((one) => one.section.classList.toggle("target", one === taken));
    this.chips.forEach((one) => one.classList.toggle("target", one === chip && taken !== null));
    this.line.hidden = !taken || Boolean(chip) || !isOrdered(taken);
    if (this.line.hidden) return;
    taken.list.element.append(this.line);
    this.line.style.transform = `translateY(${this.#card.target.index * taken.list.rowHeight}px)`;
  }

  #index({ list, tasks }, y) {
    const inside = y - list.element.getBoundingClientRect().top + list.element.scrollTop;
    return Math.max(0, Math.min(tasks.length, Math.round(inside / list.rowHeight)));
  }

  /** Near an edge, the column under the card and the whole board go on by themselves. */
  #scroll() {
    if (!this.#card) return;
    const { nowX, nowY } = this.#touched;
    const list = this.#card.target?.column.list.element;
    const moved = [
      list && scrollBy(list, "scrollTop", pull(nowY, list.getBoundingClientRect(), "top", "bottom")),
      scrollBy(this.columns.board, "scrollLeft", pull(nowX, this.columns.board.getBoundingClientRect(), "left", "right")),
    ];
    if (moved.some(Boolean)) this.#show();
    this.#card.frame = requestAnimationFrame(() => this.#scroll());
  }

  #forget() {
    clearTimeout(this.#touched?.timer);
    this.#touched = null;
  }

  /** Empty the hand; true when a card was in it. */
  #end() {
    this.#forget();
    if (!this.#card) return false;
    cancelAnimationFrame(this.#card.frame);
    this.#card.ghost.remove();
    this.#card.row.classList.remove("lifted");
    this.line.hidden = true;
    document.body.classList.remove("dragging");
    document.querySelectorAll(".target").forEach((one) => one.classList.remove("target"));
    this.#card = null;
    this.swallowsClick = true;
    return true;
  }
}

/** How fast something goes on when a card is held at this place of it: 0 in its middle. */
function pull(at, box, from, to) {
  const [before, behind] = [box[from] + EDGE_PX - at, at - (box[to] - EDGE_PX)];
  const depth = Math.min(EDGE_PX, Math.max(before, behind, 0)) / EDGE_PX;
  return Math.round((before > 0 ? -1 : 1) * depth * SPEED_PX);
}

function scrollBy(element, side, by) {
  const before = element[side];
  element[side] += by;
  return element[side] !== before;
}
