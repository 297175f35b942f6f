// The side of the chat: earlier conversations, and pairing with the bot.

import { call } from "./api.js";
import { announce, byId, el } from "./dom.js";
import { setText } from "./rows.js";
import { t } from "./texts.js";

const A_PAGE = 30;
const REFRESH_MS = 300;

export class Drawer {
  #pages = 1;
  #shown = { id: null, currentId: null };
  #timer = null;

  constructor() {
    byId("more-history").addEventListener("click", () => {
      this.#pages += 1;
      this.#load();
    });
    byId("make-code")?.addEventListener("click", () => this.#makeCode());
  }

  /** Show the list anew, soon: several changes at once are one call. */
  refresh(shownId, currentId) {
    this.#shown = { id: shownId, currentId };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#load(), REFRESH_MS);
  }

  async #load() {
    const pages = [];
    try {
      for (let page = 1; page <= this.#pages; page += 1) {
        pages.push(await call("GET", `/api/chat/conversations?page=${page}&per_page=${A_PAGE}`));
      }
    } catch {
      return;
    }
    const items = pages.flatMap((page) => page.conversations).filter(({ title, is_current }) => title || is_current);
    this.#show(items);
    byId("more-history").hidden = pages.at(-1).pagination.total_pages <= this.#pages;
  }

  /** Change the list in place: an element that is replaced while somebody presses it loses the click. */
  #show(items) {
    const list = byId("history");
    const known = new Map([...list.children].map((element) => [element.dataset.id, element]));
    items.forEach((item, place) => {
      const element = known.get(item.id) ?? newItem(item.id);
      known.delete(item.id);
      this.#fill(element.firstChild, item);
      if (list.children[place] !== element) list.insertBefore(element, list.children[place] ?? null);
    });
    known.forEach((element) => element.remove());
  }

  #fill(link, { id, title, is_current, active_at }) {
    link.setAttribute("href", is_current ? "#/" : `#/c/${encodeURIComponent(id)}`);
    link.title = new Date(active_at).toLocaleString();
    setText(link.children[0], title || t("chat.new"));
    setText(link.children[1], is_current ? t("chat.now") : when(active_at));
    if (id === this.#shown.id) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }

  async #makeCode() {
    const [button, shown, text] = ["make-code", "pairing-code", "pairing-text"].map(byId);
    button.disabled = true;
    try {
      shown.textContent = (await call("POST", "/api/chat/pairing-code")).code;
      shown.hidden = false;
      text.textContent = t("chat.pairing-made");
      button.lastChild.textContent = t("chat.pairing-another");
      announce(t("chat.pairing-code", { code: shown.textContent }));
    } catch (error) {
      text.textContent = error.message;
    }
    button.disabled = false;
  }
}

function newItem(id) {
  const link = el("a");
  link.append(el("span", { className: "history-title" }), el("span", { className: "history-when" }));
  const item = el("li", {}, link);
  item.dataset.id = id;
  return item;
}

function when(time) {
  const date = new Date(time);
  const today = new Date().toDateString() === date.toDateString();
  return today
    ? date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false })
    : date.toLocaleDateString([], { day: "numeric", month: "short" });
}
