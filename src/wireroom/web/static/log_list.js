// A log of any length, of which only what is near is in the document and in memory. Rows are as high as they are.
//
// The log is cut into chunks of equal counts of items. A chunk near the window stands in the document, the others
// are room above and below; their height is what it was when they were last seen, before that an estimate. What
// changes above the window moves nothing in it; what grows at the end is followed until somebody scrolls up.

import { backoff, pause } from "./api.js";

const NEAR_PX = 900;
const MOST_LOADED = 40;
const ROW_PX = 27;
const AT_END_PX = 24;

export class LogList {
  #count = 0;
  #chunks = new Map();
  #heights = [];
  #generation = 0;
  #frame = 0;
  /** What the last drawing has shown; "" once something else is to be shown of it. */
  #seen = "";
  #lastTop = 0;
  #lastHeight = 0;
  #failures = 0;

  /**
   * `element` scrolls, so give it a height. `size` items make a chunk; `load(start, count)` resolves to these items,
   * counted from 0, at the end perhaps fewer; `make()` returns {element, add(item, place)} for a new chunk;
   * `followed(yes)` is called when following begins and ends.
   */
  constructor(element, { size, load, make, followed = () => {} }) {
    this.element = element;
    this.size = size;
    this.on = { load, make, followed };
    this.follows = null;
    this.above = document.createElement("div");
    this.below = document.createElement("div");
    element.append(this.above, this.below);
    this.resizes = new ResizeObserver((entries) => this.#resized(entries));
    this.resizes.observe(element);
    element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  get count() { return this.#count; }

  /** Show another log of so many items, from its end or its beginning. */
  reset(count, { atEnd = false } = {}) {
    this.#generation += 1;
    for (const chunk of this.#chunks.values()) this.#unmount(chunk);
    this.#chunks.clear();
    this.#heights = [];
    this.#failures = 0;
    this.#count = count;
    this.#follow(atEnd);
    this.element.scrollTop = 0;
    this.#seen = "";
    this.draw();
    if (atEnd) this.toEnd();
  }

  /** The log has so many items now. */
  grow(count) {
    if (count <= this.#count) return;
    this.#count = count;
    this.#soon();
  }

  /** Take an item that has just come, at its place; one that is known already changes nothing. */
  push(item, place) {
    if (place < this.#count) return;
    const number = Math.floor(place / this.size);
    let chunk = this.#chunks.get(number);
    if (!chunk && place % this.size === 0) this.#chunks.set(number, (chunk = this.#made(number, [])));
    this.#count = place + 1;
    if (chunk?.items && chunk.items.length === place - number * this.size) {
      chunk.items.push(item);
      chunk.view?.add(item, place);
    }
    this.#soon();
  }

  toEnd() {
    this.#follow(true);
    this.#seen = "";
    this.draw();
  }

  /** Bring an item into sight; resolves to its chunk's element once that is there. */
  async reveal(place) {
    this.#follow(false);
    const number = Math.floor(place / this.size);
    const tops = this.#tops();
    this.#seen = "";
    this.element.scrollTop = tops[number] + ((place % this.size) / this.size) * (tops[number + 1] - tops[number]) - 60;
    this.draw();
    await this.#loaded(number);
    this.draw();
    return this.#chunks.get(number)?.view?.element ?? null;
  }

  /** Show what is near the window, as it is now. */
  draw() {
    const tops = this.#tops();
    const end = tops.at(-1);
    const height = this.element.clientHeight;
    const top = this.follows ? Math.max(0, end - height) : this.element.scrollTop;
    const [first, last] = [chunkAt(tops, top - NEAR_PX), chunkAt(tops, top + height + NEAR_PX)];
    const seen = `${this.#generation} ${first} ${last}`;
    if (seen === this.#seen) return;
    this.#seen = seen;
    const anchor = this.follows ? null : this.#anchor();
    for (const [number, chunk] of this.#chunks) if (number < first || number > last) this.#unmount(chunk);
    for (let number = first; number <= last && number * this.size < this.#count; number += 1) this.#show(number);
    this.#room(first, last);
    this.#forget(first, last);
    if (anchor) this.#hold(anchor);
    if (this.follows) this.element.scrollTop = this.element.scrollHeight;
    this.#lastTop = this.element.scrollTop;
  }

  #show(number) {
    const chunk = this.#chunks.get(number) ?? this.#made(number, null);
    this.#chunks.set(number, chunk);
    const wanted = Math.min(this.size, this.#count - number * this.size);
    if (!chunk.items || chunk.items.length < wanted) this.#load(chunk, wanted);
    if (!chunk.items || chunk.view) return;
    chunk.view = this.on.make();
    chunk.view.element.dataset.chunk = number;
    const next = [...this.element.children].find((child) => child.dataset.chunk !== undefined && Number(child.dataset.chunk) > number);
    this.element.insertBefore(chunk.view.element, next ?? this.below);
    chunk.items.forEach((item, index) => chunk.view.add(item, number * this.size + index));
    this.resizes.observe(chunk.view.element);
    this.#heights[number] = chunk.view.element.offsetHeight;
  }

  #made(number, items) {
    return { number, items, view: null, loading: null };
  }

  #load(chunk, wanted) {
    if (chunk.loading) return;
    const generation = this.#generation;
    const have = chunk.items?.length ?? 0;
    const some = (items) => (items.length ? items : Promise.reject(new Error("nothing came")));
    chunk.loading = this.on.load(chunk.number * this.size + have, wanted - have).then(some).then(
      (items) => {
        chunk.loading = null;
        this.#failures = 0;
        if (generation !== this.#generation) return;
        const known = chunk.items?.length ?? 0;
        // What came live meanwhile is there already.
        const fresh = items.slice(known - have);
        chunk.items = [...(chunk.items ?? []), ...fresh];
        if (chunk.view) fresh.forEach((item, index) => chunk.view.add(item, chunk.number * this.size + known + index));
        this.#soon();
      },
      async () => {
        this.#failures += 1;
        await pause(backoff(this.#failures));
        chunk.loading = null;
        if (generation === this.#generation) this.#soon();
      },
    );
  }

  async #loaded(number) {
    const generation = this.#generation;
    while (generation === this.#generation && !this.#chunks.get(number)?.items) {
      await (this.#chunks.get(number)?.loading ?? pause(50));
      this.#seen = "";
      this.draw();
    }
  }

  #unmount(chunk) {
    if (!chunk.view) return;
    this.resizes.unobserve(chunk.view.element);
    this.#heights[chunk.number] = chunk.view.element.offsetHeight;
    chunk.view.element.remove();
    chunk.view = null;
  }

  /** Keep the memory bounded: what is far is asked for again when it is near again. */
  #forget(first, last) {
    if (this.#chunks.size <= MOST_LOADED) return;
    const middle = (first + last) / 2;
    const far = [...this.#chunks.keys()].filter((number) => number < first || number > last);
    far.sort((one, other) => Math.abs(other - middle) - Math.abs(one - middle));
    for (const number of far.slice(0, this.#chunks.size - MOST_LOADED)) this.#chunks.delete(number);
  }

  /** Where each chunk begins, in pixels, and where the last one ends. */
  #tops() {
    const chunks = Math.ceil(this.#count / this.size);
    const tops = new Array(chunks + 1);
    tops[0] = 0;
    for (let number = 0; number < chunks; number += 1) tops[number + 1] = tops[number] + this.#heightOf(number);
    return tops;
  }

  #heightOf(number) {
    const chunk = this.#chunks.get(number);
    if (chunk?.view) return this.#heights[number] ?? chunk.view.element.offsetHeight;
    return this.#heights[number] ?? ROW_PX * Math.min(this.size, this.#count - number * this.size);
  }

  /** Give what is not in the document its room, above and below what is. */
  #room(first, last) {
    const tops = this.#tops();
    const mounted = [...this.#chunks.values()].filter((chunk) => chunk.view).map((chunk) => chunk.number);
    const from = mounted.length ? Math.min(...mounted) : first;
    const to = mounted.length ? Math.max(...mounted) + 1 : first;
    this.above.style.height = `${tops[from] ?? 0}px`;
    this.below.style.height = `${tops.at(-1) - (tops[to] ?? tops.at(-1))}px`;
    // A chunk that is on its way leaves a gap between its neighbours.
    for (const number of mounted) {
      const next = mounted.filter((other) => other > number).sort((a, b) => a - b)[0];
      const gap = next === undefined ? 0 : tops[next] - tops[number + 1];
      this.#chunks.get(number).view.element.style.marginBottom = gap ? `${gap}px` : "";
    }
  }

  /** What is at the top of the window, and how far from it. */
  #anchor() {
    const top = this.element.getBoundingClientRect().top;
    for (const chunk of this.element.children) {
      if (chunk.dataset.chunk === undefined || chunk.getBoundingClientRect().bottom <= top) continue;
      const row = firstBelow(chunk.children, top);
      if (row) return { row, top: row.getBoundingClientRect().top };
    }
    return null;
  }

  #hold({ row, top }) {
    if (!row.isConnected) return;
    const moved = row.getBoundingClientRect().top - top;
    if (Math.abs(moved) >= 1) this.element.scrollTop += moved;
  }

  #resized(entries) {
    let changed = false;
    for (const { target } of entries) {
      if (target === this.element) changed ||= this.#lastHeight !== (this.#lastHeight = target.clientHeight);
      else if (target.isConnected) {
        const number = Number(target.dataset.chunk);
        changed ||= this.#heights[number] !== target.offsetHeight;
        this.#heights[number] = target.offsetHeight;
      }
    }
    if (changed) this.#soon();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < AT_END_PX;
    if (isAtEnd) this.#follow(true);
    else if (scrollTop < this.#lastTop - 1) this.#follow(false);
    this.#lastTop = scrollTop;
    this.#soon(false);
  }

  #follow(yes) {
    if (this.follows === yes) return;
    this.follows = yes;
    this.on.followed(yes);
  }

  /** Draw with the next frame; nothing is `changed` when only the window has moved. */
  #soon(changed = true) {
    if (changed) this.#seen = "";
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.draw();
    });
  }
}

/** The chunk that a height lies in. */
function chunkAt(tops, px) {
  let [low, high] = [0, Math.max(0, tops.length - 2)];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (tops[middle] <= px) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The first row whose end is below a line of the window. */
function firstBelow(rows, top) {
  let [low, high] = [0, rows.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rows[middle].getBoundingClientRect().bottom > top) high = middle;
    else low = middle + 1;
  }
  return rows[low] ?? null;
}
