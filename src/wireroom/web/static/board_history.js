// What became of a task so far: facts, attempts with their runs, and who waits for it.

import { linkTo } from "./board_card.js";
import { badge, byId, duration, el } from "./dom.js";
import { clock, number, timeAgo } from "./format.js";
import { fill } from "./rows.js";
import { t } from "./texts.js";

const TONES = { succeeded: "good", running: "warm", queued: "plain", cancelled: "plain" };

export function showHistory({ task, attempts, needed_by: neededBy }) {
  fill(byId("facts"), task, () => facts(task).flatMap(([name, value]) => [el("dt", { textContent: name }), el("dd", {}, value)]));
  fill(byId("history"), attempts, () => attempts.map(attemptLine));
  byId("history-empty").hidden = attempts.length > 0;
  byId("needed-by").hidden = neededBy.length === 0;
  fill(byId("needed-by").querySelector("ul"), neededBy, () => neededBy.map((one) => el("li", {}, linkTo(one))));
}

function facts(task) {
  const found = [
    [t("board.created"), when(task.createdat)],
    [t("board.updated"), when(task.updatedat)],
  ];
  if (task.failures) found.push([t("board.failures"), number(task.failures)]);
  if (task.next_try_at) found.push([t("board.not-before-field"), clock(task.next_try_at)]);
  if (task.reason) found.push([t("board.reason"), task.reason]);
  return found;
}

/** Another program may have stored any text as a time. */
function when(stamp) {
  return Number.isNaN(Date.parse(stamp ?? "")) ? (stamp ?? "–") : timeAgo(stamp);
}

function attemptLine(attempt) {
  const state = badge(t(`board.state-${attempt.state}`), TONES[attempt.state] ?? "bad");
  const run = el("a", { href: `/room/runs#${encodeURIComponent(attempt.run_id)}`, textContent: t("board.open-run") });
  run.setAttribute("aria-label", `${t("board.open-run")}, ${t("board.attempt", { number: attempt.number })}`);
  const head = el("p", { className: "attempt-head" }, el("strong", { textContent: t("board.attempt", { number: attempt.number }) }), state, el("span", { className: "soft", textContent: figures(attempt) }), run);
  const line = el("li", {}, head);
  if (attempt.error) line.append(el("p", { className: "attempt-error", textContent: attempt.error }));
  if (attempt.result) line.append(el("p", { className: "attempt-result", textContent: attempt.result }));
  return line;
}

function figures({ started_at: started, finished_at: finished, cost_usd: cost }) {
  const words = [clock(started)];
  if (finished) words.push(t("board.took", { time: duration(Date.parse(finished) - Date.parse(started), true) }));
  if (cost !== null) words.push(t("board.cost", { cost: cost.toFixed(2) }));
  return words.join(" · ");
}
