// The switches that Wireroom shares with other programs; those that it does not know may be any number.

import { call } from "./api.js";
import { byId, el } from "./dom.js";
import { timeAgo } from "./format.js";
import { button, complain, tell } from "./notices.js";
import { fill, setText, showRows } from "./rows.js";
import { t } from "./texts.js";

const OPERATOR = "task_operator";
const MAY_CHANGE = document.body.dataset.role !== "viewer";

export async function refreshSwitches() {
  const { settings } = await call("GET", "/api/settings");
  const shown = settings.filter((one) => one.name !== OPERATOR);
  showRows(byId("switches"), shown, { key: (one) => one.name, make, update });
}

function make(setting) {
  const name = el("div", { className: "switch-name mono", textContent: setting.name });
  const control = el("div", { className: "switch-control" }, ...(setting.default === null ? numberControl(setting) : switchControl(setting)));
  const about = el("div", {}, name, el("div", { className: "switch-meaning", textContent: setting.meaning || t("settings.foreign") }), el("div", { className: "switch-changed" }));
  return el("li", {}, about, control);
}

function switchControl({ name }) {
  const toggle = el("input", { type: "checkbox", className: "switch", disabled: !MAY_CHANGE });
  toggle.setAttribute("role", "switch");
  toggle.setAttribute("aria-label", name);
  toggle.addEventListener("change", () => save(toggle, name, toggle.checked ? 1 : 0));
  return [el("span", { className: "switch-word" }), toggle];
}

function numberControl({ name }) {
  const box = el("input", { type: "number", step: 1, disabled: !MAY_CHANGE });
  box.setAttribute("aria-label", t("settings.value-of", { name }));
  const set = button(t("settings.set"), "button small owner-only", () => box.value !== "" && save(box, name, Number(box.value)));
  return [box, set];
}

/** Show the value, unless a person is changing it. */
function update(row, setting) {
  const input = row.querySelector("input");
  if (input.type === "checkbox") {
    if (input.dataset.busy === undefined) input.checked = setting.value === 1;
    setText(row.querySelector(".switch-word"), t(setting.value === 1 ? "settings.on" : "settings.off"));
  } else {
    const isTyped = input.value !== input.defaultValue;
    input.defaultValue = setting.value;
    if (!isTyped) input.value = setting.value;
  }
  fill(row.querySelector(".switch-changed"), setting.updated_at, () => changed(setting));
}

function changed({ updated_at: stored }) {
  const when = stored && Date.parse(`${stored.replace(" ", "T").replace(/Z?$/, "Z")}`);
  if (!stored) return [t("settings.never-changed")];
  const [before, after] = t("settings.changed", { ago: "\n" }).split("\n");
  return Number.isNaN(when) ? [before, stored, after ?? ""] : [before, timeAgo(new Date(when).toISOString()), after ?? ""];
}

async function save(input, name, value) {
  input.dataset.busy = "";
  try {
    const kept = await call("PUT", `/api/settings/${encodeURIComponent(name)}`, { value });
    const said = kept.default === null ? kept.value : t(kept.value === 1 ? "settings.on" : "settings.off");
    tell(t("settings.saved", { name, value: said }));
  } catch (error) {
    complain(error.message);
  } finally {
    delete input.dataset.busy;
    await refreshSwitches().catch((error) => complain(error.message));
  }
}
