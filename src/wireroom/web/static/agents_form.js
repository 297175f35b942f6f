// The form that makes an agent or changes one. What is wrong is told at its field before anything is stored.

import { link, path, viewPath } from "./agents_parts.js";
import { chooseKind, missing, preview, schedule, showSchedule } from "./agents_schedule.js";
import { call } from "./api.js";
import { byId, el } from "./dom.js";
import { keepDraft, keptDraft } from "./drafts.js";
import { complain, tell } from "./notices.js";
import { setText } from "./rows.js";
import { t } from "./texts.js";

const OPTIONS = ["repository", "branch", "backend", "model"];
const CHOICES = ["checkbox", "radio"];
const DRAFT = "agent";
const USUAL_CAP_MS = 300_000;
const field = (name) => byId(`f-${name}`);
const open = { name: undefined, known: null, before: null, began: [] };

/** Show the form: empty for `null`, else with what the agent is. What somebody is writing is left alone. */
export async function openForm(name) {
  if (open.name === name) return focusTitle();
  // Not before it is filled: what somebody wrote into it would be lost.
  byId("agent-form").hidden = true;
  const asked = [name === null ? "/api/agents?limit=1" : viewPath(name), "/api/queues", "/api/backends"];
  const [found, { queues }, { backends }] = await Promise.all(asked.map((one) => call("GET", one)));
  for (const [id, known] of [["queue-names", queues], ["backends", backends.filter((one) => one.is_ready)]]) {
    byId(id).replaceChildren(...known.map((one) => el("option", { value: one.name })));
  }
  Object.assign(open, { name, known: name === null ? null : found.definition });
  showFields(open.known ?? {}, found.timezone);
  open.before = open.known && read();
  takeUp(keptDraft(DRAFT));
  clearWrongs();
  byId("agent-form").hidden = false;
  return focusTitle();
}

/** Keep what somebody is writing, field by field, across a reload of the page. */
const keep = () => keepDraft(DRAFT, { name: open.name, began: open.began, said: values() });

/** Go on with what was being written about this agent; fields that nobody touched are as the agent is now. */
function takeUp(draft) {
  const fields = controls();
  open.began = values();
  if (draft?.name !== open.name || draft.said.length !== fields.length) return;
  const touched = [...fields.keys()].filter((place) => draft.said[place] !== draft.began[place]);
  for (const place of touched) fields[place][held(fields[place])] = draft.said[place];
  choose();
  chooseKind();
}

const controls = () => [...byId("agent-form").querySelectorAll("input, select, textarea")];
const held = (control) => (CHOICES.includes(control.type) ? "checked" : "value");
const values = () => controls().map((control) => control[held(control)]);

function focusTitle() {
  const { name } = open;
  setText(byId("form-title"), name === null ? t("agents.form-new") : t("agents.form-edit", { name }));
  const away = name === null ? "#" : link(name);
  byId("form-cancel").href = byId("form-back").href = away;
  byId(name === null ? "f-name" : "form-title").focus();
}

function showFields(known, zone) {
  byId("agent-form").reset();
  field("name").value = known.name ?? "";
  field("name").disabled = Boolean(known.name);
  const action = known.targetUrl ? "call" : "prompt";
  for (const choice of document.querySelectorAll("[name=action]")) {
    choice.checked = choice.value === action;
    choice.disabled = Boolean(known.name);
  }
  const { options = {}, method = "POST", headers = {}, retry } = known;
  for (const name of OPTIONS) field(name).value = options[name] ?? "";
  field("branch").value ||= options.branchName ?? "";
  const values = { prompt: known.prompt, method, targetUrl: known.targetUrl, headers: headerText(headers), body: bodyText(known.body), queue: known.queue };
  for (const [name, value] of Object.entries(values)) field(name).value = value ?? "";
  field("timeout").value = known.timeout ? known.timeout / 1000 : "";
  field("overlap").value = known.overlap ?? "";
  showMissed(known.missed ?? "once");
  field("attempts").value = retry?.attempts ?? "";
  field("backoff").value = retry ? retry.backoff / 1000 : "";
  showSchedule(known.schedule ?? null, known.timezone ?? zone);
  choose();
}

const headerText = (headers) => Object.entries(headers).map(([name, value]) => `${name}: ${value}`).join("\n");

function bodyText(body) {
  if (body === null || body === undefined) return "";
  return typeof body === "string" ? body : JSON.stringify(body, null, 2);
}

function showMissed(missed) {
  const [kind, value = ""] = missed.split(":");
  field("missed").value = kind;
  const seconds = value.endsWith("ms") ? parseInt(value, 10) / 1000 : parseInt(value, 10);
  if (value) field("most").value = kind === "late" ? seconds / 60 : value;
}

/** Show the fields that belong to what is chosen. */
function choose() {
  const { action, kind, missed } = chosen();
  for (const part of document.querySelectorAll("#agent-form [data-action]")) part.hidden = part.dataset.action !== action;
  const hasMost = ["late", "all"].includes(missed);
  document.querySelector('[data-field="most"]').hidden = !hasMost;
  if (hasMost) setText(document.querySelector('[for="f-most"]'), t(`agents.most-${missed}`));
  const isOnce = ["now", "at"].includes(kind);
  setText(byId("form-save"), t(open.known ? "agents.form-save" : isOnce && kind === "now" ? "agents.form-call" : "agents.form-create"));
}

