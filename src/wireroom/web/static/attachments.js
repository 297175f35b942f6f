// Files on their way to a message: sent as soon as they are chosen, dropped or pasted, named by the id they got.

import { ApiError, backoff, pause } from "./api.js";
import { announce, byId, el, icon } from "./dom.js";
import { bytes } from "./format.js";
import { t } from "./texts.js";

const MOST = 20;
/** After about a minute; an answer to a file that is too large may be lost with the connection, too. */
const MOST_FAILURES = 7;

export class Attachments {
  #list = byId("files");
  #files = new Map(); // row -> {id, name, size} once it has arrived, null before
  #changed;
  #complain;

  /** `changed()` after each change; `complain(text)` when a file is refused. */
  constructor({ changed, complain }) {
    this.#changed = changed;
    this.#complain = complain;
    const input = byId("file-input");
    byId("attach").addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      this.add(input.files);
      input.value = "";
    });
    const room = document.querySelector("main");
    room.addEventListener("dragover", (event) => event.dataTransfer?.types.includes("Files") && event.preventDefault());
    room.addEventListener("drop", (event) => {
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      this.add(event.dataTransfer.files);
    });
    byId("text").addEventListener("paste", (event) => {
      if (!event.clipboardData?.files.length) return;
      event.preventDefault();
      this.add(event.clipboardData.files);
    });
  }

  get count() {
    return this.#files.size;
  }

  /** True while a file is still on its way. */
  get busy() {
    return [...this.#files.values()].includes(null);
  }

  add(files) {
    for (const file of files) {
      if (this.count >= MOST) return this.#complain(t("chat.too-many", { count: MOST }));
      this.#send(file);
    }
  }

  /** Return what has arrived, and forget it. */
  take() {
    const files = [...this.#files.values()].filter(Boolean);
    this.#files.clear();
    this.#show();
    return files;
  }

  #send(file) {
    const words = el("span");
    const remove = el("button", { type: "button", className: "link-button" }, icon("close"));
    remove.setAttribute("aria-label", t("chat.detach", { name: file.name }));
    const row = el("li", {}, icon("file"), words, remove);
    const sending = { file, row, words, request: null, failures: 0 };
    remove.addEventListener("click", () => {
      this.#forget(row);
      sending.request.abort();
    });
    this.#files.set(row, null);
    this.#show();
    this.#try(sending);
  }

  #try(sending) {
    const { file, row, words } = sending;
    // XMLHttpRequest, not fetch: only it tells how much has been sent.
    const request = (sending.request = new XMLHttpRequest());
    const tell = (share) => (words.textContent = t("chat.uploading", { name: file.name, percent: Math.round(100 * share) }));
    tell(0);
    request.upload.addEventListener("progress", ({ loaded, total }) => tell(loaded / Math.max(1, total)));
    request.addEventListener("loadend", () => this.#files.has(row) && this.#answered(sending));
    request.open("POST", `/api/chat/files?name=${encodeURIComponent(file.name)}`);
    request.send(file);
  }

  /** Take what has arrived; try again what nobody took for now, a few times: whoever waits may remove it. */
  async #answered(sending) {
    const { file, row, words, request } = sending;
    const answer = parsed(request.responseText);
    if (request.status === 201 && answer) return this.#arrived(row, words, answer);
    const error = new ApiError(request.status, answer?.error ?? t("common.no-answer"));
    sending.failures += 1;
    if (!error.passes || sending.failures > MOST_FAILURES) {
      this.#forget(row);
      return this.#complain(error.message);
    }
    words.textContent = t("chat.upload-waits", { name: file.name });
    await pause(backoff(sending.failures));
    if (this.#files.has(row)) this.#try(sending);
  }

  #arrived(row, words, answer) {
    this.#files.set(row, answer);
    words.textContent = `${answer.name} · ${bytes(answer.size)}`;
    announce(t("chat.attached", { name: answer.name }));
    this.#changed();
  }

  #forget(row) {
    this.#files.delete(row);
    this.#show();
  }

  #show() {
    this.#list.replaceChildren(...this.#files.keys());
    this.#list.hidden = !this.count;
    this.#changed();
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
