// The number of dead letters in the navigation, on every screen that is live.

import { call } from "./api.js";
import { byId, el } from "./dom.js";
import { live } from "./live.js";

const sign = el("span", { className: "count", hidden: true });
byId("nav-dead-letters").append(sign);

live(["dead"], async () => {
  const { total } = await call("GET", "/api/dead-letters");
  sign.textContent = total > 999 ? "999+" : String(total);
  sign.hidden = total === 0;
});
