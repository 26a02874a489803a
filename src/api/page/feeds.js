// The feeds: per tenant and content type what the API listed, hour by hour, and what became of it. A lost blob is a cross
// on red, a pending one is hatched, so that neither rests on colour alone; each square says its numbers in words.

import { byId, h, s, say, set, table } from "./dom.js";
import { call } from "./connection.js";
import { count, day, duration, fromNow, instant } from "./format.js";

const HOUR = 3_600_000;
const DAYS = 7;
const CELL = 11;
const LEFT = 27;
const TOP = 13;
/** More tenants than these are shown when asked for, those in trouble first. */
const TENANTS_SHOWN = 12;

export class Feeds {
  #tenants = new Map();
  #feeds = [];
  #asked = [];
  #shown = TENANTS_SHOWN;
  #filter = "";

  constructor() {
    byId("tenant").addEventListener("input", (event) => {
      this.#filter = event.target.value.trim().toLowerCase();
      this.#draw();
    });
    byId("tenant").addEventListener("change", (event) => this.#ask(event.target.value.trim()));
  }

  /** The feeds as the API gives them: the worst ones, where there are many. */
  show(feeds) {
    this.#feeds = feeds;
    this.#draw();
  }

  /** Asks for the feeds of a tenant that is not among these. */
  async #ask(tenant) {
    this.#asked = [];
    if (tenant !== "" && this.#found().length === 0) {
      this.#asked = await call("GET", `/api/feeds?tenant=${encodeURIComponent(tenant)}`).catch(() => []);
    }
    this.#draw();
  }

