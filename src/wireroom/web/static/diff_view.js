// What a run changed, file by file: lines under each other, or old and new side by side where there is room.
//
// `showDiff(element, diff)` takes the body of `GET /api/run-views/{run_id}/diff` and fills the element, on any
// screen. A file's lines are made when it is unfolded.

import { badge, el, icon, recall, remember } from "./dom.js";
import { number } from "./format.js";
import { t } from "./texts.js";

const LAYOUT = "wireroom-diff-layout";
const WIDE_PX = 820;
const MOST_OPEN_LINES = 1500;
const TONES = { added: "good", deleted: "bad", renamed: "warm", changed: "plain" };
const MARKS = { "+": "new", "-": "gone", " ": "same", "\\": "remark" };

let styled = false;

/** Show a diff in an element, whatever was in it before; files that were folded or unfolded stay so. */
export function showDiff(element, diff) {
  wearStyle();
  const folds = new Map([...element.querySelectorAll(".diff-file")].map((file) => [file.dataset.path, file.open]));
  element.classList.add("diff");
  const note = el("p", { className: "diff-note", textContent: t(`diff.basis-${diff.basis}`) });
  if (!diff.files.length) return element.replaceChildren(note);
  let left = MOST_OPEN_LINES;
  const files = diff.files.map((file) => {
    const lines = file.hunks.reduce((sum, hunk) => sum + hunk.lines.length, 0);
    left -= lines;
    return fileBlock(file, folds.get(file.path) ?? left >= 0, element);
  });
  element.replaceChildren(head(diff, element), note, ...files);
  if (diff.cut) element.append(el("p", { className: "diff-note", textContent: t("diff.cut") }));
}

function head(diff, element) {
  const [more, less] = [sum(diff.files, "insertions"), sum(diff.files, "deletions")];
  const count = el("span", { className: "diff-count" }, t(diff.files.length === 1 ? "diff.one-file" : "diff.files", { count: number(diff.files.length) }), " ", ...counts(more, less));
  const where = diff.branch ? el("span", { className: "badge", textContent: diff.branch, title: diff.base ?? "" }) : "";
  const wide = button(t("diff.side-by-side"), () => {
    remember(LAYOUT, isWanted() ? "under" : "beside");
    wide.setAttribute("aria-pressed", String(isWanted()));
    for (const file of element.querySelectorAll(".diff-file")) file.dispatchEvent(new Event("layout"));
  });
  wide.setAttribute("aria-pressed", String(isWanted()));
  wide.classList.add("diff-wide");
  const fold = button(t("diff.fold-all"), () => element.querySelectorAll(".diff-file").forEach((file) => (file.open = false)));
  const unfold = button(t("diff.unfold-all"), () => element.querySelectorAll(".diff-file").forEach((file) => (file.open = true)));
  return el("div", { className: "diff-head" }, count, where, el("span", { className: "grow" }), wide, fold, unfold);
}

function fileBlock(file, open, element) {
  const state = badge(t(`diff.${file.status}`), TONES[file.status]);
  const name = el("span", { className: "diff-path", textContent: file.old_path ? `${file.old_path} → ${file.path}` : file.path });
  const summary = el("summary", {}, icon("chevron", "chevron"), name, state, ...counts(file.insertions, file.deletions));
  const body = el("div", { className: "diff-body" });
  const block = el("details", { className: "diff-file" }, summary, body);
  block.dataset.path = file.path;
  const fill = () => body.replaceChildren(content(file, isWanted() && element.clientWidth >= WIDE_PX));
  block.addEventListener("toggle", () => block.open && !body.firstChild && fill());
  block.addEventListener("layout", () => (block.open ? fill() : body.replaceChildren()));
  block.open = open;
  if (open) fill();
  return block;
}

function content(file, isBeside) {
  if (file.is_binary) return el("p", { className: "diff-note", textContent: t("diff.binary") });
  if (!file.hunks.length) return el("p", { className: "diff-note", textContent: t("diff.no-lines") });
  const table = el("table", { className: `diff-table ${isBeside ? "beside" : ""}` });
  table.setAttribute("aria-label", t("diff.lines-of", { path: file.path }));
  // A hunk's head spans all columns, so it cannot tell their widths.
  if (isBeside) table.append(el("colgroup", {}, ...["diff-slim", "", "diff-slim", ""].map((className) => el("col", { className }))));
  for (const hunk of file.hunks) table.append(hunkBody(hunk, isBeside));
  return el("div", { className: "scroll-x diff-scroll", tabIndex: 0, role: "region", ariaLabel: t("diff.lines-of", { path: file.path }) }, table);
}

function hunkBody(hunk, isBeside) {
  const place = `@@ −${hunk.old_start} +${hunk.new_start} @@ ${hunk.heading}`;
  const rows = isBeside ? besideRows(numbered(hunk)) : numbered(hunk).map(underRow);
  return el("tbody", {}, el("tr", { className: "diff-hunk" }, el("td", { colSpan: isBeside ? 4 : 3, textContent: place })), ...rows);
}

/** Each line with its kind, its text and its number in both files. */
function numbered(hunk) {
  let [before, after] = [hunk.old_start, hunk.new_start];
  return hunk.lines.map((line) => {
    const kind = MARKS[line[0]];
    const numbers = { before: kind === "gone" || kind === "same" ? before++ : "", after: kind === "new" || kind === "same" ? after++ : "" };
    return { kind, text: line.slice(1), ...numbers };
  });
}

function underRow({ kind, text, before, after }) {
  return el("tr", { className: `diff-${kind}` }, numberCell(before), numberCell(after), textCell(kind, text));
}

/** Lines that are gone stand beside those that came in their place. */
function besideRows(lines) {
  const rows = [];
  let [gone, come] = [[], []];
  const flush = () => {
    for (let place = 0; place < Math.max(gone.length, come.length); place += 1) rows.push(besideRow(gone[place], come[place]));
    [gone, come] = [[], []];
  };
  for (const line of lines) {
    if (line.kind === "gone") gone.push(line);
    else if (line.kind === "new") come.push(line);
    else if (line.kind === "same") {
      flush();
      rows.push(besideRow(line, line));
    }
  }
  flush();
  return rows;
}

function besideRow(old, fresh) {
  const half = (line, key) => [numberCell(line?.[key] ?? ""), line ? textCell(line.kind, line.text) : el("td", { className: "diff-empty" })];
  return el("tr", { className: old === fresh ? "diff-same" : "diff-pair" }, ...half(old, "before"), ...half(fresh, "after"));
}

const numberCell = (value) => el("td", { className: "diff-number", textContent: value });

function textCell(kind, text) {
  const sign = { new: "+", gone: "−" }[kind] ?? " ";
  return el("td", { className: `diff-text diff-is-${kind}` }, el("span", { className: "diff-sign", textContent: sign }), text);
}

function counts(more, less) {
  return [el("span", { className: "diff-more", textContent: `+${number(more)}` }), el("span", { className: "diff-less", textContent: `−${number(less)}` })];
}

function button(text, act) {
  const made = el("button", { type: "button", className: "button small", textContent: text });
  made.addEventListener("click", act);
  return made;
}

const sum = (files, key) => files.reduce((total, file) => total + file[key], 0);
const isWanted = () => recall(LAYOUT) === "beside";

/** The style comes with the first diff: a screen without one does not wait for it. */
function wearStyle() {
  if (styled) return;
  styled = true;
  document.head.append(el("link", { rel: "stylesheet", href: new URL("diff_view.css", import.meta.url).href }));
}
