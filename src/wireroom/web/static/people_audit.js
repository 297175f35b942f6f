// Who did what, newest first: what is new comes in at the top, what is older when somebody asks for it.

import { call } from "./api.js";
import { byId, el } from "./dom.js";
import { timeAgo } from "./format.js";
import { attempt } from "./notices.js";
import { showItems } from "./rows.js";
import { t } from "./texts.js";

const PIECE = 50;
const MOST_NEW = 200;
const HOUR_MS = 3_600_000;
const FILTERS = ["who", "action", "time"];
const RUNS = /^(run|chat)\./;
let entries = [];
let next = null;
let wanted = 0;

const value = (name) => byId(`filter-${name}`).value;

function query(more) {
  const asked = { who: value("who"), action: value("action"), ...more };
  if (value("time")) asked.since = new Date(Date.now() - Number(value("time")) * HOUR_MS).toISOString();
  return new URLSearchParams(Object.entries(asked).filter(([, one]) => one));
}

/** Read what is new and show it; at first, everything that the filters let through. */
export async function showAudit() {
  const asked = wanted;
  const [found] = await Promise.all([call("GET", `/api/access/audit?${query({ per_page: entries.length ? MOST_NEW : PIECE })}`), showNames()]);
  if (asked !== wanted) return;
  const newest = entries[0]?.id ?? 0;
  const fresh = found.entries.filter((entry) => entry.id > newest);
  const joins = entries.length > 0 && fresh.length < found.entries.length;
  if (joins) entries = [...fresh, ...entries];
  else [entries, next] = [found.entries, found.next_cursor];
  show();
}

async function older() {
  await attempt(async () => {
    const asked = wanted;
    const found = await call("GET", `/api/access/audit?${query({ per_page: PIECE, cursor: next })}`);
    if (asked !== wanted) return;
    [entries, next] = [[...entries, ...found.entries], found.next_cursor];
    show();
  });
}

function show() {
  showItems(byId("entries"), entries, { key: (entry) => entry.id, tag: "tr", parts: entryParts });
  byId("audit-empty").hidden = entries.length > 0;
  byId("entries").parentElement.hidden = entries.length === 0;
  byId("older").hidden = next === null;
}

function entryParts({ at, who, action, subject, detail }) {
  const about = el("td", { className: "audit-about" }, aboutOf(action, subject));
  if (detail) about.append(" ", el("span", { className: "soft", textContent: detail }));
  const what = el("td", { textContent: wordsOf(action), title: action });
  if (action === "session.refused") what.className = "refused";
  return [el("td", { className: "audit-when" }, timeAgo(at)), el("td", { className: "audit-who", textContent: nameOf(who) }), what, about];
}

function aboutOf(action, subject) {
  if (subject === "session") return "";
  if (!RUNS.test(action)) return el("span", { className: "mono", textContent: subject });
  return el("a", { className: "mono", href: `/room/runs#${encodeURIComponent(subject)}`, textContent: subject });
}

function nameOf(who) {
  const named = t(`people.who-${who}`);
  return named.startsWith("people.") ? who : named;
}

/** What was done, in words; an action that nobody has put into words is shown as it is. */
function wordsOf(action) {
  const words = t(`people.did-${action}`);
  return words.startsWith("people.") ? action : words;
}

async function showNames() {
  const { who, actions } = await call("GET", "/api/access/audit/names");
  offer(byId("filter-who"), who, nameOf);
  offer(byId("filter-action"), actions, wordsOf);
}

function offer(select, names, words) {
  const known = new Set([...select.options].map((option) => option.value));
  for (const name of names.filter((one) => !known.has(one))) select.append(el("option", { value: name, textContent: words(name) }));
}

function choose() {
  wanted += 1;
  [entries, next] = [[], null];
  attempt(showAudit);
}

for (const name of FILTERS) byId(`filter-${name}`).addEventListener("change", choose);
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("older").addEventListener("click", older);
