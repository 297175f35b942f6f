// One live connection for the whole screen: it tells which topics may have changed since the screen last asked.

import { backoff, pause } from "./api.js";
import { complain } from "./notices.js";
import { showConnection } from "./shell.js";
import { Stream } from "./stream.js";
import { t } from "./texts.js";

const WORTH_TELLING = 3;
const listeners = [];
let wake = () => {};
let returned = new Promise((go) => (wake = go));
// One connection: it is opened once every script of the screen has said what it wants.
addEventListener("DOMContentLoaded", () => listeners.length && open());

/**
 * Call `refresh(topics)` once the page is live, and whenever something of these topics may have changed.
 *
 * The topics are those of `GET /api/live`. Refreshes of one listener never overlap: what changes meanwhile is
 * told once the one under way has ended. One that fails for now is tried again by itself.
 */
export function live(topics, refresh) {
  listeners.push({ topics, refresh, waiting: new Set(), busy: false });
}

function open() {
  const topics = [...new Set(listeners.flatMap((one) => one.topics))].sort().join(",");
  const stream = new Stream({ path: `/api/live?topics=${topics}`, event: "changed" }, { message: tellAll, state: show, stale: () => stream.openAnew() });
  stream.open();
}

function tellAll({ topics }) {
  for (const listener of listeners) {
    topics.filter((topic) => listener.topics.includes(topic)).forEach((topic) => listener.waiting.add(topic));
    serve(listener);
  }
}

async function serve(listener) {
  if (listener.busy) return;
  listener.busy = true;
  try {
    for (let failures = 0; listener.waiting.size; ) {
      const topics = [...listener.waiting];
      listener.waiting.clear();
      const error = await failureOf(() => listener.refresh(topics));
      failures = error ? failures + 1 : 0;
      // What passes is not worth a word at once; that nobody answers, the connection's sign says.
      if (error?.status && failures === (error.passes ? WORTH_TELLING : 1)) complain(error.message);
      if (!error?.passes) continue;
      topics.forEach((topic) => listener.waiting.add(topic));
      await Promise.race([pause(backoff(failures)), returned]);
    }
  } finally {
    listener.busy = false;
  }
}

/** Return the ApiError by which the work failed, null when it was done. */
async function failureOf(work) {
  try {
    await work();
    return null;
  } catch (error) {
    if (error.status === undefined) throw error;
    return error;
  }
}

function show(state) {
  showConnection(state);
  if (state === "live") {
    wake();
    returned = new Promise((go) => (wake = go));
  }
  if (state === "logged-out") complain(t("common.logged-out-help"));
}
