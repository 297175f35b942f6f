// One queue: its figures, what is at its head, who uses it; and the buttons that act on it.

import { call } from "./api.js";
import { badge, byId, duration, el, icon } from "./dom.js";
import { number, timeAgo } from "./format.js";
import { ask, attempt, complain, form, tell } from "./notices.js";
import { fill, setText, showRows } from "./rows.js";
import { t } from "./texts.js";

const shown = { name: null, queue: null, usual: 1, asked: 0 };
const path = (name, rest = "") => `/queues/${encodeURIComponent(name)}${rest}`;

export async function showQueue(name) {
  shown.name = name;
  await refreshQueue();
  byId("queue-name").focus();
}

export function leaveQueue() {
  shown.name = null;
}

/** Ask anew for the queue that is shown. */
export async function refreshQueue() {
  const { name } = shown;
  if (name === null) return;
  shown.asked += 1;
  const { asked } = shown;
  let found;
  try {
    found = await call("GET", `/api/queues/${encodeURIComponent(name)}`);
  } catch (error) {
    if (error.status !== 404 || shown.name !== name) throw error;
    complain(t("queues.gone", { name }));
    location.hash = "";
    return;
  }
  if (shown.asked !== asked || shown.name !== name) return;
  Object.assign(shown, { queue: found.queue, usual: found.default_concurrency });
  update(found);
}

/** The badge that tells how a queue stands. */
export const standing = ({ paused }) => [paused ? badge(t("queues.state-paused"), "warm") : badge(t("queues.state-open"), "good")];

