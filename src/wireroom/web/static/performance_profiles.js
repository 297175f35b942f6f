// The profiles of a screen: take one now, the last ten, and the flame graph of the one that the address names.

import { call } from "./api.js";
import { announce, badge, byId, duration, el } from "./dom.js";
import { FlameGraph } from "./flame_graph.js";
import { ago, clock } from "./format.js";
import { ask, complain, report } from "./notices.js";
import { fill } from "./rows.js";
import { t } from "./texts.js";

const ADDRESS = "/api/performance/profiles";
const LOOK_MS = 500;
const AGE_MS = 60_000;
const OPENED = /^#(profile-.+)$/;

let opened = "";
let awaited = "";
let timer = null;

/** Say who takes profiles here, and how there could be better ones. */
export function showProfiler({ has_py_spy: hasPySpy }) {
  byId("profiler").textContent = t(hasPySpy ? "performance.profiler-outside" : "performance.profiler-within");
}

/** Ask for the list anew; while a profile is being taken, again in half a second. */
export async function refreshProfiles() {
  clearTimeout(timer);
  const { profiles } = await call("GET", ADDRESS);
  const taking = profiles.find((one) => one.state === "taking");
  byId("no-profiles").hidden = profiles.length > 0;
  fill(byId("profile-list"), [profiles, Math.floor(Date.now() / AGE_MS)], () => profiles.map(line));
  byId("take-now").disabled = Boolean(taking);
  showProgress(taking);
  if (taking) timer = setTimeout(() => refreshProfiles().catch(report), LOOK_MS);
  const ended = profiles.find((one) => one.id === awaited && one.state !== "taking");
  if (ended) finish(ended);
  else await openNamed();
}

function finish(profile) {
  awaited = "";
  if (profile.state === "failed") complain(t("performance.failed"));
  else location.hash = profile.id;
  announce(t(`performance.state-${profile.state}`));
}

function line(profile) {
  const name = t(`performance.kind-${profile.kind}`);
  const facts = [duration(profile.seconds * 1000), ago(profile.began_at), profile.facts["taken by"] ? t("performance.taken-by", { who: profile.facts["taken by"] }) : ""];
  const what = profile.state === "taken" ? el("a", { href: `#${profile.id}`, textContent: name }) : el("span", { textContent: name });
  if (profile.id === opened) what.setAttribute("aria-current", "true");
  const tone = { taking: "warm", failed: "bad", taken: "good" }[profile.state];
  const state = badge(t(`performance.state-${profile.state}`), tone);
  return el("li", {}, what, el("span", { className: "soft", textContent: facts.filter(Boolean).join(" · ") }), profile.state === "taken" ? "" : state);
}

function showProgress(taking) {
  const bar = byId("taking");
  bar.hidden = !taking;
  if (taking) bar.value = Math.min(1, (Date.now() - Date.parse(taking.began_at)) / (taking.seconds * 1000));
}

async function openNamed() {
  const named = OPENED.exec(location.hash)?.[1];
  if (!named || named === opened) return;
  const found = await call("GET", `${ADDRESS}/${named}`);
  opened = named;
  const { profile } = found;
  byId("profile").hidden = false;
  byId("profile-title").textContent = `${t(`performance.kind-${profile.kind}`)}, ${clock(profile.began_at)}`;
  const facts = Object.entries(profile.facts);
  if (found.left_out) facts.push([t("performance.left-out"), String(found.left_out)]);
  byId("profile-facts").replaceChildren(...facts.flatMap(([name, text]) => [el("dt", { textContent: name }), el("dd", { textContent: text })]));
  new FlameGraph(byId("flame"), found);
  for (const link of byId("profile-list").querySelectorAll("a")) link.ariaCurrent = link.hash === location.hash ? "true" : null;
  byId("profile-title").scrollIntoView({ block: "start" });
  byId("profile-title").focus();
}

async function take(event) {
  event.preventDefault();
  const kind = byId("profile-kind").value;
  const seconds = Number(byId("profile-seconds").value);
  if (kind === "memory" && !(await ask({ title: t("performance.memory-title"), text: t("performance.memory-text"), yes: t("performance.take"), danger: false }))) return;
  byId("take-now").disabled = true;
  try {
    awaited = (await call("POST", ADDRESS, { kind, seconds })).id;
    announce(t("performance.taking"));
    await refreshProfiles();
  } catch (error) {
    byId("take-now").disabled = false;
    report(error);
  }
}

byId("take").addEventListener("submit", take);
addEventListener("hashchange", () => openNamed().catch(report));
