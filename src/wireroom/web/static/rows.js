// What follows the server in place: what a person points at, has focused or has selected stays.

/** Set text only where it is another one, so that selection and listeners are left alone. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Fill an element anew when what it shows has changed; `key` says what that is. The focus stays where it was. */
export function fill(element, key, make) {
  const text = JSON.stringify(key);
  if (element.dataset.shows === text) return;
  element.dataset.shows = text;
  const focused = controls(element).indexOf(document.activeElement);
  element.replaceChildren(...make());
  if (focused >= 0) controls(element)[focused]?.focus();
}

const controls = (element) => [...element.querySelectorAll("a, button, input, select, summary")];

/**
 * Show items as rows that stay as long as their item does, in the order of the items.
 *
 * `make(item)` returns a row; `update(row, item)` shows the item in it.
 */
export function showRows(body, items, { key, make, update }) {
  const known = new Map([...body.children].map((row) => [row.dataset.key, row]));
  let place = body.firstElementChild;
  for (const item of items) {
    const name = String(key(item));
    const row = known.get(name) ?? make(item);
    known.delete(name);
    row.dataset.key = name;
    update(row, item);
    if (row === place) place = place.nextElementSibling;
    else body.insertBefore(row, place);
  }
  for (const row of known.values()) row.remove();
}

/** Show items as rows of one tag, each filled anew when its item has changed; `parts(item)` are a row's children. */
export function showItems(body, items, { key, tag, parts }) {
  showRows(body, items, { key, make: () => document.createElement(tag), update: (row, item) => fill(row, item, () => parts(item)) });
}
