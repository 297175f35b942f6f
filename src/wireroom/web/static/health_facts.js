// What Wireroom runs on: numbers with their units, each telling its window where it has one.

import { badge, byId, duration, el, icon } from "./dom.js";
import { bytes, clock, number } from "./format.js";
import { fill } from "./rows.js";
import { t } from "./texts.js";

const PARTS = ["database", "worker", "redis"];

export function showFacts({ version, started_at: started, uptime_seconds: uptime, database, machine }) {
  showCard("service", [
    ["version", version],
    ["started", clock(started)],
    ["uptime", duration(uptime * 1000)],
    ["memory-own", bytes(machine.process_bytes)],
    ["python", machine.python],
  ]);
  showCard("database", [["kind", t(`health.kind-${database.kind}`)], ...sizes(database.bytes)]);
  showCard("machine", [
    ["system", machine.system],
    ["processors", number(machine.processors)],
    ["load", machine.load_1_min === null ? t("health.unknown") : t("health.load-value", { load: number(machine.load_1_min, 2) })],
    ["memory", share(machine.memory_available_bytes, machine.memory_bytes)],
    ["disk", share(machine.disk_free_bytes, machine.disk_bytes)],
  ]);
}

/** What `/ready` says; null: it could not be asked. */
export function showReady(answer) {
  const lines = answer ? Object.entries(answer.checks).map(([part, said]) => [partName(part), stand(said === "ok", said === "ok" ? t("health.part-ok") : said)]) : [];
  const whole = answer ? stand(answer.ready, t(answer.ready ? "health.ready-yes" : "health.ready-no")) : stand(false, t("health.no-answer"));
  fill(byId("ready"), answer, () => [[t("health.ready-all"), whole], ...lines].flatMap(line));
}

function showCard(name, lines) {
  fill(byId(name), lines, () => lines.flatMap(([key, value]) => line([t(`health.${key}`), [value]])));
}

const line = ([name, value]) => [el("dt", { textContent: name }), el("dd", {}, ...value)];

const partName = (part) => (PARTS.includes(part) ? t(`health.ready-part-${part}`) : part);

function stand(fine, text) {
  const sign = badge("", fine ? "good" : "warm");
  sign.append(icon(fine ? "done" : "fail"), text);
  return [sign];
}

function sizes(found) {
  if (!found) return [["size-data", t("health.no-answer")]];
  const log = found.log === undefined ? [] : [["size-log", `${bytes(found.log)}, ${t("health.size-help")}`]];
  return [["size-data", bytes(found.data)], ...log];
}

const share = (free, all) => (free === null || all === null ? t("health.unknown") : t("health.free", { free: bytes(free), all: bytes(all) }));
