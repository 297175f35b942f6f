// What the page says to people beside its content: short notices, complaints, questions and small forms.

import { announce, byId, el, icon } from "./dom.js";
import { t } from "./texts.js";

const NOTICE_MS = 6000;
let forms = 0;

/** Say that something was done; it goes by itself. `undo` = {text, act()} adds a button. */
export function tell(text, undo = null) {
  announce(text);
  const line = notice(text, "");
  if (undo) line.insertBefore(button(undo.text, "button small", () => (line.remove(), undo.act())), line.lastChild);
  setTimeout(() => line.remove(), NOTICE_MS);
}

/** Say that something went wrong; it stays until it is dismissed. The same complaint stands once. */
export function complain(text) {
  const known = [...byId("notices").children].find((line) => line.firstChild.textContent === text);
  if (!known) notice(text, "bad").setAttribute("role", "alert");
}

/** Say that a call failed. That nobody answers, the connection's sign says, and its return brings a refresh. */
export function report(error) {
  if (error.status === undefined) throw error;
  if (error.status) complain(error.message);
}

/** Do what a press asks for; a call that fails is said, not thrown. True when it was done. */
export async function attempt(work) {
  try {
    await work();
    return true;
  } catch (error) {
    if (error.status === undefined) throw error;
    complain(error.message);
    return false;
  }
}

/** Let a refresh that nobody asked for fail in silence: the connection's sign tells, and the next one mends it. */
export async function quietly(work) {
  try {
    await work();
  } catch (error) {
    if (error.status === undefined) throw error;
  }
}

/** Ask before something that cannot be taken back; true once `yes` is pressed. */
export function ask({ title, text = "", yes = t("common.yes"), danger = true }) {
  return show(title, text ? [el("p", { textContent: text })] : [], yes, danger, () => true).then(Boolean);
}

/**
 * Ask for a few values. `fields` = [{name, label, type?, value?, help?, required?, options?: [[value, label], …]}, …] with
 * `type` one of input's types, "textarea", "select" or "check". `save(values)` may throw an ApiError, which is
 * shown in the form and keeps it open. Resolves to the values, null when it was left.
 */
export function form({ title, fields, yes = t("common.save"), save = async () => {} }) {
  forms += 1;
  const inputs = fields.map((field) => [field, input(field, `form-${forms}-${field.name}`)]);
  const trouble = el("p", { className: "trouble", hidden: true });
  trouble.setAttribute("role", "alert");
  const body = [...inputs.map(([field, control]) => framed(field, control)), trouble];
  return show(title, body, yes, false, async () => {
    const values = Object.fromEntries(inputs.map(([field, control]) => [field.name, field.type === "check" ? control.checked : control.value]));
    try {
      await save(values);
    } catch (error) {
      if (error.status === undefined) throw error;
      trouble.textContent = error.message;
      trouble.hidden = false;
      return null;
    }
    return values;
  });
}

/** A button with words. */
export function button(text, className, act) {
  const made = el("button", { type: "button", className, textContent: text });
  made.addEventListener("click", act);
  return made;
}

function notice(text, tone) {
  const close = el("button", { type: "button", className: "link-button" }, icon("close"));
  close.setAttribute("aria-label", t("common.dismiss"));
  const line = el("div", { className: `notice-line ${tone}` }, el("span", { textContent: text }), close);
  close.addEventListener("click", () => line.remove());
  byId("notices").append(line);
  return line;
}

function input(field, id) {
  const { name, type = "text", value = "", required = false, options = [] } = field;
  if (type === "textarea") return el("textarea", { id, name, value, required });
  if (type === "check") return el("input", { id, name, type: "checkbox", checked: Boolean(value) });
  if (type !== "select") return el("input", { id, name, type, value, required, autocomplete: type === "password" ? "new-password" : "off" });
  const select = el("select", { id, name, required }, ...options.map(([option, label]) => el("option", { value: option, textContent: label })));
  select.value = value;
  return select;
}

function framed(field, control) {
  const label = el("label", { htmlFor: control.id, textContent: field.label });
  if (field.type === "check") return el("div", { className: "check" }, control, label);
  const frame = el("div", { className: "field" }, label, control);
  if (!field.help) return frame;
  const help = el("p", { className: "help", id: `${control.id}-help`, textContent: field.help });
  control.setAttribute("aria-describedby", help.id);
  frame.append(help);
  return frame;
}

/** Show a dialog; `answer()` gives what it resolves to, null keeps it open. Leaving it resolves to null. */
function show(title, body, yes, danger, answer) {
  return new Promise((resolve) => {
    const heading = el("h2", { textContent: title, id: `dialog-${(forms += 1)}` });
    const accept = el("button", { type: "submit", className: `button ${danger ? "danger" : "primary"}`, textContent: yes });
    const foot = el("div", { className: "dialog-foot" }, button(t("common.cancel"), "button", () => dialog.close()), accept);
    const inside = el("form", {}, heading, ...body, foot);
    const dialog = el("dialog", {}, inside);
    dialog.setAttribute("aria-labelledby", heading.id);
    let found = null;
    inside.addEventListener("submit", async (event) => {
      event.preventDefault();
      accept.disabled = true;
      try {
        found = await answer();
      } finally {
        accept.disabled = false;
      }
      if (found !== null) dialog.close();
    });
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(found);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
