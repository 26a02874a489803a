// The page: what arrives goes to the parts that show it, and the parts know nothing of each other.

import { byId, say } from "./dom.js";
import { count, duration, instant, timeOfDay } from "./format.js";
import { call, Refused, Stream } from "./connection.js";
import { Feeds } from "./feeds.js";
import { Pipeline } from "./pipeline.js";
import { Problems } from "./problems.js";
import { Workbench } from "./workbench.js";

/** Figures come each second; older than this they are old. */
const STALE_SECONDS = 5;

const pipeline = new Pipeline();
const feeds = new Feeds();
const problems = new Problems();
const workbench = new Workbench();
const stream = new Stream(receive, (open) => { connected = open; });

let connected = false;
let lastMessage = 0;
let started = null;
let generation = null;
let reloadFailed = false;
let isReady = true;

function receive(name, data) {
  lastMessage = Date.now();
  const parts = {
    status: () => status(data),
    topology: () => topology(data),
    stats: () => pipeline.stats(data),
    problem: () => problems.add(data),
    feeds: () => showFeeds(data),
    reload: () => reloaded(data),
  };
  parts[name]?.();
  tick();
}

function status(told) {
  say(byId("version"), told.version);
  // This machine's clock may be another one.
  started = Date.now() - (instant(told.now) - instant(told.started));
  isReady = told.ready;
}

function topology(description) {
  generation = description.generation;
  pipeline.topology(description);
  workbench.topology(description);
}

function showFeeds(all) {
  feeds.show(all);
  pipeline.lost(feeds.totals().lost);
}

function reloaded({ at, ok, changed, diagnostics }) {
  const place = byId("reload-end");
  reloadFailed = !ok;
  // What went well before this page was opened is no news.
  if (ok && !at) return;
  place.hidden = false;
  place.className = `banner ${ok ? "calm" : "bad"}`;
  const time = at ? ` at ${timeOfDay(at)}` : "";
  say(byId("reload-text"), ok ? `Reloaded${time}: ${changesIn(changed)}.` : `The reload${time} was refused; what ran before runs on.`);
  byId("reload-diagnostics").hidden = ok || !diagnostics;
  say(byId("reload-diagnostics"), diagnostics ?? "");
}

function changesIn(changed) {
  const said = ["added", "changed", "removed"]
    .filter((kind) => changed?.[kind]?.length > 0)
    .map((kind) => `${changed[kind].join(", ")} ${kind}`);
  return said.join("; ") || "nothing was changed";
}

async function reload() {
  byId("reload").disabled = true;
  try {
    const { changed } = await call("POST", "/api/reload", {});
    reloaded({ at: new Date().toISOString(), ok: true, changed });
  } catch (error) {
    const body = error instanceof Refused ? error.body : null;
    reloaded({ at: new Date().toISOString(), ok: false, diagnostics: body?.diagnostics ?? error.message });
  } finally {
    byId("reload").disabled = false;
    tick();
  }
}

/** What holds for the page as a whole: whether its data are fresh, and whether all is well. */
function tick() {
  const age = (Date.now() - lastMessage) / 1000;
  const stale = lastMessage > 0 && (age > STALE_SECONDS || !connected);
  const banner = byId("stale");
  document.body.classList.toggle("stale", stale);
  banner.hidden = !stale;
  if (stale) {
    const since = timeOfDay(new Date(lastMessage).toISOString());
    say(banner, `These data are old: nothing has come since ${since} UTC. ${connected ? "Waiting …" : "Connecting again …"}`);
  }
  const up = started === null ? null : `up ${duration((Date.now() - started) / 1000)}`;
  say(byId("running"), [generation === null ? null : `generation ${generation}`, up].filter(Boolean).join(" · "));
  const { lost } = feeds.totals();
  const troubles = [
    lost > 0 ? `${count(lost)} blobs lost` : null,
    reloadFailed ? "reload refused" : null,
    isReady ? null : "not ready",
    ...pipeline.troubles(),
  ].filter(Boolean);
  const [text, state] = lastMessage === 0 ? ["connecting …", ""]
    : stale ? [connected ? "no data" : "no connection", "bad"]
    : troubles.length > 0 ? [troubles.slice(0, 2).join(", "), lost > 0 || reloadFailed ? "bad" : "warn"]
    : ["all is well", "good"];
  say(byId("health"), text);
  byId("health").className = `chip ${state}`;
}

/** The view that the address names: `#overview`, `#workbench` or `#workbench/TRANSFORM`. */
function view() {
  const [name, id] = location.hash.slice(1).split("/");
  const bench = name === "workbench";
  byId("overview").hidden = bench;
  byId("workbench").hidden = !bench;
  for (const [link, current] of [["to-overview", !bench], ["to-workbench", bench]]) {
    if (current) byId(link).setAttribute("aria-current", "page");
    else byId(link).removeAttribute("aria-current");
  }
  if (bench) workbench.open(id ? decodeURIComponent(id) : null);
}

async function start() {
  try {
    status(await call("GET", "/api/status"));
    topology(await call("GET", "/api/topology"));
    byId("login").hidden = true;
    view();
    stream.open();
    const [known, all] = await Promise.all([call("GET", "/api/problems"), call("GET", "/api/feeds")]);
    problems.show(known);
    showFeeds(all);
    tick();
  } catch (error) {
    if (error instanceof Refused && error.status === 401) return;
    say(byId("health"), error.message);
    stream.open();
  }
}

document.addEventListener("signin", () => {
  stream.close();
  byId("overview").hidden = true;
  byId("workbench").hidden = true;
  byId("login").hidden = false;
  say(byId("health"), "signed out");
  byId("token").focus();
});

byId("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const field = byId("token");
  try {
    await call("POST", "/session", { token: field.value });
    field.value = "";
    say(byId("login-error"), "");
    await start();
  } catch (error) {
    say(byId("login-error"), error instanceof Refused && error.status === 401 ? "That is not the token." : error.message);
    field.select();
  }
});

byId("reload").addEventListener("click", reload);
addEventListener("hashchange", () => {
  if (location.hash === "#main") return;
  if (byId("login").hidden) view();
});
setInterval(tick, 1000);
start();
