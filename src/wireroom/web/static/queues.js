// The queues: the list, and one at `#<name>`. Names have no "/".

import { call } from "./api.js";
import { byId, duration, el } from "./dom.js";
import { number, tick } from "./format.js";
import { live } from "./live.js";
import { button, complain, form, quietly, tell } from "./notices.js";
import { leaveQueue, pauseOrResume, rate, refreshQueue, showQueue, standing } from "./queues_detail.js";
import { fill, setText, showRows } from "./rows.js";
import { t } from "./texts.js";

const TICK_MS = 10_000;
const FIGURES = ["waiting", "active", "delayed", "done", "dead", "rate"];
let usual = 1;
let asked = 0;

async function refreshList() {
  asked += 1;
  const mine = asked;
  const found = await call("GET", "/api/queues");
  if (mine !== asked) return;
  usual = found.default_concurrency;
  setText(byId("queues-note"), t("queues.note", { minutes: found.window_seconds / 60 }));
  showRows(byId("queues-rows"), found.queues, { key: (queue) => queue.name, make: makeRow, update: updateRow });
}

function makeRow({ name }) {
  const pause = button("", "button small owner-only pauses", () => pauseOrResume(name, pause.dataset.does));
  const link = el("a", { href: `#${encodeURIComponent(name)}`, textContent: name, className: "queue-link" });
  const figures = FIGURES.map((figure) => {
    const cell = el("td", { className: `number ${figure}` });
    cell.dataset.label = t(`queues.${figure}`);
    return cell;
  });
  return el("tr", {}, el("th", { scope: "row" }, link, el("div", { className: "soft users" })), el("td", { className: "stands" }), ...figures, el("td", { className: "row-actions" }, pause));
}

function updateRow(row, queue) {
  const part = (name) => row.querySelector(`.${name}`);
  const users = queue.agents < 2 ? `queues.agents-count-${queue.agents}` : "queues.agents-count";
  setText(part("users"), t(users, { count: number(queue.agents) }));
  fill(part("stands"), [queue.paused], () => standing(queue));
  fill(part("waiting"), [queue.waiting, queue.oldest_due_at], () => waitingParts(queue));
  setText(part("active"), t("queues.of", { active: number(queue.active), concurrency: number(queue.concurrency) }));
  for (const name of ["delayed", "done", "dead"]) setText(part(name), number(queue[name]));
  part("dead").classList.toggle("bad-text", queue.dead > 0);
  setText(part("rate"), rate(queue.done_per_minute));
  updatePause(part("pauses"), queue);
}

function waitingParts({ waiting, oldest_due_at: oldest }) {
  return [el("div", { textContent: number(waiting) }), ...(oldest ? [el("div", { className: "soft" }, age(oldest))] : [])];
}

/** How long the oldest has been waiting; `tick` does not know it, so the list's own clock keeps it true. */
function age(since) {
  const made = el("span", { className: "age" });
  made.dataset.since = since;
  return tellAge(made);
}

function tellAge(made) {
  setText(made, t("queues.oldest", { time: duration(Date.now() - Date.parse(made.dataset.since)) }));
  return made;
}

function updatePause(made, queue) {
  const does = queue.paused ? "resume" : "pause";
  if (made.dataset.does === does) return;
  made.dataset.does = does;
  made.textContent = t(`queues.${does}`);
  made.setAttribute("aria-label", t(`queues.${does}-name`, { name: queue.name }));
}

function create() {
  return form({
    title: t("queues.new"),
    yes: t("queues.create"),
    fields: [
      { name: "name", label: t("queues.name"), required: true },
      { name: "concurrency", label: t("queues.concurrency-label"), type: "number", help: t("queues.concurrency-help", { count: usual }) },
      { name: "paused", label: t("queues.begin-paused"), type: "check" },
    ],
    save: async ({ name, concurrency, paused }) => {
      await call("POST", "/queues", { name: name.trim(), concurrency: concurrency === "" ? null : Number(concurrency), paused });
      tell(t("queues.created", { name: name.trim() }));
    },
  });
}

const refresh = () => (byId("queue").hidden ? refreshList() : refreshQueue());

async function show() {
  const name = decodeURIComponent(location.hash.slice(1));
  byId("queues-list").hidden = name !== "";
  byId("queue").hidden = name === "";
  try {
    if (name) await showQueue(name);
    else {
      leaveQueue();
      await refreshList();
    }
  } catch (error) {
    if (error.status === undefined) throw error;
    complain(error.message);
  }
}

byId("queue-new").addEventListener("click", create);
addEventListener("hashchange", show);
// Rates and ages change with time alone.
setInterval(() => {
  if (document.visibilityState !== "visible") return;
  tick();
  document.querySelectorAll(".age").forEach(tellAge);
  quietly(refresh);
}, TICK_MS);
show();
live(["queues", "agents"], refresh);
