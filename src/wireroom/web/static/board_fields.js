// The fields of a task: a task into the form, the form into what the API takes, and what of it was changed.

import { byId, el } from "./dom.js";
import { t } from "./texts.js";

const form = byId("task-form");
const fields = form.elements;
const PLAIN = ["repository", "branch", "backend"];

/** Show a task's values; null for a new task, which begins as ready or as told. */
export function fillFields(task, status = "ready") {
  fields.prompt.value = task?.prompt ?? "";
  fields.status_label.value = task?.status_label ?? status;
  fields.order.value = task?.order ?? 0;
  fields.at.value = "end";
  fields.labels.value = task?.labels.join(" ") ?? "";
  PLAIN.forEach((name) => (fields[name].value = task?.[name] ?? ""));
  fields.not_before.value = task?.not_before ? toLocal(task.not_before) : "";
}

/** What the form says, as the API takes it. */
export function readFields(needs) {
  return {
    prompt: fields.prompt.value.trim(),
    status_label: fields.status_label.value,
    order: Number(fields.order.value),
    labels: fields.labels.value.split(/[\s,]+/).filter(Boolean),
    needs,
    not_before: fields.not_before.value ? new Date(fields.not_before.value).toISOString() : null,
    ...Object.fromEntries(PLAIN.map((name) => [name, fields[name].value.trim() || null])),
  };
}

/** Those of the values that are others than they were. */
export function changedFields(before, now) {
  return Object.fromEntries(Object.entries(now).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name])));
}

export function showChoices({ labels, repositories, backends }) {
  offer("known-labels", labels);
  offer("known-repositories", repositories);
  const [own, ...others] = backends;
  const chosen = fields.backend.value;
  fields.backend.replaceChildren(el("option", { value: "", textContent: t("board.backend-default", { name: own }) }), ...[own, ...others].map((name) => el("option", { value: name, textContent: name })));
  keepBackend(chosen);
  fields.backend.value = chosen;
}

/** Keep a back end that is not among the known ones choosable. */
export function keepBackend(name) {
  if (name && ![...fields.backend.options].some((option) => option.value === name)) fields.backend.append(el("option", { value: name, textContent: name }));
}

function offer(id, values) {
  byId(id).replaceChildren(...values.map((value) => el("option", { value })));
}

/** A moment as `datetime-local` takes it: the browser's own time, to the minute. */
function toLocal(when) {
  const date = new Date(when);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}
