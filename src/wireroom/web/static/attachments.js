// Files on their way to a message: sent as soon as they are chosen, dropped or pasted, named by the id they got.

import { announce, byId, el, icon } from "./dom.js";
import { bytes } from "./format.js";
import { t } from "./texts.js";

const MOST = 20;

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
    const words = el("span", { textContent: t("chat.uploading", { name: file.name, percent: 0 }) });
    const remove = el("button", { type: "button", className: "link-button" }, icon("close"));
    remove.setAttribute("aria-label", t("chat.detach", { name: file.name }));
    const row = el("li", {}, icon("file"), words, remove);
    // XMLHttpRequest, not fetch: only it tells how much has been sent.
    const request = new XMLHttpRequest();
    remove.addEventListener("click", () => {
      request.abort();
      this.#forget(row);
    });
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      words.textContent = t("chat.uploading", { name: file.name, percent: Math.round((100 * loaded) / Math.max(1, total)) });
    });
    request.addEventListener("loadend", () => this.#files.has(row) && this.#arrived(row, words, request));
    request.open("POST", `/api/chat/files?name=${encodeURIComponent(file.name)}`);
    request.send(file);
    this.#files.set(row, null);
    this.#show();
  }

  #arrived(row, words, request) {
    const answer = parsed(request.responseText);
    if (request.status !== 201 || !answer) {
      this.#forget(row);
      return this.#complain(answer?.error ?? t("common.no-answer"));
    }
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
