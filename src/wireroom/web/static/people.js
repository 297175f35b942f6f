// People: who is logged in, who may talk to the bot, and who did what; one part is shown at a time.

import { call } from "./api.js";
import { badge, byId, el } from "./dom.js";
import { tick } from "./format.js";
import { live } from "./live.js";
import { showAccess } from "./people_access.js";
import { showAudit } from "./people_audit.js";
import { showBot } from "./people_bot.js";
import { t } from "./texts.js";

const PARTS = { access: showAccess, bot: showBot, audit: showAudit };
const TICK_MS = 20_000;
let me = null;

function chosen() {
  const name = location.hash.slice(1);
  return name in PARTS ? name : "access";
}

function showPart() {
  for (const name of Object.keys(PARTS)) {
    byId(`part-${name}`).hidden = name !== chosen();
    if (name === chosen()) byId(`tab-${name}`).setAttribute("aria-current", "true");
    else byId(`tab-${name}`).removeAttribute("aria-current");
  }
}

async function refresh() {
  me = await call("GET", "/api/access/me");
  const who = el("strong", { textContent: me.account ?? t("people.by-link") });
  const role = badge(t(`people.role-${me.role}`));
  byId("me").replaceChildren(t(me.account ? "people.you-are" : "people.you-came"), " ", who, " ", role, " ", el("span", { className: "soft", textContent: t(`people.role-${me.role}-means`) }));
  await PARTS[chosen()](me);
}

addEventListener("hashchange", () => {
  showPart();
  if (me) PARTS[chosen()](me);
});
setInterval(tick, TICK_MS);
showPart();
live(["people"], refresh);
