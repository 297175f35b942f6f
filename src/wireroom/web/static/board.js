// The board: tasks in columns, moved by hand, added by a line, live.

import { listenToChips, listenToLabels, listenToLimits, listenToOperator, listenToSearch, refreshOperator, showOther } from "./board_bar.js";
import { Columns } from "./board_columns.js";
import { makeDraggable } from "./board_drag.js";
import { listenToKeys } from "./board_keys.js";
import { Moves } from "./board_moves.js";
import { Panel } from "./board_panel.js";
import { emptyQuickLine, listenToQuickLine } from "./board_quick.js";
import { byId } from "./dom.js";
import { live } from "./live.js";
import { report } from "./notices.js";

const board = byId("board");
const columns = new Columns(board, () => showOther(columns));
const moves = new Moves(columns);
const refresh = () => columns.refresh().catch(report);
const panel = new Panel(moves, (added) => {
  if (added) emptyQuickLine();
  refresh();
});

board.addEventListener("click", (event) => {
  const row = event.target.closest("[data-task]");
  if (row?.dataset.task) panel.open(Number(row.dataset.task));
});
byId("all-fields").addEventListener("click", () => panel.openNew(byId("quick-text").value, byId("quick-to").value));
byId("keys").addEventListener("click", () => byId("help").showModal());
const chips = listenToChips(columns, refresh);
makeDraggable(columns, moves, chips);
listenToKeys(columns, moves);
listenToQuickLine(refresh);
listenToSearch(columns);
listenToLabels();
listenToOperator();
listenToLimits();
panel.resume();
// Not to wait for the live connection, which asks again.
refresh();

live(["tasks"], () => Promise.all([columns.refresh(), panel.refresh()]));
live(["settings"], refreshOperator);
