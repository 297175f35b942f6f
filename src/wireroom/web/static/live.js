// One live connection for the whole screen: it tells which topics may have changed since the screen last asked.

import { complain } from "./notices.js";
import { showConnection } from "./shell.js";
import { Stream } from "./stream.js";
import { t } from "./texts.js";

const listeners = [];
// One connection: it is opened once every script of the screen has said what it wants.
addEventListener("DOMContentLoaded", () => listeners.length && open());

/**
 * Call `refresh(topics)` once the page is live, and whenever something of these topics may have changed.
 *
 * The topics are those of `GET /api/live`. Refreshes of one listener never overlap: what changes meanwhile is
 * told once the one under way has ended.
 */
export function live(topics, refresh) {
  listeners.push({ topics, refresh, waiting: new Set(), busy: false });
}

function open() {
  const topics = [...new Set(listeners.flatMap((one) => one.topics))].sort().join(",");
  new Stream({ path: `/api/live?topics=${topics}`, event: "changed" }, { message: tellAll, state: show, stale: () => location.reload() }).open();
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
  while (listener.waiting.size) {
    const topics = [...listener.waiting];
    listener.waiting.clear();
    try {
      await listener.refresh(topics);
    } catch (error) {
      if (error.status === undefined) throw error;
      // Nobody answers: the connection's sign says so, and its return tells what changed.
      if (error.status !== 0) complain(error.message);
    } finally {
      listener.busy = listener.waiting.size > 0;
    }
  }
  listener.busy = false;
}

function show(state) {
  showConnection(state);
  if (state === "logged-out") complain(t("common.logged-out-help"));
}
