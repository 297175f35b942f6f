// A list of which only what is seen is in the document, however long it is. All rows have one height.
//
// Rows are made once for each key and used again as long as they are near; an update keeps focus and selection.

const BEYOND = 6;

export class VirtualList {
  #items = [];
  #rows = new Map();
  #frame = 0;

  /**
   * `element` gets the rows; it scrolls, so give it a height. `rowHeight` in pixels, margins included.
   * `key(item)` tells items apart; `make(item)` returns a new row; `update(row, item, place)` shows the item in it.
   */
  constructor(element, { rowHeight, key, make, update }) {
    this.element = element;
    this.rowHeight = rowHeight;
    this.on = { key, make, update };
    this.space = document.createElement("div");
    this.space.className = "virtual-space";
    element.classList.add("virtual");
    element.append(this.space);
    element.addEventListener("scroll", () => this.#soon(), { passive: true });
    new ResizeObserver(() => this.#soon()).observe(element);
  }

  get items() {
    return this.#items;
  }

  /** Show these items from now on. */
  set items(items) {
    this.#items = items;
    this.space.style.height = `${items.length * this.rowHeight}px`;
    this.draw();
  }

  /** The row of a key, if it is in the document. */
  row(key) {
    return this.#rows.get(key) ?? null;
  }

  /** Bring an item into sight, and return its row. */
  reveal(place) {
    const top = place * this.rowHeight;
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.rowHeight > scrollTop + clientHeight) this.element.scrollTop = top + this.rowHeight - clientHeight;
    this.draw();
    return this.row(this.on.key(this.#items[place]));
  }

  /** Show what is in sight, as it is now. */
  draw() {
    const first = Math.max(0, Math.floor(this.element.scrollTop / this.rowHeight) - BEYOND);
    const last = Math.min(this.#items.length, Math.ceil((this.element.scrollTop + this.element.clientHeight) / this.rowHeight) + BEYOND);
    const near = new Map();
    for (let place = first; place < last; place += 1) near.set(this.on.key(this.#items[place]), place);
    for (const [key, row] of this.#rows) {
      // What has the focus stays, or the keyboard would fall back to the top of the page.
      if (near.has(key) || (row.contains(document.activeElement) && this.#items.some((item) => this.on.key(item) === key))) continue;
      row.remove();
      this.#rows.delete(key);
    }
    for (const [key, place] of near) this.#show(key, place);
    this.#order(near);
  }

  #show(key, place) {
    const item = this.#items[place];
    let row = this.#rows.get(key);
    if (!row) {
      row = this.on.make(item);
      this.#rows.set(key, row);
    }
    row.style.transform = `translateY(${place * this.rowHeight}px)`;
    row.setAttribute("aria-posinset", String(place + 1));
    row.setAttribute("aria-setsize", String(this.#items.length));
    this.on.update(row, item, place);
  }

  /** The order in the document is that of the list: Tab and screen readers follow it. Nothing is moved without need. */
  #order(near) {
    let before = null;
    for (const key of near.keys()) {
      const row = this.#rows.get(key);
      const wanted = before ? before.nextSibling : this.space.firstChild;
      if (row !== wanted && !row.contains(document.activeElement)) this.space.insertBefore(row, wanted);
      before = row;
    }
  }

  #soon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.draw();
    });
  }
}
