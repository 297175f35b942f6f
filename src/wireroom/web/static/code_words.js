// Sentences of the server with `code` in them.

import { el } from "./dom.js";

/** The parts of a text, with what stands between backticks as code. */
export function withCode(text) {
  return text.split("`").map((part, place) => (place % 2 ? el("code", { textContent: part }) : part));
}

/** A text as a sentence: a full stop at its end, and at its beginning a capital, if that is a word and no address. */
export function sentence(text) {
  const capital = /^[a-z]+[ ,;]/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return `${capital}${/[.!?]$/.test(text) ? "" : "."}`;
}