/** A rate, with one digit always, so that rates stand below each other. */
export const rate = (value) => value.toLocaleString(document.documentElement.lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

function update({ queue, head, agent_names: names, window_seconds: seconds }) {
  setText(byId("queue-name"), queue.name);
  fill(byId("queue-badges"), [queue.paused], () => standing(queue));
  updatePause(queue.paused);
  byId("queue-delete").hidden = queue.is_default;
  showRows(byId("queue-figures"), figures(queue, seconds / 60), { key: ([name]) => name, make: makeFigure, update: updateFigure });
  showRows(byId("head"), head, { key: (one) => one.id, make: makeCall, update: updateCall });
  byId("head-table").hidden = !head.length;
  byId("head-empty").hidden = head.length > 0;
  const behind = queue.waiting + queue.delayed - head.filter((one) => one.state === "waiting").length;
  setText(byId("head-more"), t("queues.head-more", { count: number(behind) }));
  byId("head-more").hidden = behind <= 0;
  fill(byId("queue-agents"), [names, queue.agents], () => agentLines(names, queue.agents));
  byId("agents-none").hidden = names.length > 0;
}

function updatePause(isPaused) {
  const made = byId("queue-pause");
  const does = isPaused ? "resume" : "pause";
  if (made.dataset.does === does) return;
  made.dataset.does = does;
  made.classList.toggle("primary", isPaused);
  made.replaceChildren(icon(isPaused ? "play" : "pause"), t(`queues.${does}`));
}

/** The figures as [name, value, what it counts]. */
function figures(queue, minutes) {
  const places = queue.own_concurrency === null ? "queues.note-active-usual" : "queues.note-active";
  const window = t("queues.note-window", { minutes });
  const oldest = queue.oldest_due_at && t("queues.oldest", { time: duration(Date.now() - Date.parse(queue.oldest_due_at)) });
  return [
    ["waiting", number(queue.waiting), oldest || t("queues.note-waiting")],
    ["active", number(queue.active), t(places, { concurrency: number(queue.concurrency) })],
    ["delayed", number(queue.delayed), t("queues.note-delayed", { count: number(queue.retrying) })],
    ["done", number(queue.done), t("queues.note-done", { count: number(queue.skipped + queue.cancelled) })],
    ["dead", number(queue.dead), t("queues.note-dead")],
    ["rate", rate(queue.done_per_minute), window],
    ["dead-rate", rate(queue.dead_per_minute), window],
  ];
}

const makeFigure = ([name]) => el("div", { className: `figure ${name}` }, el("dt", { textContent: t(`queues.figure-${name}`) }), el("dd", {}), el("dd", { className: "soft" }));

function updateFigure(made, [, value, note]) {
  setText(made.children[1], value);
  setText(made.children[2], note);
}

const makeCall = () => el("tr", {}, el("td"), el("td"), el("td"), el("td"));

function updateCall(row, one) {
  const [state, agent, since, why] = row.children;
  const isLater = one.state === "waiting" && Date.parse(one.due_at) > Date.now();
  const says = isLater ? "later" : one.state;
  fill(state, says, () => [badge(t(`queues.call-${says}`), says === "running" ? "good" : "plain")]);
  fill(agent, one.agent, () => [el("a", { href: `/room/agents#${encodeURIComponent(one.agent)}`, textContent: one.agent })]);
  fill(since, [one.started_at, one.due_at, one.state], () => [timeAgo(one.state === "running" ? one.started_at : one.due_at)]);
  fill(why, [one.reason, one.attempts, one.error, one.run_id], () => whyParts(one));
}

function whyParts(one) {
  const made = [el("span", { textContent: one.reason ?? "" })];
  if (one.attempts) made.push(el("div", { className: "soft", textContent: t("queues.tried", { count: one.attempts, error: one.error ?? "" }) }));
  if (one.run_id) made.push(" ", el("a", { href: `/room/runs#${encodeURIComponent(one.run_id)}`, textContent: t("queues.to-run") }));
  return made;
}

function agentLines(names, count) {
  const lines = names.map((name) => el("li", {}, el("a", { href: `/room/agents#${encodeURIComponent(name)}`, textContent: name })));
  return count > names.length ? [...lines, el("li", { className: "soft", textContent: t("queues.agents-more", { count: number(count - names.length) }) })] : lines;
}

/** Pause or resume a queue, and say so. */
export function pauseOrResume(name, does) {
  return attempt(async () => {
    await call("POST", path(name, `/${does}`), {});
    tell(t(does === "pause" ? "queues.paused-now" : "queues.resumed-now", { name }));
    await refreshQueue();
  });
}

async function widen() {
  const { queue, usual } = shown;
  const { name } = queue;
  await form({
    title: t("queues.concurrency-title", { name }),
    fields: [{ name: "concurrency", label: t("queues.concurrency-label"), type: "number", value: queue.own_concurrency ?? "", help: t("queues.concurrency-help", { count: usual }) }],
    save: async ({ concurrency }) => {
      const answer = await call("PATCH", path(name), { concurrency: concurrency === "" ? null : Number(concurrency) });
      tell(t("queues.changed", { name, count: number(answer.queue.concurrency) }));
    },
  });
}

async function purge() {
  const { name, over, done, dead, skipped, cancelled } = shown.queue;
  if (!over) return tell(t("queues.purge-none", { name }));
  const counts = { name, count: number(over), done: number(done), dead: number(dead), skipped: number(skipped), cancelled: number(cancelled) };
  if (!(await ask({ title: t("queues.purge-title", counts), text: t("queues.purge-text", counts), yes: t("queues.purge-yes", counts) }))) return undefined;
  return attempt(async () => {
    const { purged } = await call("POST", path(name, "/purge"), {});
    tell(t("queues.purged", { count: number(purged) }));
    await refreshQueue();
  });
}

async function remove() {
  const { name, agents, waiting, delayed, active } = shown.queue;
  if (agents || waiting || delayed || active) return complain(t("queues.delete-needed", { name }));
  if (!(await ask({ title: t("queues.delete-title", { name }), text: t("queues.delete-text"), yes: t("queues.delete") }))) return undefined;
  return attempt(async () => {
    await call("DELETE", path(name));
    leaveQueue();
    tell(t("queues.deleted", { name }));
    location.hash = "";
  });
}

byId("queue-pause").addEventListener("click", () => pauseOrResume(shown.name, byId("queue-pause").dataset.does));
byId("queue-concurrency").addEventListener("click", widen);
byId("queue-purge").addEventListener("click", purge);
byId("queue-delete").addEventListener("click", remove);
