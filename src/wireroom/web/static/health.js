// What is wrong and how to mend it, and what Wireroom runs on; looked at when asked, and every minute.

import { call } from "./api.js";
import { sentence, withCode } from "./code_words.js";
import { announce, badge, byId, el, icon } from "./dom.js";
import { clock, number } from "./format.js";
import { showFacts, showReady } from "./health_facts.js";
import { live } from "./live.js";
import { complain } from "./notices.js";
import { fill, setText } from "./rows.js";
import { t } from "./texts.js";

const EVERY_MS = 60_000;
const READY_MS = 10_000;
const SIGNS = { fine: ["done", "good"], problem: ["note", "warm"], fatal: ["fail", "bad"] };
const RANK = ["fatal", "problem", "fine"];
let looking = null;

/** Look at everything, once at a time. */
function look() {
  looking ??= lookNow().finally(() => (looking = null));
  return looking;
}

async function lookNow() {
  byId("verdict").setAttribute("aria-busy", "true");
  byId("look").disabled = true;
  try {
    const [found, ready] = await Promise.all([call("GET", "/api/doctor"), askReady()]);
    show(found);
    showReady(ready);
  } catch (error) {
    showVerdict("problem", t("health.unseen"));
    throw error;
  } finally {
    byId("verdict").setAttribute("aria-busy", "false");
    byId("look").disabled = false;
  }
}

/** `/ready` answers 503 with the same body when something is missing. */
async function askReady() {
  try {
    const response = await fetch("/ready", { signal: AbortSignal.timeout(READY_MS) });
    return await response.json();
  } catch {
    return null;
  }
}

function show(found) {
  const wrong = found.findings.filter((one) => one.verdict !== "fine");
  const count = wrong.length + found.problems.length;
  const worst = wrong.some((one) => one.verdict === "fatal") ? "fatal" : count ? "problem" : "fine";
  const texts = { fine: t("health.all-fine"), problem: count === 1 ? t("health.to-mend-1") : t("health.to-mend", { count: number(count) }), fatal: t("health.cannot-work") };
  showVerdict(worst, texts[worst]);
  byId("looked-at").dataset.at = found.looked_at;
  setText(byId("looked-at"), t("health.looked-at", { clock: clock(found.looked_at), took: number(found.took_ms) }));
  const sorted = [...found.findings].sort((one, other) => RANK.indexOf(one.verdict) - RANK.indexOf(other.verdict));
  fill(byId("findings"), sorted, () => sorted.map(finding));
  byId("now").hidden = found.problems.length === 0;
  fill(byId("problems"), found.problems, () => found.problems.map(problem));
  showFacts(found);
}

function showVerdict(verdict, text) {
  byId("verdict").dataset.verdict = verdict;
  fill(byId("verdict-sign"), verdict, () => [icon(SIGNS[verdict][0])]);
  setText(byId("verdict-text"), text);
}

function sign(verdict) {
  const [name, tone] = SIGNS[verdict];
  const made = badge("", tone);
  made.append(icon(name), t(`health.verdict-${verdict}`));
  return made;
}

function finding({ subject, verdict, text, mend }) {
  const made = el("li", { className: "finding" }, sign(verdict), el("h3", { className: "finding-subject", textContent: subject }), el("p", { className: "finding-text" }, ...withCode(sentence(text))));
  made.dataset.verdict = verdict;
  if (mend) made.append(el("p", { className: "finding-mend" }, el("strong", { textContent: t("health.mend") }), " ", ...withCode(sentence(mend))));
  return made;
}

function problem(text) {
  const made = el("li", { className: "finding" }, sign("problem"), el("p", { className: "finding-text" }, ...withCode(text)));
  made.dataset.verdict = "problem";
  return made;
}

byId("look").addEventListener("click", () => look().then(() => announce(byId("verdict-text").textContent)).catch((error) => complain(error.message)));
// A minute's look that fails is shown by the verdict and by the connection's sign.
setInterval(() => document.hidden || look().catch(() => {}), EVERY_MS);
live(["settings"], look);
