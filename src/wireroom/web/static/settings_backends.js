// The coding agents that runs may use, each with a button that tries it.

import { call } from "./api.js";
import { sentence, withCode } from "./code_words.js";
import { announce, badge, byId, el, icon } from "./dom.js";
import { number } from "./format.js";
import { button, complain } from "./notices.js";
import { showRows } from "./rows.js";
import { t } from "./texts.js";

export async function refreshBackends() {
  const { backends } = await call("GET", "/api/backends");
  showRows(byId("backends"), backends, { key: (one) => `${one.name} ${one.is_ready} ${one.found}`, make, update: () => {} });
}

function make(backend) {
  const test = button(t("settings.test"), "button small owner-only", () => tryOut(backend, test, trial));
  test.setAttribute("aria-label", t("settings.test-one", { title: backend.title }));
  const trial = el("div", { className: "trial", hidden: true });
  const state = badge("", backend.is_ready ? "good" : "plain");
  state.append(icon(backend.is_ready ? "done" : "close"), t(backend.is_ready ? "settings.ready" : "settings.missing"));
  const head = el("div", { className: "backend-head" }, el("h3", { textContent: backend.title }), ...(backend.is_default ? [badge(t("settings.default-one"), "good")] : []), state, test);
  const mend = backend.mend ? [el("p", { className: "backend-mend" }, ...withCode(sentence(backend.mend)))] : [];
  return el("li", { className: "card" }, head, found(backend), ...mend, trial);
}

function found({ found: place, is_ready: isReady, variable }) {
  if (place) return el("p", { className: "backend-found mono soft", textContent: place });
  return el("p", { className: "backend-found soft", textContent: isReady ? t("settings.built-in") : t("settings.not-set", { variable }) });
}

async function tryOut({ name }, test, trial) {
  test.disabled = true;
  trial.hidden = false;
  trial.replaceChildren(t("settings.testing"));
  try {
    show(trial, await call("POST", `/api/backends/${name}/test`));
  } catch (error) {
    trial.hidden = true;
    complain(error.message);
  } finally {
    test.disabled = false;
    test.focus();
  }
}

function show(trial, { ok, text, mend, seconds }) {
  const verdict = badge("", ok ? "good" : "bad");
  verdict.append(icon(ok ? "done" : "fail"), t(ok ? "settings.works" : "settings.fails"));
  const took = seconds < 0.1 ? "" : ` (${t("settings.took", { seconds: number(seconds, 1) })})`;
  const said = `${sentence(text)}${took}`;
  trial.replaceChildren(verdict, ...withCode(said), ...(mend ? [el("p", { className: "backend-mend" }, ...withCode(sentence(mend)))] : []));
  announce(`${verdict.textContent}. ${said}`);
}
