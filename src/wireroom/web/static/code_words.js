// Sentences of the server with `code` in them.

import { el } from "./dom.js";

/** The parts of a text, with what stands between backticks as code. */
export function withCode(text) {
  return text.split("`").map((part, place) => (place % 2 ? el("code", { textContent: part }) : part));
}

/** A text as a sentence: a capital at its beginning, a full stop at its end. */
export function sentence(text) {
  const first = text.startsWith("`") ? "" : text.charAt(0).toUpperCase();
  return `${first}${text.slice(first.length)}${/[.!?]$/.test(text) ? "" : "."}`;
}
