// The agents: the list, and which of its three views is shown. `#<name>` is one agent, `#<name>/edit` its form,
// `#/new` an empty form; names have no "/".

import { showAgent, leaveAgent, refreshAgent, act } from "./agents_detail.js";
import { openForm } from "./agents_form.js";
import { inZone, link, standing } from "./agents_parts.js";
import { call } from "./api.js";
import { byId, el } from "./dom.js";
import { tick, timeAgo } from "./format.js";
import { live } from "./live.js";
import { button, complain, quietly } from "./notices.js";
import { fill, setText, showRows } from "./rows.js";
import { t } from "./texts.js";

const PIECE = 50;
const MOST = 200;
const TICK_MS = 15_000;
const SEARCH_MS = 200;
/** True while nobody could be asked for what the address names. */
let isMissing = false;
const list = { kind: "scheduled", limit: PIECE, asked: 0 };

async function refreshList() {
  list.asked += 1;
  const asked = list.asked;
  const wanted = new URLSearchParams({ kind: list.kind, search: byId("agents-search").value.trim(), limit: list.limit });
  const found = await call("GET", `/api/agents?${wanted}`);
  if (asked !== list.asked) return;
  showRows(byId("agents-rows"), found.agents, { key: (line) => line.name, make: makeRow, update: updateRow });
  byId("agents-table").hidden = !found.agents.length;
  byId("agents-more").hidden = !found.next_cursor || list.limit >= MOST;
  byId("agents-most").hidden = !found.next_cursor || list.limit < MOST;
  setText(byId("agents-most"), t("agents.most", { count: MOST }));
  showEmpty(found.agents.length > 0);
}

function showEmpty(isFull) {
  byId("agents-empty").hidden = isFull;
  const isSearched = byId("agents-search").value.trim() !== "";
  setText(byId("agents-empty-title"), t(isSearched ? "agents.none-title" : "agents.empty-title"));
  const help = document.body.dataset.role === "viewer" ? "agents.empty-viewer" : "agents.empty-text";
  setText(byId("agents-empty-text"), t(isSearched ? "agents.none-text" : help));
}

function makeRow({ name }) {
  const run = button(t("agents.run"), "button small", () => act(name, "run"));
  run.setAttribute("aria-label", t("agents.run-name", { name }));
  const pause = button("", "button small pauses", () => act(name, pause.dataset.does));
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, el("a", { href: link(name), textContent: name, className: "agent-link" }), el("div", { className: "soft cut target" })),
    el("td", { className: "when" }),
    el("td", { className: "next" }),
    el("td", { className: "stands" }, el("div", { className: "badges" }), el("div", { className: "soft last" })),
    el("td", { className: "row-actions" }, el("span", { className: "owner-only" }, run, pause)),
  );
}

function updateRow(row, line) {
  const part = (name) => row.querySelector(`.${name}`);
  setText(part("target"), line.target);
  fill(part("when"), [line.words, line.timezone], () => [
    el("div", { textContent: line.words ?? t("agents.one-time") }),
    el("div", { className: "soft", textContent: line.words ? line.timezone : "" }),
  ]);
  fill(part("next"), [line.next[0], line.state], () => nextParts(line));
  fill(part("badges"), [line.state, line.running > 0, line.failures], () => standing(line));
  fill(part("last"), line.last, () => lastParts(line.last));
  updatePause(part("pauses"), line);
}

function nextParts(line) {
  if (line.next.length) return [el("div", {}, timeAgo(line.next[0])), el("div", { className: "soft", textContent: inZone(line.next[0], line.timezone) })];
  return [el("span", { className: "soft", textContent: line.state === "paused" ? t("agents.paused-next") : "–" })];
}

function lastParts(last) {
  if (!last) return [];
  const error = last.state === "dead" ? (last.error ?? "") : "";
  const parts = [`${t(`agents.verdict-${last.state}`)} `, timeAgo(last.finished_at)];
  return error ? [el("div", {}, ...parts), el("div", { className: "cut error", textContent: error, title: error })] : parts;
}

function updatePause(button, line) {
  const does = line.state === "paused" ? "resume" : "pause";
  button.hidden = !["active", "paused"].includes(line.state);
  if (button.dataset.does === does) return;
  button.dataset.does = does;
  button.setAttribute("aria-label", t(`agents.${does}-name`, { name: line.name }));
  button.textContent = t(`agents.${does}`);
}

/** Show the view that the address names. */
async function show() {
  const [name, rest] = location.hash.slice(1).split("/");
  const isForm = rest === "edit" || rest === "new";
  const views = { "agents-list": !name && !isForm, agent: Boolean(name) && !isForm, "agent-form-room": isForm };
  for (const [id, isShown] of Object.entries(views)) byId(id).hidden = !isShown;
  if (!views.agent) leaveAgent();
  isMissing = false;
  try {
    if (isForm) await openForm(name ? decodeURIComponent(name) : null);
    else if (name) await showAgent(decodeURIComponent(name));
    else await refreshList();
  } catch (error) {
    if (error.status === undefined) throw error;
    isMissing = Boolean(error.passes);
    complain(error.message);
  }
}

async function refresh() {
  tick();
  if (isMissing) await show();
  else if (!byId("agent").hidden) await refreshAgent();
  else if (!byId("agents-list").hidden) await refreshList();
}

for (const tab of document.querySelectorAll("[data-kind]")) {
  tab.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-kind]")) other.setAttribute("aria-pressed", String(other === tab));
    Object.assign(list, { kind: tab.dataset.kind, limit: PIECE });
    refreshList().catch((error) => complain(error.message));
  });
}
let typing = 0;
byId("agents-search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => refreshList().catch((error) => complain(error.message)), SEARCH_MS);
});
byId("agents-more").addEventListener("click", () => {
  list.limit = Math.min(MOST, list.limit + PIECE);
  refreshList().catch((error) => complain(error.message));
});
addEventListener("hashchange", () => show().then(() => (byId("content").scrollTop = 0)));
// Some things come with time alone, such as a call that becomes due.
setInterval(() => document.visibilityState === "visible" && quietly(refresh), TICK_MS);
show();
live(["agents"], refresh);
