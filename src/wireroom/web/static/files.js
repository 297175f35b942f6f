// The files that agents work on: trees on one side, the text of one file on the other; the address names both.

import { call } from "./api.js";
import { byId, el, icon } from "./dom.js";
import { Code } from "./files_code.js";
import { Tree } from "./files_tree.js";
import { live } from "./live.js";
import { report } from "./notices.js";
import { t } from "./texts.js";

const SETTLE_MS = 250;
const REPOSITORIES = "repositories";

const tree = new Tree(byId("tree"), open);
const code = new Code();
let place = null;
let timer = 0;
let asked = 0;

/** What the address names: {place, path, lines}. */
function wanted() {
  const query = new URLSearchParams(location.hash.slice(1));
  return { place: query.get("place"), path: query.get("path"), lines: query.get("lines") };
}

function open(at, path) {
  location.hash = new URLSearchParams({ place: at, path });
}

/** Ask which places there are, and show those that are new; a run or conversation of the address is one of them. */
async function refresh() {
  const { has_repositories: has, conversations } = await call("GET", "/api/files/places");
  const places = conversations.map((one) => ({ place: one.place, title: one.title || t("files.conversation", { id: one.place.split(":")[1].slice(-8) }) }));
  if (has) places.unshift({ place: REPOSITORIES, title: t("files.repositories") });
  const named = wanted().place;
  if (named && !places.some((one) => one.place === named)) places.unshift({ place: named, title: titleOf(named) });
  tree.show(places);
  byId("files-empty").hidden = places.length > 0;
  if (place || !places.length) return;
  turnTo(named ?? places[0].place);
  await tree.unfold(place);
}

function titleOf(named) {
  const [kind, id] = named.split(":");
  return id ? t(kind === "run" ? "files.run" : "files.conversation", { id: id.slice(-8) }) : t("files.repositories");
}

/** Search in this place from now on. */
function turnTo(at) {
  place = at;
  byId("search-place").textContent = t("files.search-in", { place: tree.titleOf(at) ?? titleOf(at) });
}

async function follow() {
  const { place: at, path, lines } = wanted();
  byId("content").dataset.shows = path ? "file" : "tree";
  byId("file-back").href = at ? `#${new URLSearchParams({ place: at })}` : "#";
  if (at && !tree.titleOf(at)) await refresh();
  if (at) turnTo(at);
  if (at && path) {
    tree.reveal(at, path).catch(report);
    await code.show(at, path, lines);
  } else {
    code.leave();
    if (at) await tree.unfold(at);
  }
}

async function search() {
  const words = byId("search-words").value.trim();
  const mine = (asked += 1);
  byId("tree").hidden = Boolean(words);
  byId("hits").hidden = !words;
  if (!words || !place) return;
  const at = place;
  const found = await call("GET", `/api/files/search?${new URLSearchParams({ place: at, words })}`);
  if (mine !== asked) return;
  const count = found.paths.length;
  byId("hits-count").textContent = found.more ? t("files.more-hits", { count }) : count === 1 ? t("files.one-hit") : t(count ? "files.hits" : "files.no-hit", { count });
  byId("hit-list").replaceChildren(...found.paths.map((path) => hit(at, path)));
}

function hit(at, path) {
  const [folder, name] = [path.slice(0, path.lastIndexOf("/") + 1), path.slice(path.lastIndexOf("/") + 1)];
  const link = el("a", { href: `#${new URLSearchParams({ place: at, path })}` }, icon("file"), el("span", {}, el("span", { className: "soft", textContent: folder }), name));
  return el("li", {}, link);
}

byId("files-search").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("hit-list").querySelector("a")?.focus();
});
byId("search-words").addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(() => search().catch(report), SETTLE_MS);
});
addEventListener("hashchange", () => follow().catch(report));

live(["runs"], refresh);
follow().catch(report);