const chosen = () => ({ action: document.querySelector("[name=action]:checked").value, kind: field("kind").value, missed: field("missed").value });

/** Return the form's fields as `POST /agents` takes them. */
function read() {
  const { action } = chosen();
  const rules = { queue: field("queue").value.trim() || "default", timezone: field("timezone").value.trim(), missed: readMissed(), retry: readRetry() };
  if (field("overlap").value) rules.overlap = field("overlap").value;
  return { name: field("name").value.trim(), ...(action === "call" ? readCall() : readPrompt()), ...schedule(), ...rules };
}

function readPrompt() {
  const kept = Object.entries(open.known?.options ?? {}).filter(([name]) => !OPTIONS.includes(name) && name !== "branchName");
  const said = OPTIONS.map((name) => [name, field(name).value.trim()]).filter(([, value]) => value);
  return { prompt: field("prompt").value, options: Object.fromEntries([...kept, ...said]) };
}

function readCall() {
  const timeout = field("timeout").value ? { timeout: Math.round(Number(field("timeout").value) * 1000) } : {};
  return { targetUrl: field("targetUrl").value.trim(), method: field("method").value, headers: readHeaders(), body: readBody(), ...timeout };
}

/** Return the headers; a line without a colon makes a name that the check refuses. */
function readHeaders() {
  const lines = field("headers").value.split("\n").filter((line) => line.trim());
  return Object.fromEntries(lines.map((line) => [line.split(":", 1)[0].trim(), line.includes(":") ? line.slice(line.indexOf(":") + 1).trim() : ""]));
}

function readBody() {
  const text = field("body").value;
  if (!text.trim()) return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function readMissed() {
  const { missed } = chosen();
  if (missed === "late") return `late:${Math.round(Number(field("most").value) * 60)}s`;
  return missed === "all" ? `all:${field("most").value}` : missed;
}

function readRetry() {
  const said = {};
  if (field("attempts").value) said.attempts = Number(field("attempts").value);
  if (field("backoff").value) Object.assign(said, { backoff: Math.round(Number(field("backoff").value) * 1000), maxBackoff: open.known?.retry.maxBackoff ?? USUAL_CAP_MS });
  return Object.keys(said).length ? said : null;
}

async function save(event) {
  event.preventDefault();
  clearWrongs();
  const wrongs = unfilled();
  if (wrongs.length) return showWrongs(wrongs);
  const fields = read();
  byId("form-save").disabled = true;
  try {
    const { problems } = await call("POST", `/api/agents/check?fresh=${open.known === null}`, fields);
    if (problems.length) return showWrongs(problems.map((problem) => [problem.field, problem.message]));
    await store(fields);
  } catch (error) {
    if (error.status === undefined) throw error;
    const trouble = byId("form-trouble");
    setText(trouble, error.message);
    trouble.hidden = false;
  } finally {
    byId("form-save").disabled = false;
  }
  return undefined;
}

async function store(fields) {
  const { name } = fields;
  if (open.known) {
    const changed = Object.entries(fields).filter(([key, value]) => JSON.stringify(value) !== JSON.stringify(open.before[key]));
    if (changed.length) await call("PATCH", path(name), Object.fromEntries(changed));
  } else {
    await call("POST", "/agents", fields);
  }
  tell(t(open.known ? "agents.saved" : "agents.created", { name }));
  leave();
  location.hash = link(name);
}

function unfilled() {
  const { action } = chosen();
  const wanted = ["name", action === "call" ? "targetUrl" : "prompt"].filter((name) => !field(name).value.trim());
  const headers = action === "call" && field("headers").value.split("\n").some((line) => line.trim() && !line.includes(":"));
  return [...wanted.map((name) => [name, t("agents.required")]), ...(headers ? [["headers", t("agents.headers-wrong")]] : []), ...missing()];
}

function clearWrongs() {
  for (const line of document.querySelectorAll("#agent-form .wrong")) line.hidden = true;
  for (const input of document.querySelectorAll("#agent-form [aria-invalid]")) input.removeAttribute("aria-invalid");
}

/** Say what is wrong, each at its field, and go to the first. */
function showWrongs(wrongs) {
  for (const [name, message] of wrongs) {
    const line = byId(`w-${name}`) ?? byId("form-trouble");
    setText(line, message);
    line.hidden = false;
    line.closest("details")?.setAttribute("open", "");
    const input = field(name);
    if (!input) continue;
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", [`w-${name}`, byId(`h-${name}`) && `h-${name}`].filter(Boolean).join(" "));
  }
  const first = document.querySelector("#agent-form [aria-invalid]") ?? byId("form-save");
  first.focus();
}

function leave() {
  open.name = undefined;
  keepDraft(DRAFT, null);
}

byId("agent-form").addEventListener("submit", (event) => save(event).catch((error) => complain(error.message)));
byId("agent-form").addEventListener("change", choose);
for (const sign of ["input", "change"]) byId("agent-form").addEventListener(sign, keep);
byId("form-cancel").addEventListener("click", leave);
byId("form-back").addEventListener("click", leave);
byId("agent-form").addEventListener("input", (event) => event.target.getAttribute("aria-invalid") && event.target.id !== "f-cron" && event.target.removeAttribute("aria-invalid"));
addEventListener("focus", () => !byId("agent-form-room").hidden && preview());
