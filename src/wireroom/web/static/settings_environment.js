// The settings of the environment: read-only, found by their name or by what they mean; no secret is ever here.

import { call } from "./api.js";
import { withCode } from "./code_words.js";
import { badge, byId, el } from "./dom.js";
import { number } from "./format.js";
import { fill, setText } from "./rows.js";
import { t } from "./texts.js";

let settings = [];

export async function loadEnvironment() {
  const found = await call("GET", "/api/environment");
  settings = found.settings;
  setText(byId("environment-help"), t("settings.environment-help", { page: found.documented_in }));
  fill(byId("environment"), settings, () => settings.map(row));
  filter();
}

function row(setting) {
  const name = el("th", { scope: "row" }, el("span", { className: "mono", textContent: setting.variable }));
  if (setting.also.length) name.append(el("div", { className: "also", textContent: t("settings.also", { names: setting.also.join(", ") }) }));
  const made = el("tr", {}, name, labelled("value", shown(setting)), setting.is_secret ? el("td") : labelled("default", plain(setting.default)), el("td", { className: "soft" }, ...withCode(setting.meaning)));
  made.toggleAttribute("data-set", setting.is_set);
  return made;
}

function labelled(name, inside) {
  const made = el("td", {}, inside);
  made.dataset.label = t(`settings.${name}`);
  return made;
}

function shown(setting) {
  if (setting.is_secret) return badge(t(setting.is_set ? "settings.secret-set" : "settings.secret-unset"), setting.is_set ? "good" : "plain");
  return setting.is_set ? plain(setting.value) : el("span", { className: "soft", textContent: t("settings.by-default") });
}

function plain(value) {
  return value === "" ? el("span", { className: "soft", textContent: t("settings.empty") }) : el("span", { className: "mono", textContent: value });
}

function filter() {
  const words = byId("environment-search").value.toLowerCase().split(/\s+/);
  const onlySet = byId("environment-set").checked;
  let count = 0;
  settings.forEach((setting, place) => {
    const text = `${setting.variable} ${setting.also.join(" ")} ${setting.meaning}`.toLowerCase();
    const matches = words.every((word) => text.includes(word)) && (setting.is_set || !onlySet);
    byId("environment").children[place].hidden = !matches;
    count += Number(matches);
  });
  setText(byId("environment-count"), t("settings.found", { count: number(count), total: number(settings.length) }));
}

byId("environment-search").addEventListener("input", filter);
byId("environment-set").addEventListener("change", filter);
