// A task's card: what it says, and what is in its way.

import { byId, el } from "./dom.js";
import { clock } from "./format.js";
import { t } from "./texts.js";

const blank = byId("card");

/** The column in which a task stands. */
export function columnOf(task) {
  if (task.is_dead) return "failed";
  return { backlogged: "backlog", complete: "done", unknown: "other" }[task.status_label] ?? task.status_label;
}

/** The status of the tasks of a column; none can be moved into "other", and "failed" is for the operator to say. */
export const STATUS = { backlog: "backlogged", ready: "ready", in_progress: "in_progress", done: "complete", archived: "archived" };

/** The first line of a prompt that says something. */
export const titleOf = (task) => task.prompt.split("\n").find((line) => line.trim())?.trim() ?? t("board.task", { id: task.id });

export function makeCard() {
  return blank.content.firstElementChild.cloneNode(true);
}

/** Show a task in a row; nothing is touched when it looks as before. */
export function showCard(row, task) {
  const looks = JSON.stringify(task);
  if (row.looks === looks) return;
  row.looks = looks;
  row.dataset.task = task.gap ? "" : task.id;
  row.classList.toggle("gap", Boolean(task.gap));
  const open = row.querySelector(".task-open");
  open.disabled = Boolean(task.gap);
  open.firstElementChild.textContent = task.gap ? t("board.gap") : titleOf(task);
  row.querySelector(".task-number").textContent = task.gap ? "" : `#${task.id}`;
  if (!task.gap) showMeta(row, task);
}

function showMeta(row, task) {
  const [text, tone] = standing(task);
  const badge = row.querySelector(".badge");
  badge.hidden = !text;
  badge.textContent = text;
  badge.dataset.tone = tone;
  const about = [...task.labels, task.repository, task.backend].filter(Boolean).join(" · ");
  row.querySelector(".task-about").textContent = about;
}

/** What is in a task's way, or what is done with it: [words, tone]. */
function standing(task) {
  if (task.is_dead) return [t("board.given-up", { count: task.failures }), "bad"];
  if (task.status_label === "in_progress") return task.run_id ? [t("board.at-work"), "good"] : [t("board.elsewhere"), "warm"];
  if (task.status_label !== "ready") return ["", "plain"];
  if (isAhead(task.next_try_at)) return [t("board.tries-again", { time: clock(task.next_try_at) }), "warm"];
  if (isAhead(task.not_before)) return [t("board.not-before", { time: clock(task.not_before) }), "plain"];
  if (task.unmet.length > 2) return [t("board.waits-for-many", { count: task.unmet.length }), "plain"];
  if (task.unmet.length) return [t("board.waits-for", { ids: task.unmet.map((id) => `#${id}`).join(", ") }), "plain"];
  return ["", "plain"];
}

/** A line for another task: its number, title and status; pressing it opens the task. */
export function linkTo(task) {
  const link = el("a", { href: `#${task.id}`, className: "task-link" }, el("span", { className: "task-number", textContent: `#${task.id}` }), el("span", { className: "cut", textContent: titleOf(task) }));
  return el("span", { className: "task-line" }, link, el("span", { className: "soft", textContent: t(`board.column-${columnOf(task)}`) }));
}

const isAhead = (when) => when !== null && Date.parse(when) > Date.now();
