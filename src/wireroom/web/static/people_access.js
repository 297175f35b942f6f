// Who is logged in, and the accounts by which people log in.

import { call } from "./api.js";
import { badge, byId, el } from "./dom.js";
import { timeAgo } from "./format.js";
import { ask, attempt, button, form, tell } from "./notices.js";
import { showItems } from "./rows.js";
import { t } from "./texts.js";

const ROLES = ["viewer", "owner"];
const roleOptions = () => ROLES.map((role) => [role, `${t(`people.role-${role}`)}: ${t(`people.role-${role}-means`)}`]);
const path = (name) => `/api/access/accounts/${encodeURIComponent(name)}`;
let me = null;

/** Read sessions and accounts anew and show them. */
export async function showAccess(caller) {
  me = caller;
  const [{ sessions }, { accounts }] = await Promise.all([call("GET", "/api/access/sessions"), call("GET", "/api/access/accounts")]);
  sessions.sort((one, other) => other.this - one.this);
  byId("sessions-count").textContent = sessions.length;
  byId("accounts-count").textContent = accounts.length || "";
  // A viewer is told of the own account only: that there are no others would not be true.
  byId("accounts-card").hidden = me.role === "viewer" && accounts.length === 0;
  byId("accounts-empty").hidden = accounts.length > 0;
  showItems(byId("sessions"), sessions, { key: (session) => session.id, tag: "li", parts: sessionParts });
  showItems(byId("accounts"), accounts, { key: (account) => account.name, tag: "li", parts: accountParts });
}

function sessionParts(session) {
  const who = session.account ?? t("people.by-link");
  const marks = [roleBadge(session.role), ...(session.this ? [badge(t("people.this-browser"), "good")] : [])];
  const head = el("div", { className: "row-head" }, el("strong", { textContent: who }), ...marks);
  const facts = el("div", { className: "row-facts" }, fact(session.browser || t("people.some-program")), " · ", fact(t("people.seen"), " ", timeAgo(session.seen_at)), " · ", fact(t("people.since"), " ", timeAgo(session.created_at)));
  const out = button(t("people.sign-out"), "button small owner-only", () => signOut(session));
  out.setAttribute("aria-label", t("people.sign-out-of", { who, browser: session.browser }));
  return row(el("div", { className: "row-main" }, head, facts), out);
}

function accountParts(account) {
  const { name, role } = account;
  const head = el("div", { className: "row-head" }, el("strong", { textContent: name }), roleBadge(role));
  const facts = el("div", { className: "row-facts" }, fact(t("people.changed"), " ", timeAgo(account.changed_at)));
  const other = ROLES.find((one) => one !== role);
  return row(
    el("div", { className: "row-main" }, head, facts),
    named(button(t("people.password"), "button small owner-only", () => changePassword(name)), name),
    named(button(t(`people.make-${other}`), "button small owner-only", () => changeRole(name, other)), name),
    named(button(t("people.remove"), "button small danger owner-only", () => removeAccount(name)), name),
  );
}

const roleBadge = (role) => badge(t(`people.role-${role}`), role === "owner" ? "warm" : "plain");
const fact = (...words) => el("span", { className: "fact" }, ...words);
const row = (main, ...actions) => [main, el("div", { className: "row-actions" }, ...actions)];

function named(control, name) {
  control.setAttribute("aria-label", `${control.textContent}: ${name}`);
  return control;
}

async function signOut(session) {
  const who = session.account ?? t("people.by-link");
  if (!session.this && !(await ask({ title: t("people.sign-out-title", { who }), text: t("people.sign-out-text"), yes: t("people.sign-out") }))) return;
  if (!(await attempt(() => call("DELETE", `/api/access/sessions/${session.id}`)))) return;
  if (session.this) location.assign("/");
  else tell(t("people.signed-out", { who }));
}

async function leave(everybody) {
  const kind = everybody ? "all" : "mine";
  const text = t(!everybody && !me.account ? "people.leave-links-text" : `people.leave-${kind}-text`);
  if (!(await ask({ title: t(`people.leave-${kind}-title`), text, yes: t(`people.leave-${kind}`) }))) return;
  if (await attempt(() => call("POST", `/api/access/sign-out-everywhere?everybody=${everybody}`))) location.assign("/");
}

function addAccount() {
  return form({
    title: t("people.add-account"),
    fields: [
      { name: "name", label: t("people.name"), required: true, help: t("people.name-help") },
      { name: "password", label: t("people.password"), type: "password", required: true, help: t("people.password-help") },
      { name: "role", label: t("people.role"), type: "select", value: ROLES[0], options: roleOptions() },
    ],
    yes: t("people.add"),
    save: async (values) => {
      const { name } = await call("POST", "/api/access/accounts", values);
      tell(t("people.added", { name }));
    },
  });
}

function changePassword(name) {
  return form({
    title: t("people.password-of", { name }),
    fields: [{ name: "password", label: t("people.new-password"), type: "password", required: true, help: `${t("people.password-help")} ${t("people.ends-sessions")}` }],
    save: async (values) => {
      await call("PUT", `${path(name)}/password`, values);
      tell(t("people.password-changed", { name }));
    },
  });
}

async function changeRole(name, role) {
  const words = { name, role: t(`people.role-${role}`), means: t(`people.role-${role}-means`) };
  if (!(await ask({ title: t("people.role-title", words), text: t("people.role-text", words), yes: t(`people.make-${role}`), danger: role === "owner" }))) return;
  if (!(await attempt(() => call("PUT", `${path(name)}/role`, { role })))) return;
  if (name === me.account) location.reload();
  else tell(t("people.role-changed", words));
}

async function removeAccount(name) {
  if (!(await ask({ title: t("people.remove-title", { name }), text: t("people.remove-text"), yes: t("people.remove") }))) return;
  if (!(await attempt(() => call("DELETE", path(name))))) return;
  if (name === me.account) location.assign("/");
  else tell(t("people.removed", { name }));
}

byId("leave-mine").addEventListener("click", () => leave(false));
byId("leave-all").addEventListener("click", () => leave(true));
byId("add-account").addEventListener("click", addAccount);
