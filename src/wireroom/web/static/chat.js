// The page: which conversation is shown, and what the live stream, the outbox and people's wishes do to it.

import { call } from "./api.js";
import { Composer } from "./composer.js";
import { announce, byId } from "./dom.js";
import { Drawer } from "./drawer.js";
import { Outbox } from "./outbox.js";
import { firstLine, withFiles } from "./prompt.js";
import { RunView, isFinal } from "./run.js";
import { closeMenu, showConnection as showSign } from "./shell.js";
import { Stream } from "./stream.js";
import { t } from "./texts.js";

const NEAR_END_PX = 80;
const MOST_RUNS = 500;

const views = new Map(); // by request id, in the order shown
const logs = new Map(); // lines of open runs, by run id: kept while their conversation is not shown
let shownId = null;
let currentId = null;
let limit = 50;

const scroller = byId("scroller");
const drawer = new Drawer();
const composer = new Composer(say);
const outbox = new Outbox({
  sent: (item) => views.get(item.request_id)?.note(""),
  waits: (item, error) => views.get(item.request_id)?.note(t(error.status === 401 ? "chat.not-sent-login" : "chat.not-sent")),
  refused: (item, error) => {
    views.get(item.request_id)?.element.remove();
    views.delete(item.request_id);
    composer.giveBack(item.text);
    composer.complain(error.message);
  },
});

function say(text, files) {
  const item = outbox.add(text, files.map((file) => file.id));
  showView(item.request_id, withFiles(text, files)).note(t("chat.sending"));
  settleWelcome();
  toEnd();
  outbox.flush();
}

const act = {
  stop: (run, button) => wish(button, `/api/runs/${encodeURIComponent(run.id)}/cancel`),
  again: async (run, button) => {
    const asked = await wish(button, `/api/runs/${encodeURIComponent(run.id)}/retry`);
    if (asked && !asked.created) views.get(asked.request_id)?.element.scrollIntoView({ behavior: "smooth" });
    if (asked?.created) toEnd();
  },
};

/** Ask for something that the stream will show once it has happened. */
async function wish(button, path) {
  button.disabled = true;
  try {
    return await call("POST", path);
  } catch (error) {
    button.disabled = false;
    if (error.status !== 409) composer.complain(error.message);
    return null;
  }
}

function showView(requestId, prompt) {
  if (!views.has(requestId)) {
    const view = new RunView(requestId, prompt, act);
    views.set(requestId, view);
    byId("runs").append(view.element);
  }
  return views.get(requestId);
}

function showRun(run) {
  const view = showView(run.request_id, run.prompt);
  const before = view.run?.state;
  view.update(run);
  if (logs.has(run.id)) view.addEvents(logs.get(run.id));
  return before;
}

function showChat(chat, isCurrent) {
  const kept = stuckToEnd();
  shownId = chat.conversation?.id ?? null;
  if (isCurrent) currentId = shownId;
  views.clear();
  byId("runs").replaceChildren();
  chat.runs.forEach(showRun);
  if (isCurrent) outbox.items().forEach((item) => showView(item.request_id, item.text).note(t("chat.sending")));
  byId("title").textContent = titleOf(chat);
  byId("past-note").hidden = isCurrent;
  byId("show-earlier").hidden = !chat.earlier || limit >= MOST_RUNS;
  byId("runs").classList.toggle("past", !isCurrent);
  composer.shown = isCurrent;
  settleWelcome();
  drawer.refresh(shownId, currentId);
  if (kept) toEnd();
}

function titleOf(chat) {
  return chat.conversation?.title || firstLine(chat.runs[0]?.prompt) || t("chat.new");
}

function settleWelcome() {
  byId("welcome").hidden = views.size > 0 || shownId !== currentId;
}

