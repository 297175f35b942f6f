// A message as it was asked: its words, and the files that went with it as the server wrote them below.

import { el, icon } from "./dom.js";
import { bytes } from "./format.js";

const HEADING = "\n\nAttached files:\n";
const FILE = /^- (.*\/([^/]+)) \((\d+) bytes\)$/;

/** Show a message in an element: words, then files by name. */
export function showPrompt(element, prompt) {
  const { text, files } = parsed(prompt);
  element.replaceChildren(text);
  if (files.length) element.append(el("ul", { className: "prompt-files" }, ...files.map(chip)));
}

/** The message as the server will tell it. */
export function withFiles(text, files) {
  if (!files.length) return text;
  return `${text}${HEADING}${files.map(({ name, size }) => `- /${name} (${size} bytes)`).join("\n")}`.trim();
}

/** What a conversation is called by its first message. */
export function firstLine(prompt = "") {
  const { text, files } = parsed(prompt);
  return (text || files[0]?.name || "").split("\n")[0].slice(0, 60);
}

function parsed(prompt) {
  const padded = `\n\n${prompt}`;
  const at = padded.lastIndexOf(HEADING);
  const lines = at < 0 ? [] : padded.slice(at + HEADING.length).split("\n");
  const files = lines.map((line) => FILE.exec(line));
  if (!lines.length || files.includes(null)) return { text: prompt, files: [] };
  return { text: padded.slice(0, at).trim(), files: files.map(([, path, name, size]) => ({ path, name, size: Number(size) })) };
}

function chip({ path, name, size }) {
  return el("li", { title: path }, icon("file"), `${name} · ${bytes(size)}`);
}
