// How runs are told in words: their state, who asked, how long they waited and worked, what they cost.

import { badge, duration, icon } from "./dom.js";
import { number } from "./format.js";
import { t } from "./texts.js";

const SIGNS = {
  queued: ["clock", "plain"],
  running: ["work", "warm"],
  succeeded: ["done", "good"],
  failed: ["fail", "bad"],
  timed_out: ["fail", "bad"],
  exhausted: ["fail", "bad"],
  cancelled: ["stop", "plain"],
  interrupted: ["fail", "bad"],
  joined: ["done", "plain"],
};
const SOURCES = new Set(["telegram", "web", "task", "agent", "api"]);

export const isFinal = (run) => run.state !== "queued" && run.state !== "running";

/** The state by icon and word. */
export function stateBadge(run) {
  const [symbol, tone] = SIGNS[run.state];
  const made = badge("", tone);
  made.classList.add("run-state");
  made.dataset.state = run.state;
  made.append(icon(symbol), run.stopping ? t("runs.stopping") : t(`runs.state-${run.state}`));
  return made;
}

/** "Task 12", "Agent nightly", "Telegram · Shop", "This page", "A program". */
export function askedBy(run) {
  if (run.task_id !== null) return t("runs.from-task", { id: run.task_id });
  if (run.agent_name) return t("runs.from-agent", { name: run.agent_name });
  const source = SOURCES.has(run.source) ? t(`runs.source-${run.source}`) : run.source;
  return run.topic ? `${source} · ${run.topic}` : source;
}

/** What a run was asked, in one line. */
export const firstLine = (text) => text.trim().split("\n", 1)[0] || "…";

/** "waited 2 s · worked 1 min 3 s", as far as it has come. */
export function times(run, now) {
  const [queued, started] = [Date.parse(run.queued_at), run.started_at ? Date.parse(run.started_at) : null];
  const ended = run.finished_at ? Date.parse(run.finished_at) : null;
  const waited = t(started || ended ? "runs.waited" : "runs.waits", { time: duration((started ?? ended ?? now) - queued, started !== null) });
  if (!started) return waited;
  return `${waited} · ${t(ended ? "runs.worked" : "runs.works", { time: duration((ended ?? now) - started, ended !== null) })}`;
}

/** "12,345 tokens · $0.12", empty when nothing was told. */
export function costs(usage) {
  const tokens = (usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0);
  const parts = tokens ? [t("runs.tokens", { count: number(tokens) })] : [];
  if (usage?.cost_usd) parts.push(`$${usage.cost_usd.toFixed(usage.cost_usd < 0.1 ? 4 : 2)}`);
  return parts.join(" · ");
}

/** Where the conversation, task or agent of a run is shown. */
export function links(run) {
  const found = [];
  if (run.source === "web") found.push([t("runs.to-conversation"), `/#/c/${encodeURIComponent(run.conversation_id)}`]);
  if (run.task_id !== null) found.push([t("runs.to-task", { id: run.task_id }), `/room/board#${run.task_id}`]);
  if (run.agent_name) found.push([t("runs.to-agent", { name: run.agent_name }), `/room/agents#${encodeURIComponent(run.agent_name)}`]);
  found.push([t("runs.to-files"), `/room/files#${new URLSearchParams({ place: `run:${run.id}` })}`]);
  return found;
}
