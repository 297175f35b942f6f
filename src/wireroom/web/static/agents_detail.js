// One agent: when it is due, what it does, how its calls went; and the buttons that act on it.

import { inZone, lasted, link, nextLines, path, queueLink, standing, verdict, viewPath } from "./agents_parts.js";
import { call } from "./api.js";
import { byId, duration, el, icon } from "./dom.js";
import { timeAgo } from "./format.js";
import { ask, attempt, complain, tell } from "./notices.js";
import { fill, setText, showRows } from "./rows.js";
import { t } from "./texts.js";

const PIECE = 25;
const MOST = 1000;
const HEAD_CHARS = 240;
const SAID_CHARS = 60;
const shown = { name: null, line: null, limit: PIECE, asked: 0 };

export async function showAgent(name) {
  if (shown.name !== name) {
    Object.assign(shown, { name, line: null, limit: PIECE });
    byId("calls").replaceChildren();
  }
  await refreshAgent();
  byId("agent-name").focus();
}

export function leaveAgent() {
  shown.name = null;
}

/** Ask anew for the agent that is shown, and for as many of its calls as are shown. */
export async function refreshAgent() {
  const { name } = shown;
  if (name === null) return;
  shown.asked += 1;
  const { asked } = shown;
  let found;
  try {
    found = await Promise.all([call("GET", viewPath(name)), call("GET", path(name, `/calls?limit=${shown.limit}`))]);
  } catch (error) {
    if (error.status !== 404 || shown.name !== name) throw error;
    complain(t("agents.gone", { name }));
    location.hash = "";
    return;
  }
  if (shown.asked !== asked || shown.name !== name) return;
  shown.line = found[0];
  update(found[0]);
  updateCalls(found[1]);
}

function update(line) {
  setText(byId("agent-name"), line.name);
  fill(byId("agent-badges"), [line.state, line.running > 0, line.failures], () => standing(line));
  const isScheduled = line.words !== null;
  updatePause(line.state);
  byId("agent-edit").hidden = !isScheduled;
  byId("agent-edit").href = link(line.name, "/edit");
  setText(byId("agent-words"), isScheduled ? `${line.words}, ${line.timezone}` : t("agents.one-time"));
  fill(byId("agent-next"), [line.next, line.state, line.starts_at, line.ends_at], () => [...bounds(line), ...nextOf(line)]);
  setText(byId("agent-target"), line.definition.prompt ?? line.target);
  fill(byId("agent-facts"), [line.definition, line.updated_at], () => facts(line).flatMap(([name, value]) => [el("dt", { textContent: t(`agents.fact-${name}`) }), el("dd", {}, value)]));
}

function updatePause(state) {
  const button = byId("agent-pause");
  const does = state === "paused" ? "resume" : "pause";
  button.hidden = !["active", "paused"].includes(state);
  if (button.dataset.does === does) return;
  button.dataset.does = does;
  button.replaceChildren(icon(does === "pause" ? "pause" : "again"), t(`agents.${does}`));
}

function bounds({ starts_at: starts, ends_at: ends }) {
  const known = [starts && t("agents.starts", { time: plain(starts) }), ends && t("agents.ends", { time: plain(ends) })];
  return known.filter(Boolean).map((text) => el("li", { className: "soft", textContent: text }));
}

const plain = (time) => time.replace("T", " ");

function nextOf(line) {
  if (line.next.length) return nextLines(line.next, line.timezone);
  const text = line.state === "paused" ? t("agents.paused-next") : t("agents.no-next");
  return [el("li", { className: "soft", textContent: text })];
}

function facts({ definition, queue, updated_at: updatedAt }) {
  const { schedule, overlap, missed, retry, headers, body, options, timeout, oneTime } = definition;
  const isSet = (value) => value !== null && value !== undefined && (typeof value !== "object" || Object.keys(value).length > 0);
  const json = (value) => (typeof value === "string" ? value : JSON.stringify(value));
  return [
    ["schedule", oneTime ? null : el("span", { className: "mono", textContent: json(schedule) })],
    ["queue", el("a", { href: queueLink(queue), textContent: queue })],
    ["timeout", timeout ? span(timeout) : null],
    ["headers", isSet(headers) ? el("span", { className: "mono", textContent: Object.keys(headers).join(", ") }) : null],
    ["body", isSet(body) ? el("span", { className: "mono", textContent: json(body).slice(0, HEAD_CHARS) }) : null],
    ["options", isSet(options) ? el("span", { className: "mono", textContent: Object.entries(options).map(([name, value]) => `${name}: ${json(value)}`).join(", ") }) : null],
    ["overlap", t(`agents.overlap-${overlap}`)],
    ["missed", oneTime ? null : missedText(missed)],
    ["retry", retryText(retry)],
    ["changed", timeAgo(updatedAt)],
  ].filter(([, value]) => value !== null);
}

/** A time that people have chosen: "5 min", "90 s" as "1 min 30 s", "500 ms". */
const span = (ms) => (ms % 1000 ? lasted(ms) : duration(ms).replace(/ 0 (s|min)$/, ""));

