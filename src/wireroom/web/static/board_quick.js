// The line at the top: type, Enter, next. What could not be added comes back into it.

import { call } from "./api.js";
import { keepDraft, keptDraft } from "./drafts.js";
import { announce, byId, freshId, recall, remember } from "./dom.js";
import { complain } from "./notices.js";
import { t } from "./texts.js";

const DRAFT = "board-line";
const TO = "board-quick-to";
const line = byId("quick-text");
const to = byId("quick-to");
let last = Promise.resolve();
// What came back, with its key: sent again as it is, it is the same task.
let returned = { prompt: "", key: "" };

/** Let people add tasks; `added()` is called after each. */
export function listenToQuickLine(added) {
  line.value = keptDraft(DRAFT) ?? "";
  to.value = recall(TO) || "ready";
  line.addEventListener("input", () => keepDraft(DRAFT, line.value));
  to.addEventListener("change", () => remember(TO, to.value));
  byId("quick").addEventListener("submit", (event) => {
    event.preventDefault();
    const prompt = line.value.trim();
    if (!prompt) return line.focus();
    put("");
    // One after the other, so that they stand in the order in which they were written.
    const idempotencyKey = returned.prompt === prompt ? returned.key : freshId("task");
    last = last.then(() => add({ prompt, status_label: target(), at: "end", idempotencyKey }, added));
    line.focus();
  });
}

export const emptyQuickLine = () => put("");

async function add(task, added) {
  try {
    const made = await call("POST", "/api/tasks", task);
    announce(t("board.added", { id: made.id }));
    added();
  } catch (error) {
    if (error.status === undefined) throw error;
    returned = { prompt: task.prompt, key: task.idempotencyKey };
    put([task.prompt, line.value].filter(Boolean).join(" "));
    complain(t("board.not-added", { reason: error.message }));
  }
}

/** Where it goes; on narrow screens there is no choice. */
const target = () => (to.offsetParent ? to.value : "ready");

function put(text) {
  line.value = text;
  keepDraft(DRAFT, text);
}
