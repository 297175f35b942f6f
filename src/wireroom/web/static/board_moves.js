// What people do with a task: move it, archive it, try it again, delete it. One call each; the board then shows the truth.

import { call } from "./api.js";
import { STATUS } from "./board_card.js";
import { announce } from "./dom.js";
import { ask, complain, tell } from "./notices.js";
import { t } from "./texts.js";

/** Columns in which the order means something; the others show what changed last first. */
const ORDERED = new Set(["backlog", "ready", "in_progress"]);

export const canTake = (column) => column.name in STATUS;
export const isOrdered = (column) => ORDERED.has(column.name);

export class Moves {
  #last = Promise.resolve();

  constructor(columns) {
    this.columns = columns;
  }

  /** Move a loaded task to a place of a column; it is shown there at once. `seen` is the status it was picked up with. */
  move(id, to, index, seen) {
    const found = this.columns.find(id);
    if (!found || !canTake(to) || isThere(found, to, index)) return;
    const where = isOrdered(to) ? beside(to.tasks, found.task, index) : {};
    if (!where) return complain(t("board.not-loaded"));
    const place = isOrdered(to) ? index - (found.column === to && found.place < index ? 1 : 0) : 0;
    this.columns.relocate(found, to, place);
    this.#do(async () => {
      await call("POST", `/api/tasks/${id}/move`, { status: STATUS[to.name], seen, ...where });
      announce(t("board.moved", { id, column: t(`board.column-${to.name}`), place: place + 1, count: to.tasks.length }));
    });
  }

  archive(task) {
    const before = task.status_label;
    return this.#do(async () => {
      await call("POST", `/api/tasks/${task.id}/move`, { status: "archived", seen: before });
      tell(t("board.archived-one", { id: task.id }), { text: t("board.undo"), act: () => this.#putBack(task, before) });
    });
  }

  retry(task) {
    return this.#do(async () => {
      await call("POST", `/api/tasks/${task.id}/retry`);
      tell(t("board.retried", { id: task.id }));
    });
  }

  /** Delete a task after asking; true when it is gone. */
  async remove(task) {
    const sure = await ask({ title: t("board.delete-title", { id: task.id }), text: t("board.delete-help"), yes: t("board.delete") });
    if (!sure) return false;
    return this.#do(async () => {
      await call("DELETE", `/api/tasks/${task.id}`);
      tell(t("board.deleted", { id: task.id }));
    });
  }

  #putBack(task, status) {
    return this.#do(() => call("PATCH", `/api/tasks/${task.id}`, { status_label: status, order: task.order }));
  }

  /** Do one thing after the other, without the board changing in between; true when it was done. */
  #do(act) {
    this.columns.hold();
    const mine = this.#last.then(act).then(
      () => true,
      (error) => {
        if (error.status === undefined) throw error;
        complain(error.message);
        return false;
      },
    );
    this.#last = mine.catch(() => false);
    return mine.finally(() => {
      this.columns.refresh();
      return this.columns.release().catch(() => {});
    });
  }
}

const isThere = ({ column, place }, to, index) => column === to && (!isOrdered(to) || index === place || index === place + 1);

/** Between which tasks a place is, leaving out the one that goes there; null when neither is loaded. */
function beside(tasks, task, index) {
  const above = tasks[index - 1] === task ? tasks[index - 2] : tasks[index - 1];
  const below = tasks[index] === task ? tasks[index + 1] : tasks[index];
  const [after, before] = [above, below].map((one) => (one && !one.gap ? one.id : undefined));
  if (after !== undefined || before !== undefined) return { after, before };
  if (above || below) return null;
  return { at: "end" };
}
