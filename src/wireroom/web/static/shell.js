// What every screen has: the menu of narrow screens, and the sign that tells whether the page is live.

import { byId } from "./dom.js";
import { t } from "./texts.js";

const drawer = byId("drawer");

/** Close the menu of a narrow screen, if it is open. */
export function closeMenu() {
  if (!drawer.classList.contains("open")) return;
  toggle(false);
  byId("open-drawer").focus();
}

/** Show how the live connection is: "connecting", "live", "offline" or "logged-out". */
export function showConnection(state) {
  byId("connection").dataset.state = state;
  byId("connection-text").textContent = t(`common.${state}`);
}

function toggle(open) {
  drawer.classList.toggle("open", open);
  byId("shade").hidden = !open;
  document.querySelector("main").inert = open;
  byId("open-drawer").setAttribute("aria-expanded", String(open));
  if (open) byId("close-drawer").focus();
}

byId("open-drawer").addEventListener("click", () => toggle(true));
byId("close-drawer").addEventListener("click", closeMenu);
byId("shade").addEventListener("click", closeMenu);
addEventListener("keydown", (event) => event.key === "Escape" && closeMenu());
