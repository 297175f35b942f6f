// The task operator: on or off, what it has at work, and who turned it last.

import { call } from "./api.js";
import { byId, el } from "./dom.js";
import { number, timeAgo } from "./format.js";
import { ask, complain, tell } from "./notices.js";
import { fill, setText } from "./rows.js";
import { t } from "./texts.js";

const PATH = "/task-operator";
const MAY_CHANGE = document.body.dataset.role !== "viewer";
const WHO = ["page", "program", "network"];

export async function refreshOperator() {
  const found = await call("GET", PATH);
  const toggle = byId("operator-switch");
  if (toggle.dataset.busy === undefined) {
    toggle.checked = found.enabled;
    toggle.disabled = !MAY_CHANGE;
  }
  byId("operator").dataset.on = String(found.enabled);
  byId("operator").setAttribute("aria-busy", "false");
  setText(byId("operator-state"), t(found.enabled ? "settings.operator-on" : "settings.operator-off"));
  fill(byId("operator-facts"), found, () => facts(found));
  byId("operator-unlock").hidden = found.atWork.length + found.inProgressElsewhere.length === 0;
}

function facts(found) {
  const lines = [
    ["last-action", lastAction(found)],
    ["at-work", found.atWork.length ? found.atWork.flatMap(workLink) : [t("settings.at-work-none")]],
    ["lock", [found.atWork.length ? counted("settings.lock-held", found.atWork.length) : t("settings.lock-free")]],
    ["waiting", [counted("settings.waiting-count", found.counts.ready)]],
  ];
  if (found.inProgressElsewhere.length) lines.push(["elsewhere", [t("settings.elsewhere-tasks", { tasks: found.inProgressElsewhere.join(", ") })]]);
  return lines.flatMap(([name, shown]) => [el("dt", { textContent: t(`settings.${name}`) }), el("dd", {}, ...shown)]);
}

function workLink({ taskId, runId }, place) {
  const link = el("a", { href: `/room/runs#${runId}`, textContent: t("settings.at-work-task", { task: taskId }) });
  return place ? [", ", link] : [link];
}

function lastAction({ enabled, lastChange }) {
  if (!lastChange) return [t("settings.last-none")];
  if (lastChange.enabled !== enabled) return [t("settings.turned-elsewhere")];
  const who = WHO.includes(lastChange.who) ? t(`settings.who-${lastChange.who}`) : lastChange.who;
  const [before, after] = t(enabled ? "settings.turned-on" : "settings.turned-off", { ago: "\n", who }).split("\n");
  return [before, timeAgo(lastChange.at), after ?? ""];
}

const counted = (key, count) => t(count === 1 ? `${key}-1` : key, { count: number(count) });

async function turn() {
  const toggle = byId("operator-switch");
  const wanted = toggle.checked;
  toggle.dataset.busy = "";
  try {
    await call(wanted ? "POST" : "DELETE", PATH, wanted ? {} : undefined);
    tell(t(wanted ? "settings.now-on" : "settings.now-off"));
  } catch (error) {
    complain(error.message);
  } finally {
    delete toggle.dataset.busy;
    await refreshOperator().catch((error) => complain(error.message));
  }
}

async function unlock() {
  if (!(await ask({ title: t("settings.unlock-ask"), text: t("settings.unlock-text"), yes: t("settings.unlock") }))) return;
  try {
    await call("DELETE", `${PATH}/lock`);
    tell(t("settings.unlocked"));
    await refreshOperator();
  } catch (error) {
    complain(error.message);
  }
}

byId("operator-switch").addEventListener("change", turn);
byId("operator-unlock").addEventListener("click", unlock);
