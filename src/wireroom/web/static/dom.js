// The few things that every part of the page does with the document. Text is only ever set as text.

export const byId = (id) => document.getElementById(id);

/** Make an element: `el("p", {className: "x", textContent: "y"}, child, …)`. */
export function el(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** A word that tells how something stands; `tone` is "good", "bad", "warm" or "plain". */
export function badge(text, tone = "plain") {
  const made = el("span", { className: "badge", textContent: text });
  made.dataset.tone = tone;
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an icon of the sprite in the page. */
export function icon(name, className = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  if (className) svg.setAttribute("class", className);
  svg.append(document.createElementNS(SVG, "use"));
  setIcon(svg, name);
  return svg;
}

export function setIcon(svg, name) {
  svg.firstElementChild.setAttribute("href", `#i-${name}`);
}

/** Tell people who listen instead of looking. */
export function announce(text) {
  byId("announce").textContent = text;
}

/** "0.4 s" (under ten seconds, when `exact`), "14 s", "2 min 5 s", "1 h 3 min". */
export function duration(ms, exact = false) {
  if (exact && ms < 9950) return `${Math.max(0, ms / 1000).toFixed(1)} s`;
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

// What could not be stored, in a browser that refuses to or whose storage is full: it lives as long as the tab.
const unstored = new Map();

/** Keep a text across reloads, as far as the browser lets us. */
export function remember(key, text) {
  unstored.delete(key);
  try {
    localStorage.setItem(key, text);
  } catch {
    unstored.set(key, text);
  }
}

export function recall(key) {
  if (unstored.has(key)) return unstored.get(key);
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/**
 * A name for one wish, so that it is done once however often it is sent.
 *
 * Not `crypto.randomUUID`, which plain http on a home network lacks.
 */
export function freshId(prefix) {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `${prefix}-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
