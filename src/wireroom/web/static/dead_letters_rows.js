// One dead letter as a row: what it was, why it was given up, and where it leads.

import { el, icon } from "./dom.js";
import { number, timeAgo } from "./format.js";
import { button } from "./notices.js";
import { setText } from "./rows.js";
import { t } from "./texts.js";

const WHAT = ["message", "edited_message", "callback_query", "call", "prompt"];

/** A row; `on` = {pick(id, picked), act(action, id)}. What it shows never changes but for the time. */
export function makeLetter(kind, letter, on) {
  const title = titleOf(kind, letter);
  const box = el("input", { type: "checkbox" });
  box.setAttribute("aria-label", t("dead_letters.select-one", { title }));
  box.addEventListener("change", () => on.pick(letter.id, box.checked));
  return el("li", { className: "letter" }, el("label", { className: "letter-pick owner-only" }, box), body(kind, letter, title), acts(letter, title, on));
}

/** Show whether the row is selected. */
export function showPicked(row, picked) {
  row.querySelector("input").checked = picked;
  row.toggleAttribute("data-picked", picked);
}

/** A count in words: `key` for several, `key-1` for one. */
export function counted(key, count) {
  return t(count === 1 ? `${key}-1` : key, { count: number(count) });
}

export function setCount(element, key, count) {
  setText(element, counted(key, count));
}

function titleOf(kind, letter) {
  const what = t(`dead_letters.what-${WHAT.includes(letter.what) ? letter.what : "other"}`);
  if (kind === "updates") return t("dead_letters.in", { what, place: placeOf(letter.lane) });
  if (kind === "deliveries") return placeOf(letter.lane);
  if (kind === "callbacks") return letter.address;
  if (kind === "tasks") return t("dead_letters.task", { id: letter.id });
  return t("dead_letters.in", { what, place: letter.agent });
}

/** "Chat 5, topic 2" for the lane `telegram:<bot>:5:2`; another lane as it is. */
function placeOf(lane) {
  const [channel, , chat, topic] = lane.split(":");
  if (channel !== "telegram" || !chat) return lane;
  return t(topic && topic !== "0" ? "dead_letters.topic" : "dead_letters.chat", { chat, topic });
}

function addressOf(kind, letter) {
  if (kind === "tasks") return `/room/board#${letter.id}`;
  return kind === "calls" ? `/room/agents#${encodeURIComponent(letter.agent)}` : null;
}

function body(kind, letter, title) {
  const address = addressOf(kind, letter);
  const head = el("p", { className: "letter-title" }, address ? el("a", { href: address, textContent: title }) : title);
  const excerpt = letter.excerpt ? [el("p", { className: "letter-excerpt cut", textContent: letter.excerpt, title: letter.excerpt })] : [];
  const reason = el("p", { className: "letter-reason" }, icon("fail"), el("span", { textContent: letter.reason || t("dead_letters.no-reason") }));
  return el("div", {}, head, ...excerpt, reason, facts(letter));
}

function facts(letter) {
  const when = letter.given_up_at ?? letter.created_at;
  const [before, after] = t(letter.given_up_at ? "dead_letters.given-up" : "dead_letters.came", { ago: "\n" }).split("\n");
  const made = el("p", { className: "letter-facts" }, el("span", {}, before, timeAgo(when), after ?? ""));
  if (letter.attempts) made.append(el("span", { textContent: counted("dead_letters.attempts", letter.attempts) }));
  made.append(el("span", { textContent: t("dead_letters.number", { id: letter.id }) }));
  if (letter.run_id) made.append(el("a", { href: `/room/runs#${letter.run_id}`, textContent: t("dead_letters.run") }));
  return made;
}

function acts(letter, title, on) {
  const made = el("div", { className: "letter-acts owner-only" });
  for (const action of ["retry", "discard"]) {
    const does = button(t(`dead_letters.${action}`), `button small${action === "discard" ? " danger" : ""}`, () => on.act(action, letter.id));
    does.setAttribute("aria-label", t(`dead_letters.${action}-one`, { title: `${title}, ${t("dead_letters.number", { id: letter.id })}` }));
    made.append(does);
  }
  return made;
}
