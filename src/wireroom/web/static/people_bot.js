// The people of the bot: who may talk to it, and how somebody new comes in.

import { call } from "./api.js";
import { announce, badge, byId, el } from "./dom.js";
import { timeAgo } from "./format.js";
import { ask, attempt, button, tell } from "./notices.js";
import { showItems } from "./rows.js";
import { t } from "./texts.js";

const ROLES = ["owner", "member", "stranger"];
const TONES = { owner: "warm", member: "good", stranger: "plain" };
const isOwner = document.body.dataset.role === "owner";

/** Read the people anew and show them. */
export async function showBot() {
  const { people, allowed, has_bot: hasBot } = await call("GET", "/api/access/people");
  const known = new Set(people.map((person) => person.user_id));
  const unseen = allowed.filter((id) => !known.has(id)).map((id) => ({ id: `allowed-${id}`, user_id: id, by_setting: true }));
  const all = [...people, ...unseen];
  byId("people-count").textContent = all.length || "";
  byId("people-empty").hidden = all.length > 0;
  byId("people-empty").textContent = t(hasBot ? "people.people-empty" : "people.no-bot");
  showItems(byId("people"), all, { key: (person) => person.id, tag: "li", parts: personParts });
}

function personParts(person) {
  const name = person.name || t("people.no-name");
  const head = el("div", { className: "row-head" }, el("strong", { textContent: name }), ...marks(person));
  const facts = el("div", { className: "row-facts" }, t("people.telegram-id", { id: person.user_id }));
  if (person.created_at) facts.append(" · ", t("people.known-since"), " ", timeAgo(person.created_at));
  const main = el("div", { className: "row-main" }, head, facts);
  return [main, el("div", { className: "row-actions" }, ...(person.role ? actions(person, name) : []))];
}

function marks(person) {
  const made = [];
  if (person.role && !isOwner) made.push(badge(t(`people.is-${person.role}`), TONES[person.role]));
  if (person.by_setting) made.push(badge(t("people.by-setting"), "good"));
  return made;
}

function actions(person, name) {
  const options = ROLES.map((role) => el("option", { value: role, textContent: t(`people.is-${role}`) }));
  const role = el("select", { className: "role owner-only" }, ...options);
  role.value = person.role;
  role.setAttribute("aria-label", t("people.role-of", { name }));
  role.addEventListener("change", () => changeRole(person, name, role));
  const forget = button(t("people.forget"), "button small danger owner-only", () => forgetPerson(person, name));
  forget.setAttribute("aria-label", `${t("people.forget")}: ${name}`);
  return [role, forget];
}

async function changeRole(person, name, select) {
  const done = await attempt(() => call("PUT", `/api/access/people/${person.id}`, { role: select.value }));
  if (done) tell(t("people.person-changed", { name, role: t(`people.is-${select.value}`) }));
  else select.value = person.role;
}

async function forgetPerson(person, name) {
  if (!(await ask({ title: t("people.forget-title", { name }), text: t("people.forget-text"), yes: t("people.forget") }))) return;
  if (await attempt(() => call("DELETE", `/api/access/people/${person.id}`))) tell(t("people.forgotten", { name }));
}

async function makeCode() {
  await attempt(async () => {
    const { code } = await call("POST", "/api/chat/pairing-code");
    byId("pairing-code").textContent = code;
    byId("pairing-text").textContent = t("people.pairing-made");
    byId("make-code").textContent = t("people.another-code");
    announce(t("people.pairing-code", { code }));
  });
}

byId("make-code")?.addEventListener("click", makeCode);