/** Load what the address asks for: `#/` the current conversation, `#/c/<id>` an earlier one. */
async function load() {
  const wanted = location.hash.match(/^#\/c\/(.+)$/)?.[1];
  const path = wanted ? `/api/chat/conversations/${wanted}` : "/api/chat";
  try {
    const chat = await call("GET", `${path}?limit=${limit}`);
    if (wanted === location.hash.match(/^#\/c\/(.+)$/)?.[1]) showChat(chat, !wanted || chat.conversation.is_current);
    return chat;
  } catch (error) {
    if (error.status === 404) location.hash = "#/";
    else composer.complain(error.message);
    return null;
  }
}

function takeNews(news) {
  const kept = stuckToEnd();
  const wasCurrent = shownId === currentId;
  const lines = groupByRun(news.events);
  for (const [runId, events] of lines) logs.set(runId, [...(logs.get(runId) ?? []), ...events]);
  if (news.conversation_id !== currentId) changeCurrent(news.conversation_id, wasCurrent);
  for (const run of news.runs) {
    if (run.conversation_id === shownId) tellOfEnd(showRun(run), run);
  }
  for (const [runId, events] of lines) {
    const view = [...views.values()].find((one) => one.run?.id === runId);
    view?.addEvents(events);
  }
  for (const run of news.runs) if (isFinal(run.state)) logs.delete(run.id);
  settleWelcome();
  if (kept) toEnd();
  else byId("to-end").hidden = false;
}

function groupByRun(events) {
  const groups = new Map();
  for (const event of events) groups.set(event.run_id, [...(groups.get(event.run_id) ?? []), event]);
  return groups;
}

/** Another conversation is current now, begun here or elsewhere. */
function changeCurrent(id, wasCurrent) {
  const first = shownId === null && wasCurrent;
  currentId = id;
  if (first) shownId = id;
  else if (wasCurrent) load();
  drawer.refresh(shownId, currentId);
}

function tellOfEnd(before, run) {
  if (before === run.state) return;
  if (before === undefined || run.state === "running") {
    if (byId("title").textContent === t("chat.new")) byId("title").textContent = firstLine(run.prompt);
    drawer.refresh(shownId, currentId);
  }
  if (isFinal(run.state)) announce(run.state === "succeeded" ? t("chat.arrived") : t("chat.ended", { state: t(`chat.state-${run.state}`) }));
}

function stuckToEnd() {
  return scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PX;
}

function toEnd() {
  scroller.scrollTop = scroller.scrollHeight;
  byId("to-end").hidden = true;
}

function showConnection(state) {
  showSign(state);
  if (state === "live") outbox.flush();
  if (state === "logged-out") composer.complain(t("common.logged-out-help"));
}

async function begin() {
  const chat = location.hash.startsWith("#/c/") ? await Promise.all([call("GET", "/api/chat?limit=1").catch(() => null), load()]).then(([now]) => now) : await load();
  if (chat === null) return setTimeout(begin, 2000);
  currentId = chat.conversation?.id ?? null;
  new Stream({ path: "/api/chat/stream", event: "news", cursor: chat.cursor }, { message: takeNews, state: showConnection, stale: () => location.reload() }).open();
  outbox.flush();
  // On a touch screen that would bring up the keyboard.
  if (matchMedia("(hover: hover)").matches && shownId === currentId) composer.focus();
}

scroller.addEventListener("scroll", () => stuckToEnd() && (byId("to-end").hidden = true), { passive: true });
byId("to-end").addEventListener("click", toEnd);
byId("show-earlier").addEventListener("click", () => {
  limit = MOST_RUNS;
  load();
});
byId("new-conversation").addEventListener("click", async () => {
  try {
    await call("POST", "/api/chat/new");
    closeMenu();
    if (location.hash && location.hash !== "#/") location.hash = "#/";
    else await load();
    composer.focus();
  } catch (error) {
    composer.complain(error.message);
  }
});
addEventListener("hashchange", async () => {
  closeMenu();
  limit = 50;
  await load();
  toEnd();
  byId("title").focus();
});
setInterval(() => views.forEach((view) => view.tick(Date.now())), 1000);
begin();
