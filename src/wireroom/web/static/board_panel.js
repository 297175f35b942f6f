// The panel at the side: one task with all its fields and its history, or a new one. `#12` in the address opens task 12.

import { call } from "./api.js";
import { keepDraft, keptDraft } from "./drafts.js";
import { changedFields, fillFields, keepBackend, readFields, showChoices } from "./board_fields.js";
import { showHistory } from "./board_history.js";
import { Needs } from "./board_needs.js";
import { byId } from "./dom.js";
import { ask, attempt, complain, tell } from "./notices.js";
import { t } from "./texts.js";

const DRAFT = "board-panel";
const CONFLICT = 409;
const GONE = 404;
const panel = byId("panel");
const form = byId("task-form");

export class Panel {
  #task = null;
  #before = {};
  #needs = new Needs(() => this.#keep());

  /** `saved()` is called when a task was added or changed here. */
  constructor(moves, saved) {
    this.moves = moves;
    this.saved = saved;
    form.addEventListener("submit", (event) => (event.preventDefault(), this.#save()));
    form.addEventListener("input", () => this.#keep());
    form.addEventListener("keydown", (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && form.requestSubmit());
    panel.addEventListener("cancel", (event) => (event.preventDefault(), this.#leave()));
    panel.addEventListener("close", () => this.#closed());
    byId("panel-close").addEventListener("click", () => this.#leave());
    byId("show-theirs").addEventListener("click", () => this.#load(this.#task.id));
    byId("keep-mine").addEventListener("click", () => this.#save(true));
    byId("panel-delete").addEventListener("click", async () => (await moves.remove(this.#task)) && panel.close());
    byId("panel-archive").addEventListener("click", async () => (await moves.archive(this.#task)) && panel.close());
    byId("panel-retry").addEventListener("click", async () => (await moves.retry(this.#task)) && panel.close());
    addEventListener("hashchange", () => this.openByAddress());
    if (document.body.dataset.role === "viewer") for (const field of form.elements) field.disabled = field.matches("input, select, textarea");
  }

  /** Open what was being written before the page was loaded anew, else what the address names. */
  async resume() {
    const draft = keptDraft(DRAFT);
    if (!draft) return this.openByAddress();
    if (draft.id === null) this.openNew("", "ready");
    else if (!(await this.#load(draft.id))) return;
    const changed = draft.id !== null && this.#task.updatedat !== draft.seen;
    if (changed) this.#task = { ...this.#task, updatedat: draft.seen };
    keepBackend(draft.said.backend);
    fillFields(draft.said);
    this.#needs.show(draft.needs, draft.id);
    this.#show();
    if (changed) this.#tellChanged(t("board.changed-meanwhile"));
  }

  openByAddress() {
    const id = Number(location.hash.slice(1));
    if (Number.isSafeInteger(id) && id > 0) this.open(id);
  }

  async open(id) {
    if (panel.open && id !== this.#task?.id && !(await this.#mayLeave())) return;
    if (await this.#load(id)) this.#show();
  }

  openNew(prompt, status) {
    this.#task = null;
    fillFields(null, status);
    form.elements.prompt.value = prompt;
    this.#needs.show([], null);
    this.#before = readFields([]);
    byId("panel-title").textContent = t("board.new-task");
    this.#calm();
    this.#show();
  }

  /** Show what has changed since; what somebody is writing stays, and they are told. */
  async refresh() {
    if (!panel.open || !this.#task) return;
    const found = await this.#ask(this.#task.id);
    if (!found) return;
    showHistory(found);
    if (found.task.updatedat === this.#task.updatedat) return;
    if (this.#isChanged) this.#tellChanged(t("board.changed-meanwhile"));
    else this.#fill(found);
  }

  get #isChanged() {
    return Object.keys(changedFields(this.#before, readFields(this.#needs.ids))).length > 0;
  }

  async #load(id) {
    let found = null;
    await attempt(async () => (found = await this.#ask(id)));
    if (found) this.#fill(found);
    return Boolean(found);
  }

  async #ask(id) {
    try {
      return await call("GET", `/api/board/tasks/${id}`);
    } catch (error) {
      if (error.status === undefined) throw error;
      if (error.status !== GONE) throw error;
      if (panel.open && id === this.#task?.id) this.#trouble(t("board.gone", { id }));
      else complain(t("board.gone", { id }));
      return null;
    }
  }

  #fill(found) {
    this.#task = found.task;
    keepBackend(found.task.backend);
    fillFields(found.task);
    this.#needs.show(found.needs, found.task.id);
    this.#before = readFields(this.#needs.ids);
    byId("panel-title").textContent = t("board.task", { id: found.task.id });
    byId("panel-retry").hidden = found.task.status_label === "ready" && !found.task.failures;
    byId("panel-archive").hidden = found.task.status_label === "archived";
    showHistory(found);
    this.#calm();
  }

  #show() {
    const only = this.#task ? "old" : "new";
    form.querySelectorAll("[data-only]").forEach((part) => part.classList.toggle("off", part.dataset.only !== only));
    if (panel.open) return;
    panel.showModal();
    panel.scrollTop = 0;
    if (this.#task) byId("panel-title").focus();
    else form.elements.prompt.focus();
    call("GET", "/api/board/choices").then(showChoices, () => {});
  }

  async #save(anyway = false) {
    const said = readFields(this.#needs.ids);
    byId("panel-save").disabled = true;
    try {
      if (this.#task) await this.#change(said, anyway);
      else await this.#add(said);
    } catch (error) {
      if (error.status === undefined) throw error;
      if (error.status === CONFLICT && this.#task) this.#tellChanged(error.message);
      else this.#trouble(error.message);
    } finally {
      byId("panel-save").disabled = false;
    }
  }

  async #change(said, anyway) {
    const changed = changedFields(this.#before, said);
    if (Object.keys(changed).length) {
      const seen = anyway ? {} : { updatedat: this.#task.updatedat };
      await call("PATCH", `/api/tasks/${this.#task.id}`, { ...changed, ...seen });
      tell(t("board.saved", { id: this.#task.id }));
    }
    panel.close();
    this.saved();
  }

  async #add({ order, ...said }) {
    const made = await call("POST", "/api/tasks", { ...said, at: form.elements.at.value });
    tell(t("board.added", { id: made.id }));
    panel.close();
    this.saved(made);
  }

  async #leave() {
    if (await this.#mayLeave()) panel.close();
  }

  async #mayLeave() {
    return !this.#isChanged || ask({ title: t("board.discard-title"), text: t("board.discard-help"), yes: t("board.discard") });
  }

  #keep() {
    const { id = null, updatedat: seen } = this.#task ?? {};
    keepDraft(DRAFT, this.#isChanged ? { id, seen, said: readFields(this.#needs.ids), needs: this.#needs.tasks } : null);
  }

  #closed() {
    keepDraft(DRAFT, null);
    if (location.hash) history.replaceState(null, "", location.pathname);
  }

  #tellChanged(text) {
    byId("panel-changed").querySelector("p").textContent = text;
    byId("panel-changed").hidden = false;
    byId("panel-changed").scrollIntoView({ block: "nearest" });
  }

  #trouble(text) {
    byId("panel-trouble").textContent = text;
    byId("panel-trouble").hidden = false;
    byId("panel-trouble").scrollIntoView({ block: "nearest" });
  }

  #calm() {
    byId("panel-trouble").hidden = true;
    byId("panel-changed").hidden = true;
  }
}
