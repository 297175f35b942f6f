// What can be set: the operator, the shared switches, the back ends; and what the start has read.

import { tick } from "./format.js";
import { live } from "./live.js";
import { refreshBackends } from "./settings_backends.js";
import { loadEnvironment } from "./settings_environment.js";
import { refreshOperator } from "./settings_operator.js";
import { refreshSwitches } from "./settings_switches.js";

const TICK_MS = 10_000;

live(["settings", "tasks"], async (topics) => {
  await refreshOperator();
  if (topics.includes("settings")) await refreshSwitches();
});
live(["settings"], () => Promise.all([refreshBackends(), loadEnvironment()]));
setInterval(tick, TICK_MS);
