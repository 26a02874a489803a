// The last warnings and errors: how often, since when, and what to do.

import { byId, h } from "./dom.js";
import { count, instant, timeOfDay } from "./format.js";

/** More than these are in the log. */
const SHOWN = 50;

export class Problems {
  #problems = new Map();

  constructor() {
    this.#draw();
  }

  /** All that are known. */
  show(problems) {
    this.#problems = new Map(problems.map((problem) => [keyOf(problem), problem]));
    this.#draw();
  }

  /** One that is new, or came again. */
  add(problem) {
    const key = keyOf(problem);
    const before = this.#problems.get(key);
    this.#problems.set(key, { ...problem, count: problem.count ?? (before?.count ?? 0) + 1 });
    this.#draw();
  }

  #draw() {
    const sorted = [...this.#problems.values()].sort((a, b) => instant(b.at) - instant(a.at)).slice(0, SHOWN);
    const place = byId("problems");
    if (sorted.length === 0) place.replaceChildren(h("li", { class: "muted none" }, "None since the start."));
    else place.replaceChildren(...sorted.map(row));
  }
}

function row({ at, level, component_id: component, tenant, content_type: type, message, error, fix, fields, count: times }) {
  const where = [component, tenant, type].filter(Boolean).join(" · ");
  const kind = String(level).toLowerCase();
  return h("li", { class: kind },
    h("span", { class: `chip ${kind === "error" ? "bad" : "warn"}` }, kind),
    h("div", {},
      h("p", {}, h("b", {}, message), where ? h("span", { class: "muted" }, ` ${where}`) : null),
      ...Object.entries(fields ?? {}).map(([name, value]) => h("p", { class: "cause" }, `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)),
      error ? h("p", { class: "cause" }, error) : null,
      fix ? h("p", { class: "fix" }, h("b", {}, "Fix: "), fix) : null),
    h("p", { class: "muted times" }, times > 1 ? `${count(times)} times, last ` : "", h("time", { datetime: new Date(instant(at)).toISOString() }, timeOfDay(at))));
}

const keyOf = (it) => [it.level, it.component_id, it.tenant, it.content_type, it.message].join("\u0000");