function missedText(missed) {
  const [kind, value] = missed.split(":");
  if (kind === "late") return t("agents.missed-late-text", { time: span(parseInt(value, 10) * (value.endsWith("ms") ? 1 : 1000)) });
  return kind === "all" ? t("agents.missed-all-text", { count: value }) : t(`agents.missed-${kind}`);
}

function retryText({ attempts, backoff, maxBackoff }) {
  if (attempts === 1) return t("agents.fact-retry-once");
  return t("agents.fact-retry-text", { attempts, first: span(backoff), most: span(maxBackoff) });
}

function updateCalls({ calls, next }) {
  showRows(byId("calls"), calls, { key: (one) => one.id, make: makeCall, update: updateCall });
  byId("calls-table").hidden = !calls.length;
  byId("calls-empty").hidden = calls.length > 0;
  byId("calls-more").hidden = !next || shown.limit >= MOST;
}

const makeCall = () => el("tr", {}, ...["call-when", "call-verdict", "call-took number", "call-answer", "row-actions"].map((className) => el("td", { className })));

function updateCall(row, one) {
  const [when, result, took, answer, actions] = row.children;
  const { timezone } = shown.line;
  fill(when, [one.startedAt, one.dueAt, one.state], () => whenParts(one, timezone));
  fill(result, [one.state, one.reason, one.attempts, one.slots, one.catchUp], () => resultParts(one));
  setText(took, one.durationMs === undefined ? "" : lasted(one.durationMs));
  fill(answer, [one.statusCode, one.error, one.responseHead], () => answerParts(one));
  fill(actions, [one.state, one.runId], () => actionParts(one));
}

function whenParts(one, zone) {
  const at = one.state === "waiting" ? one.dueAt : (one.startedAt ?? one.slot ?? one.createdAt);
  return [el("div", {}, timeAgo(at)), el("div", { className: "soft", textContent: inZone(at, zone) })];
}

function resultParts(one) {
  const notes = [one.reason, one.slots && t("agents.slots", { count: one.slots }), one.attempts > 1 && t("agents.tries", { count: one.attempts })];
  return [verdict(one.state), el("div", { className: "soft", textContent: notes.filter(Boolean).join(", ") })];
}

function answerParts(one) {
  const head = one.responseHead ?? "";
  const status = one.statusCode === undefined || one.error ? [] : [el("span", { className: "count", textContent: `${one.statusCode} ` })];
  const error = one.error ? [el("div", { className: "bad-text", textContent: one.error })] : [];
  const isSaid = one.error?.includes(head.trim().slice(0, SAID_CHARS));
  const text = head && !isSaid ? [el("div", { className: "mono answer", textContent: head.slice(0, HEAD_CHARS) + (head.length > HEAD_CHARS ? " …" : "") })] : [];
  return [...status, ...error, ...text];
}

function actionParts(one) {
  const made = [];
  if (one.runId) {
    const run = el("a", { className: "button small", href: `/room/runs#${encodeURIComponent(one.runId)}`, textContent: t("agents.to-run") });
    run.setAttribute("aria-label", t("agents.to-run-name", { id: one.id }));
    made.push(run);
  }
  if (one.state === "dead") {
    const again = el("button", { type: "button", className: "button small owner-only", textContent: t("agents.retry") });
    again.setAttribute("aria-label", t("agents.retry-name", { id: one.id }));
    again.addEventListener("click", () => press(again, async () => {
      await call("POST", path(one.agent, `/calls/${one.id}/retry`));
      tell(t("agents.retried", { id: one.id }));
    }));
    made.push(again);
  }
  return made;
}

/** Run, pause or resume an agent, and say so. */
export function act(name, what) {
  const said = { run: "agents.call-asked", pause: "agents.paused-now", resume: "agents.resumed-now" };
  return attempt(async () => {
    await call("POST", path(name, `/${what}`), {});
    tell(t(said[what], { name }));
  });
}

/** Do what a button asks for, once at a time, and show what came of it. */
async function press(button, work) {
  button.disabled = true;
  await attempt(async () => {
    await work();
    await refreshAgent();
  });
  button.disabled = false;
}

async function remove() {
  const { name } = shown;
  if (!(await ask({ title: t("agents.delete-title", { name }), text: t("agents.delete-text"), yes: t("agents.delete") }))) return;
  await press(byId("agent-delete"), async () => {
    await call("DELETE", path(name));
    leaveAgent();
    tell(t("agents.deleted", { name }));
    location.hash = "";
  });
}

byId("agent-run").addEventListener("click", () => press(byId("agent-run"), () => act(shown.name, "run")));
byId("agent-pause").addEventListener("click", () => press(byId("agent-pause"), () => act(shown.name, byId("agent-pause").dataset.does)));
byId("agent-delete").addEventListener("click", remove);
byId("calls-more").addEventListener("click", () => {
  shown.limit = Math.min(MOST, shown.limit * 2);
  press(byId("calls-more"), async () => {});
});
