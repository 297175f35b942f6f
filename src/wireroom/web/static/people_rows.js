// Lists of rows that follow what the server tells, row by row: what a person points at or has focused stays.

import { complain } from "./notices.js";

/**
 * Show `items` in `list`. `key(item)` tells rows apart, `make(item)` makes one, and a row is made anew only when
 * its item has changed.
 */
export function showRows(list, items, key, make) {
  const known = new Map([...list.children].map((row) => [row.dataset.key, row]));
  items.forEach((item, place) => {
    const state = JSON.stringify(item);
    let row = known.get(String(key(item)));
    known.delete(String(key(item)));
    if (!row || row.dataset.state !== state) {
      const made = make(item);
      made.dataset.key = key(item);
      made.dataset.state = state;
      if (row) replace(row, made);
      row = made;
    }
    if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
  });
  for (const row of known.values()) row.remove();
}

function replace(row, made) {
  const focused = [...row.querySelectorAll("button, select, a")].indexOf(document.activeElement);
  row.replaceWith(made);
  if (focused >= 0) made.querySelectorAll("button, select, a")[focused]?.focus();
}

/** Do what a press asks for; an error is said, not thrown. True when it was done. */
export async function attempt(work) {
  try {
    await work();
    return true;
  } catch (error) {
    if (error.status === undefined) throw error;
    complain(error.message);
    return false;
  }
}
