// What was given up: one list for each kind (`#deliveries`), to be tried again or dropped, many at a time.

import { call } from "./api.js";
import { counted, makeLetter, setCount, showPicked } from "./dead_letters_rows.js";
import { byId } from "./dom.js";
import { number, tick } from "./format.js";
import { live } from "./live.js";
import { ask, complain, tell } from "./notices.js";
import { setText, showRows } from "./rows.js";
import { t } from "./texts.js";

const PAGE = 50;
const AT_ONCE = 200;
const TICK_MS = 10_000;
const KINDS = [...byId("kinds").children].map((tab) => tab.dataset.kind);

let kind = null;
let counts = Object.fromEntries(KINDS.map((one) => [one, 0]));
let letters = [];
let pages = 1;
let cursor = null;
let wholeKind = false;
let busy = false;
let asked = 0;
const picked = new Set();

/** Ask for the counts and for as many pages as are shown; what was asked last is shown. */
async function refresh() {
  const turn = (asked += 1);
  const { counts: found } = await call("GET", "/api/dead-letters");
  const wanted = kind ?? KINDS.find((one) => found[one]) ?? KINDS[0];
  const [listed, next] = await listPages(wanted);
  if (turn !== asked) return;
  [counts, kind, letters, cursor] = [found, wanted, listed, next];
  show();
}

async function listPages(wanted) {
  const found = [];
  let next = null;
  for (let page = 0; page < pages; page += 1) {
    const answer = await call("GET", `/api/dead-letters/${wanted}?per_page=${PAGE}${next ? `&cursor=${next}` : ""}`);
    found.push(...answer.letters);
    next = answer.pagination.next_cursor;
    if (!next) break;
  }
  return [found, next];
}

function show() {
  for (const tab of byId("kinds").children) showTab(tab);
  setText(byId("kind-name"), t(`dead_letters.${kind}`));
  setText(byId("kind-help"), t(`dead_letters.help-${kind}`));
  const shown = new Set(letters.map((letter) => letter.id));
  for (const id of picked) if (!shown.has(id)) picked.delete(id);
  showRows(byId("letters"), letters, {
    key: (letter) => `${kind}-${letter.id}-${letter.given_up_at ?? letter.attempts}`,
    make: (letter) => makeLetter(kind, letter, { pick, act: (action, id) => change(action, [id]) }),
    update: (row, letter) => showPicked(row, wholeKind || picked.has(letter.id)),
  });
  byId("letters").setAttribute("aria-busy", "false");
  byId("letters-bar").hidden = letters.length === 0;
  byId("kind-help").hidden = letters.length === 0;
  byId("more").hidden = cursor === null;
  byId("none").hidden = letters.length > 0;
  setText(byId("none-help"), t(`dead_letters.none-${kind}`));
  showSelection();
}

function showTab(tab) {
  const count = counts[tab.dataset.kind];
  setText(tab.querySelector("[data-count]"), number(count));
  tab.toggleAttribute("data-some", count > 0);
  if (tab.dataset.kind === kind) tab.setAttribute("aria-current", "true");
  else tab.removeAttribute("aria-current");
}

function showSelection() {
  const all = byId("select-all");
  const some = wholeKind ? counts[kind] : picked.size;
  all.checked = wholeKind || (letters.length > 0 && picked.size === letters.length);
  all.indeterminate = !all.checked && picked.size > 0;
  if (wholeKind) setText(byId("select-all-text"), t("dead_letters.selected-kind", { count: number(some) }));
  else if (some) setText(byId("select-all-text"), t("dead_letters.selected", { count: number(some) }));
  else setCount(byId("select-all-text"), "dead_letters.select-shown", letters.length);
  const rest = byId("select-kind");
  rest.hidden = wholeKind || !all.checked || counts[kind] <= letters.length;
  setText(rest, t("dead_letters.select-kind", { count: number(counts[kind]) }));
  byId("retry").disabled = byId("discard").disabled = busy || some === 0;
}

function pick(id, isPicked) {
  if (wholeKind) pickShown(true);
  if (isPicked) picked.add(id);
  else picked.delete(id);
  show();
}

function pickShown(isPicked) {
  wholeKind = false;
  picked.clear();
  if (isPicked) for (const letter of letters) picked.add(letter.id);
  show();
}

/** Retry or discard these, or with `null` all of the kind; asks first unless it is one that is retried. */
async function change(action, ids) {
  const count = ids ? ids.length : counts[kind];
  if (busy || !count || ((count > 1 || action === "discard") && !(await confirmed(action, count)))) return;
  busy = true;
  showSelection();
  try {
    const { done, left } = await sendAll(action, ids, count);
    const left_over = left ? ` ${t("dead_letters.not-dead", { count: number(left) })}` : "";
    tell(counted(`dead_letters.done-${action}`, done) + left_over);
    picked.clear();
    wholeKind = false;
  } catch (error) {
    if (error.status === undefined) throw error;
    complain(error.message);
  } finally {
    busy = false;
    await refresh().catch((error) => complain(error.message));
  }
}

function confirmed(action, count) {
  const text = action === "discard" && kind === "tasks" ? "dead_letters.ask-discard-text-tasks" : `dead_letters.ask-${action}-text`;
  return ask({ title: counted(`dead_letters.ask-${action}`, count), text: t(text), yes: t(`dead_letters.${action}`), danger: action === "discard" });
}

/** Send the wish in calls that the server takes; a whole kind is gone through from its beginning to its end. */
async function sendAll(action, ids, count) {
  const total = { done: 0, left: 0 };
  const parts = ids ? Array.from({ length: Math.ceil(ids.length / AT_ONCE) }, (_, part) => ({ ids: ids.slice(part * AT_ONCE, (part + 1) * AT_ONCE) })) : [{ after: 0 }];
  while (parts.length) {
    const answer = await call("POST", `/api/dead-letters/${action}`, { kind, ...parts.shift() });
    total.done += answer.done;
    total.left += answer.items.length - answer.done;
    if (answer.next !== null) parts.push({ after: answer.next });
    if (parts.length) setText(byId("select-all-text"), t("dead_letters.working", { done: number(total.done), count: number(count) }));
  }
  return total;
}

function choose() {
  const wanted = location.hash.slice(1);
  if (!KINDS.includes(wanted) || wanted === kind) return;
  [kind, pages, wholeKind] = [wanted, 1, false];
  picked.clear();
  refresh().catch((error) => complain(error.message));
}

byId("select-all").addEventListener("change", (event) => pickShown(event.target.checked));
byId("select-kind").addEventListener("click", () => {
  wholeKind = true;
  show();
});
for (const action of ["retry", "discard"]) byId(action).addEventListener("click", () => change(action, wholeKind ? null : [...picked]));
byId("more").addEventListener("click", () => {
  pages += 1;
  refresh().catch((error) => complain(error.message));
});
addEventListener("hashchange", choose);
if (KINDS.includes(location.hash.slice(1))) kind = location.hash.slice(1);
setInterval(tick, TICK_MS);
// A task that somebody moves is given up no more, which the topic of dead letters does not tell.
live(["dead", "tasks"], refresh);
