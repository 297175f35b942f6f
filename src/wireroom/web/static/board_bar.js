// Above the board: which columns are shown, what is sought, whether the operator works, how much of a label at once.

import { call } from "./api.js";
import { byId, el, recall, remember } from "./dom.js";
import { complain, form, report } from "./notices.js";
import { t } from "./texts.js";

const SHOWN = "board-columns";
const SOUGHT_PAUSE_MS = 200;
const narrow = matchMedia("(max-width: 760px)");
const chips = [...document.querySelectorAll("[data-chip]")];

/** Show the columns that people chose: several, or one on a narrow screen; `changed()` follows. */
export function listenToChips(columns, changed) {
  const chosen = new Set((recall(SHOWN) ?? "backlog,ready,in_progress,failed,done").split(","));
  let only = recall(`${SHOWN}-narrow`) ?? "ready";

  function show() {
    for (const chip of chips) {
      const name = chip.dataset.chip;
      const isShown = narrow.matches ? name === only : chosen.has(name);
      columns.named(name).section.hidden = !isShown;
      chip.setAttribute("aria-pressed", String(isShown));
    }
  }

  for (const chip of chips) {
    chip.addEventListener("click", () => {
      only = chip.dataset.chip;
      if (!narrow.matches && !chosen.delete(only)) chosen.add(only);
      remember(SHOWN, [...chosen].join(","));
      remember(`${SHOWN}-narrow`, only);
      show();
      changed();
    });
  }
  narrow.addEventListener("change", () => (show(), columns.resize(), changed()));
  show();
  return chips;
}

/** A status that nobody knows has a column only while some task has it. */
export function showOther(columns) {
  const chip = chips.find((one) => one.dataset.chip === "other");
  chip.hidden = columns.named("other").tasks.length === 0;
}

export function listenToSearch(columns) {
  let timer = 0;
  const look = () => {
    columns.sought = { q: byId("search").value.trim(), label: byId("label-filter").value };
    columns.refresh().catch(report);
  };
  byId("search").addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, SOUGHT_PAUSE_MS);
  });
  byId("label-filter").addEventListener("change", look);
}

/** Offer the labels in use as filters, keeping what is chosen. */
export function listenToLabels() {
  const filter = byId("label-filter");
  const offer = async () => {
    const { labels } = await call("GET", "/api/board/choices");
    const known = new Set([...filter.options].map((option) => option.value));
    filter.append(...labels.filter((label) => !known.has(label)).map((label) => el("option", { value: label, textContent: label })));
  };
  // In time for the list to be opened.
  ["focus", "pointerenter"].forEach((sign) => filter.addEventListener(sign, () => offer().catch(report)));
  offer().catch(report);
}

export function listenToOperator() {
  const operator = byId("operator");
  operator.addEventListener("change", async () => {
    const wanted = operator.checked;
    try {
      await call(wanted ? "POST" : "DELETE", "/task-operator");
    } catch (error) {
      operator.checked = !wanted;
      complain(error.message);
    }
    showOperator(operator);
  });
}

export async function refreshOperator() {
  const { enabled } = await call("GET", "/task-operator");
  const operator = byId("operator");
  operator.checked = enabled;
  operator.disabled = document.body.dataset.role === "viewer";
  showOperator(operator);
}

function showOperator(operator) {
  operator.title = t(operator.checked ? "board.operator-on" : "board.operator-off");
}

export function listenToLimits() {
  byId("limits").addEventListener("click", async () => {
    try {
      const { limits } = await call("GET", "/api/tasks/limits");
      await editLimits(limits);
    } catch (error) {
      complain(error.message);
    }
  });
}

function editLimits(limits) {
  const known = Object.entries(limits).map(([label, most]) => ({ name: `of ${label}`, label: t("board.limit-of", { label }), type: "number", value: most, help: t("board.limit-help") }));
  const another = [
    { name: "label", label: t("board.limit-label") },
    { name: "most", label: t("board.limit-most"), type: "number" },
  ];
  const save = async (values) => {
    const wanted = Object.keys(limits).map((label) => [label, values[`of ${label}`]]);
    if (values.label.trim()) wanted.push([values.label.trim(), values.most]);
    for (const [label, most] of wanted) await call("PUT", `/api/tasks/limits/${encodeURIComponent(label)}`, { most: most === "" ? null : Number(most) });
  };
  return form({ title: t("board.limits-title"), fields: [...known, ...another], save });
}
