// What the page says, in the language that the server put beside it.

const TEXTS = JSON.parse(document.getElementById("texts")?.textContent ?? "{}");

/** The text of a key such as "board.add", with `{name}` filled from `values`. A key that nobody wrote shows itself. */
export function t(key, values = {}) {
  const text = TEXTS[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}
