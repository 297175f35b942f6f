// The keyboard's way through the board: arrows go, Alt and arrows move, letters do.

import { canTake, isOrdered } from "./board_moves.js";
import { byId } from "./dom.js";

const STEPS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

export function listenToKeys(columns, moves) {
  const isOwner = document.body.dataset.role !== "viewer";
  const acts = { a: (task) => moves.archive(task), r: (task) => moves.retry(task), Delete: (task) => moves.remove(task) };

  addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]") || event.target.closest("input, textarea, select") || event.ctrlKey || event.metaKey) return;
    const focused = Number(event.target.closest("[data-task]")?.dataset.task ?? 0);
    const found = focused ? columns.find(focused) : null;
    if (found && event.key in STEPS) {
      event.preventDefault();
      if (!event.altKey) go(columns, found, STEPS[event.key]);
      else if (isOwner) carry(columns, moves, found, STEPS[event.key]);
    } else if (found && isOwner && event.key in acts && !event.altKey) {
      event.preventDefault();
      acts[event.key](found.task);
    } else if (general(event.key, isOwner)) event.preventDefault();
  });
}

function general(key, isOwner) {
  if (key === "/") byId("search").focus();
  else if (key === "n" && isOwner) byId("quick-text").focus();
  else if (key === "?") byId("help").showModal();
  else return false;
  return true;
}

/** Focus the next card in that direction. */
function go(columns, { column, place }, [across, down]) {
  const target = across ? beside(columns, column, across, (one) => one.tasks.length > 0) : column;
  if (!target) return;
  const [first] = target.sight();
  const [own] = column.sight();
  const wanted = across ? first + place - own : place + down;
  const next = target.tasks[Math.max(0, Math.min(target.tasks.length - 1, wanted))];
  if (next.gap) target.list.reveal(Math.max(0, wanted));
  else columns.focus(next.id);
}

/** Move the card one place, or into the next column: at its end, or at its top where the newest come first. */
function carry(columns, moves, { column, place, task }, [across, down]) {
  const target = across ? beside(columns, column, across, canTake) : column;
  if (!target || (down && !isOrdered(column))) return;
  const index = across ? target.tasks.length : place + (down > 0 ? 2 : -1);
  if (down && (index < 0 || index > column.tasks.length)) return;
  moves.move(task.id, target, index, task.status_label);
  columns.focus(task.id);
}

function beside(columns, column, step, fits) {
  const shown = columns.inSight;
  for (let at = shown.indexOf(column) + step; at >= 0 && at < shown.length; at += step) if (fits(shown[at])) return shown[at];
  return null;
}