  #found() {
    const groups = byTenant([...this.#feeds, ...this.#asked]);
    return groups.filter(({ name, tenant }) => `${name} ${tenant}`.toLowerCase().includes(this.#filter));
  }

  /** Blobs that were lost in these days. */
  totals() {
    return { lost: sum(this.#feeds.flatMap((feed) => feed.hours), "lost") };
  }

  #draw() {
    const groups = byTenant(this.#feeds);
    byId("tenant-filter").hidden = groups.length <= TENANTS_SHOWN / 2;
    const found = this.#found();
    const shown = found.slice(0, this.#shown);
    const elements = shown.map((group) => this.#tenant(group));
    const rest = found.length - shown.length;
    if (groups.length === 0) elements.push(h("p", { class: "muted" }, "No feed has been listed yet."));
    else if (found.length === 0) elements.push(h("p", { class: "muted" }, "No tenant among these is called so. Its whole name, then Enter, asks for it."));
    if (rest > 0) elements.push(h("button", { type: "button", click: () => this.#more() }, `Show ${count(Math.min(rest, TENANTS_SHOWN))} of ${count(rest)} more`));
    const place = byId("feeds");
    const same = place.childElementCount === elements.length && elements.every((element, i) => place.children[i] === element);
    if (!same) place.replaceChildren(...elements);
  }

  #more() {
    this.#shown += TENANTS_SHOWN;
    this.#draw();
  }

  #tenant(group) {
    const known = this.#tenants.get(group.key) ?? new Tenant(group);
    this.#tenants.set(group.key, known);
    known.show(group);
    return known.element;
  }
}

class Tenant {
  #chips = h("p", { class: "chips" });
  #grid = h("div", { class: "maps" });
  #maps = new Map();

  constructor({ name, tenant, source }) {
    this.element = h("section", { class: "tenant", "aria-label": `Tenant ${name}` },
      h("div", { class: "head" }, h("h3", {}, name, h("small", {}, ` ${tenant === name ? "" : tenant} by ${source}`)), this.#chips),
      this.#grid);
  }

  show({ feeds }) {
    this.#chips.replaceChildren(...chips(feeds));
    for (const feed of feeds) {
      const type = feed.content_type;
      if (!this.#maps.has(type)) {
        const map = new HeatMap(type);
        this.#maps.set(type, map);
        this.#grid.append(map.element);
      }
      this.#maps.get(type).show(feed);
    }
  }
}

/** What holds for a tenant as a whole. */
function chips(feeds) {
  const chip = (text, state) => h("span", { class: `chip ${state}` }, text);
  const first = feeds[0];
  const made = [];
  const lost = sum(feeds.flatMap((feed) => feed.hours), "lost");
  if (lost > 0) made.push(chip(`${count(lost)} lost`, "bad"));
  const throttled = sum(feeds, "throttled");
  if (throttled > 0) made.push(chip(`throttled ${count(throttled)} times`, "warn"));
  for (const [name, time, soon] of [["token", first.token_expires, 0], ["certificate", first.certificate_expires, 30 * 24 * HOUR]]) {
    if (!time) continue;
    const left = instant(time) - Date.now();
    const state = left <= 0 ? "bad" : left < soon ? "warn" : "calm";
    made.push(chip(`${name} ${left <= 0 ? "expired" : "expires"} ${fromNow(time)}`, state));
  }
  return made;
}

/** What the API's words for the state of a feed mean. */
const STATES = {
  losing: "blobs were lost", off: "subscription is off", new: "not listed yet", behind: "behind", ok: "up to date", gone: "not configured any more",
};

/** Seven days of one feed: a row a day, a column an hour. */
class HeatMap {
  #type;
  #cells = new Map();
  #crosses = s("path", { class: "cross", "aria-hidden": "true" });
  #days = [];
  #state = h("p", { class: "muted small" });
  #readout = h("p", { class: "readout small" });
  #table = h("div", {});
  #details;
  #drawing = h("div", {});
  #feed = null;
  #at = 0;

  constructor(type) {
    this.#type = type;
    this.#details = h("details", { class: "table", toggle: () => this.#fillTable() }, h("summary", {}, "By day"), this.#table);
    this.element = h("article", { class: "map" }, h("h4", {}, type), this.#state, this.#drawing, this.#readout, this.#details);
  }

  show(feed) {
    this.#feed = feed;
    const hours = new Map(feed.hours.map((hour) => [Math.floor(instant(hour.hour) / HOUR), hour]));
    const days = daysOf(Math.max(Math.floor(Date.now() / HOUR), ...hours.keys()));
    if (days[0] !== this.#days[0]) this.#draw(days);
    const most = usual(feed.hours);
    let crosses = "";
    for (const [hour, cell] of this.#cells) {
      const numbers = hours.get(hour) ?? { listed: 0, delivered: 0, pending: 0, lost: 0 };
      set(cell, "class", `cell ${stateOf(numbers, most)}`);
      set(cell, "aria-label", `${day(hour * HOUR)}, ${clock(hour)}: ${words(numbers)}`);
      if (numbers.lost > 0) crosses += cross(Number(cell.getAttribute("x")), Number(cell.getAttribute("y")));
    }
    set(this.#crosses, "d", crosses);
    const totals = Object.fromEntries(["delivered", "pending", "lost"].map((name) => [name, sum(feed.hours, name)]));
    const lag = Number.isFinite(feed.lag_seconds) ? `lag ${duration(feed.lag_seconds)}` : "no lag known";
    const throttled = feed.throttled > 0 ? `throttled ${count(feed.throttled)} times` : null;
    say(this.#state, [STATES[feed.state] ?? feed.state, lag, throttled].filter(Boolean).join(" · "));
    const all = `${count(totals.delivered)} delivered, ${count(totals.pending)} pending, ${count(totals.lost)} lost`;
    this.#readout.dataset.all = all;
    this.#readout.classList.toggle("bad", totals.lost > 0);
    if (!this.#drawing.contains(document.activeElement) && !this.#drawing.matches(":hover")) say(this.#readout, all);
    this.#fillTable();
  }

  #draw(days) {
    this.#days = days;
    this.#cells = new Map();
    const rows = days.map((first, row) => s("g", { role: "row" },
      s("text", { class: "axis", role: "rowheader", x: LEFT - 5, y: TOP + row * CELL + 9, "text-anchor": "end" }, day(first * HOUR).slice(0, 3)),
      ...Array.from({ length: 24 }, (_, column) => this.#cell(first + column, LEFT + column * CELL, TOP + row * CELL))));
    const ticks = [0, 6, 12, 18].map((hour) => s("text", { class: "axis", x: LEFT + hour * CELL, y: 9 }, `${String(hour).padStart(2, "0")}h`));
    const rest = () => say(this.#readout, this.#readout.dataset.all ?? "");
    this.#drawing.replaceChildren(s("svg", {
      class: "heat", viewBox: `0 0 ${LEFT + 24 * CELL} ${TOP + DAYS * CELL}`, role: "grid", "aria-label": `${this.#type}, hour by hour`,
      keydown: (event) => this.#move(event), mouseleave: rest, focusout: rest,
    }, s("g", { "aria-hidden": "true" }, ...ticks), ...rows, this.#crosses));
    this.#at = this.#cells.size - 1;
    this.#cellAt(this.#at).setAttribute("tabindex", "0");
  }

  #cell(hour, x, y) {
    const tell = () => say(this.#readout, cell.getAttribute("aria-label") ?? "");
    const cell = s("rect", {
      class: "cell level-0", role: "gridcell", tabindex: -1, x: x + 0.5, y: y + 0.5, width: CELL - 1.5, height: CELL - 1.5, rx: 1.5,
      mouseenter: tell, focus: tell,
    });
    this.#cells.set(hour, cell);
    return cell;
  }

  #cellAt(index) {
    return [...this.#cells.values()][index];
  }

  #move(event) {
    const last = this.#cells.size - 1;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -24, ArrowDown: 24, Home: -this.#at, End: last - this.#at };
    const to = this.#at + (steps[event.key] ?? NaN);
    if (Number.isNaN(to)) return;
    event.preventDefault();
    if (to < 0 || to > last) return;
    this.#cellAt(this.#at).setAttribute("tabindex", "-1");
    this.#at = to;
    this.#cellAt(to).setAttribute("tabindex", "0");
    this.#cellAt(to).focus();
  }

  #fillTable() {
    if (!this.#details.open || this.#feed === null) return;
    const rows = this.#days.map((first) => {
      const own = this.#feed.hours.filter((hour) => {
        const at = Math.floor(instant(hour.hour) / HOUR);
        return at >= first && at < first + 24;
      });
      return [day(first * HOUR), ...["listed", "delivered", "pending", "lost"].map((name) => count(sum(own, name)))];
    });
    this.#table.replaceChildren(table(`${this.#type} by day`, ["Day", "Listed", "Delivered", "Pending", "Lost"], rows));
  }
}

/** The first hours of the last days, oldest first. */
function daysOf(newest) {
  const today = newest - (newest % 24);
  return Array.from({ length: DAYS }, (_, i) => today - 24 * (DAYS - 1 - i));
}

/** What is much in an hour of this feed: more only in one of twenty, so that one hour does not pale all others. */
function usual(hours) {
  const listed = hours.map((hour) => hour.listed).filter((many) => many > 0).sort((a, b) => a - b);
  return listed[Math.floor(listed.length * 0.95)] ?? 1;
}

/** What a square looks like: the worst that happened in its hour, else how much was delivered. */
function stateOf({ listed, pending, lost, delivered }, most) {
  if (lost > 0) return "lost";
  if (pending > 0) return "pending";
  if (listed === 0 && delivered === 0) return "level-0";
  return `level-${Math.min(4, 1 + Math.floor((listed / most) * 3.99))}`;
}

function words({ listed, delivered, pending, lost }) {
  if (listed === 0 && lost === 0) return "nothing listed";
  const said = [`${count(listed)} listed`, `${count(delivered)} delivered`];
  if (pending > 0) said.push(`${count(pending)} pending`);
  if (lost > 0) said.push(`${count(lost)} lost`);
  return said.join(", ");
}

/** The path of a cross over the square at this place. */
const cross = (x, y) => `M${x + 2.3} ${y + 2.3}l4.9 4.9m0-4.9l-4.9 4.9`;

const clock = (hour) => `${String(hour % 24).padStart(2, "0")}:00`;

const sum = (rows, name) => rows.reduce((total, row) => total + (row[name] ?? 0), 0);

/** The feeds of each tenant together. They come with those in trouble first. */
function byTenant(feeds) {
  const groups = new Map();
  for (const feed of feeds) {
    const key = `${feed.source}/${feed.tenant}`;
    const name = feed.tenant_name || feed.tenant;
    const group = groups.get(key) ?? { key, name, tenant: feed.tenant, source: feed.source, feeds: [] };
    group.feeds.push(feed);
    groups.set(key, group);
  }
  for (const group of groups.values()) group.feeds.sort((a, b) => a.content_type.localeCompare(b.content_type));
  return [...groups.values()];
}
