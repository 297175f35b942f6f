// The text of one file: numbered lines that can be linked to, in the colours that the server gave them.

import { call } from "./api.js";
import { announce, byId, el, recall, remember } from "./dom.js";
import { bytes, number } from "./format.js";
import { complain, report, tell } from "./notices.js";
import { t } from "./texts.js";

const WRAP = "wireroom-wrap";
/** Lines of a block; the browser lays out those blocks that are seen. */
const BLOCK = 200;

export class Code {
  #place = null;
  #path = null;
  #first = null;
  #asked = 0;

  constructor() {
    byId("file-wrap").addEventListener("click", () => this.#wrap(!this.#isWrapped()));
    byId("file-again").addEventListener("click", () => this.#read().catch(report));
    byId("file-link").addEventListener("click", () => this.#copyLink());
    byId("code").addEventListener("click", (event) => this.#clicked(event));
    this.#wrap(this.#isWrapped());
  }

  leave() {
    this.#asked += 1;
    this.#place = this.#path = null;
    byId("file").hidden = true;
    byId("file-none").hidden = false;
  }

  /** Show a file, and its `lines` ("12" or "12-20") as those that are meant. */
  async show(place, path, lines) {
    if (place !== this.#place || path !== this.#path) {
      [this.#place, this.#path] = [place, path];
      byId("file").hidden = false;
      byId("file-none").hidden = true;
      byId("file-name").textContent = path;
      byId("file-facts").textContent = t("files.opening", { name: path.split("/").at(-1) });
      byId("file-raw").href = `/api/files/raw?${this.#query()}`;
      byId("code").replaceChildren();
      await this.#read();
    }
    this.#mark(lines);
  }

  async #read() {
    const mine = (this.#asked += 1);
    let file;
    try {
      file = await call("GET", `/api/files/text?${this.#query()}`);
    } catch (error) {
      if (error.status === undefined || mine !== this.#asked) throw error;
      byId("file-facts").textContent = "";
      byId("code").replaceChildren(note(error.message));
      return;
    }
    if (mine !== this.#asked) return;
    const top = byId("code").scrollTop;
    byId("file-facts").textContent = facts(file);
    byId("file-wrap").hidden = byId("file-link").hidden = file.kind !== "text";
    byId("code").replaceChildren(...content(file));
    byId("code").scrollTop = top;
    announce(`${file.path}: ${facts(file) || t(`files.${file.kind}`, sizes(file))}`);
  }

  #query() {
    return new URLSearchParams({ place: this.#place, path: this.#path });
  }

  #mark(lines) {
    for (const old of byId("code").querySelectorAll(".meant")) old.classList.remove("meant");
    const [first, last = first] = (lines ?? "").split("-").map(Number);
    if (!first) return;
    this.#first = first;
    for (let line = first; line <= Math.min(last, first + 10_000); line += 1) byId(`L${line}`)?.classList.add("meant");
    byId(`L${first}`)?.scrollIntoView({ block: "center" });
  }

  /** A click on a number makes the line's address; with Shift the lines from the one before to it. */
  #clicked(event) {
    const link = event.target.closest(".line-number");
    if (!link || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const line = Number(link.textContent);
    const lines = event.shiftKey && this.#first ? [Math.min(this.#first, line), Math.max(this.#first, line)].join("-") : String(line);
    const query = this.#query();
    query.set("lines", lines);
    history.replaceState(null, "", `#${query}`);
    const top = byId("code").scrollTop;
    this.#mark(lines);
    byId("code").scrollTop = top;
    announce(t("files.line", { number: lines }));
  }

  async #copyLink() {
    try {
      await navigator.clipboard.writeText(location.href);
      tell(t("files.link-copied"));
    } catch {
      complain(t("files.link-not-copied"));
    }
  }

  #isWrapped() {
    return recall(WRAP) === "yes";
  }

  #wrap(yes) {
    remember(WRAP, yes ? "yes" : "no");
    byId("code").classList.toggle("wrapped", yes);
    byId("file-wrap").setAttribute("aria-pressed", String(yes));
  }
}

const sizes = (file) => ({ size: bytes(file.size ?? 0), most: bytes(file.most) });

const note = (text) => el("p", { className: "empty", textContent: text });

function facts(file) {
  if (file.kind !== "text" || !file.size) return file.size ? bytes(file.size) : "";
  const lines = file.lines.length === 1 ? t("files.one-line") : t("files.lines", { count: number(file.lines.length) });
  return [lines, bytes(file.size), file.language].filter(Boolean).join(" · ");
}

function content(file) {
  if (file.kind !== "text") return [note(t(`files.${file.kind}`, sizes(file)))];
  if (file.size === 0) return [note(t("files.empty-file"))];
  const blocks = [];
  for (let start = 0; start < file.lines.length; start += BLOCK) blocks.push(block(file, start));
  return blocks;
}

function block(file, start) {
  const lines = file.lines.slice(start, start + BLOCK);
  const made = el("div", { className: "code-block" }, ...lines.map((html, index) => line(html, start + index + 1)));
  made.style.containIntrinsicBlockSize = `auto ${lines.length * 1.5}em`;
  return made;
}

function line(html, at) {
  const link = el("a", { className: "line-number", href: `#L${at}`, textContent: at, tabIndex: -1, ariaLabel: t("files.line", { number: at }) });
  const text = el("code");
  // Made by Wireroom's own highlighter, which escapes whatever the file holds.
  text.innerHTML = html || "\n";
  return el("div", { className: "code-line", id: `L${at}` }, link, text);
}
