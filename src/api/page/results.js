// Events, and what a program made of them: a list to choose from, and a comparison side by side.

import { h, say } from "./dom.js";
import { count } from "./format.js";
import { diff, folded, printed } from "./diff.js";

/** What tells an event from others, by the first of these that it has. */
const TITLES = ["Operation", "event.action", "activity_name", "message"];
const PEOPLE = ["UserId", "user.name", "user.email", "actor.user.name"];
const TIMES = ["CreationTime", "@timestamp", "time"];

export class Results {
  #events = [];
  #base = [];
  #tried = null;
  #at = 0;
  #opened = new Set();
  #list = h("fieldset", { class: "events" }, h("legend", { class: "hidden" }, "Events that passed lately"));
  #time = h("p", { class: "muted small", role: "status" });
  #against = h("select", { id: "against", change: () => this.#compare() },
    h("option", { value: "input" }, "the input"),
    h("option", { value: "saved" }, "the output of the saved program"));
  #outcome = h("p", { class: "outcome" });
  #comparison = h("div", { class: "comparison", tabindex: 0, role: "region", "aria-label": "Comparison" });

  constructor() {
    this.element = h("div", { class: "results" },
      h("div", {}, this.#list, this.#time),
      h("div", { class: "output" },
        h("p", {}, h("label", { for: "against" }, "Output compared with "), this.#against),
        this.#outcome, this.#comparison));
  }

  /** Other events. */
  events(events) {
    this.#events = events;
    this.#tried = null;
    this.#base = [];
    this.#at = Math.min(this.#at, Math.max(0, events.length - 1));
    this.#opened.clear();
    const rows = events.map((event, index) => {
      const pick = () => { this.#at = index; this.#opened.clear(); this.#compare(); };
      return h("label", {}, h("input", { type: "radio", name: "event", value: index, checked: index === this.#at, change: pick }),
        h("span", {}, h("b", {}, first(event, TITLES) ?? `event ${index + 1}`),
          h("small", {}, [first(event, TIMES), first(event, PEOPLE)].filter(Boolean).join(" · "))),
        h("span", { class: "mark", "data-event": index }));
    });
    if (rows.length === 0) rows.push(h("p", { class: "muted" }, "No event has passed this transform lately."));
    this.#list.replaceChildren(this.#list.firstElementChild, ...rows);
    this.#compare();
  }

  /** What the saved program makes of them. */
  base(results) {
    this.#base = results;
  }

  /** A program is being tried. */
  working() {
    this.element.classList.add("working");
  }

  /** It could not be. */
  stopped() {
    this.element.classList.remove("working");
  }

  /** What became of the events. */
  show(tried) {
    this.stopped();
    this.#tried = tried;
    const results = tried.results ?? [];
    for (const mark of this.#list.querySelectorAll("[data-event]")) {
      const result = results[Number(mark.dataset.event)];
      say(mark, !result ? "" : result.error ? "fails" : result.outputs.length === 0 ? "filtered" : result.outputs.length > 1 ? `${count(result.outputs.length)} events` : "");
      mark.classList.toggle("bad", Boolean(result?.error));
    }
    const failed = results.filter((result) => result.error).length;
    const nanoseconds = tried.nanoseconds_per_event;
    const cost = nanoseconds > 0 ? `${(nanoseconds / 1000).toFixed(1)} µs an event` : "";
    const said = tried.ok ? [`${count(results.length)} events tried`, failed > 0 ? `${count(failed)} fail` : null, tried.incomplete ? "then the time was over" : null, cost] : ["does not compile"];
    say(this.#time, said.filter(Boolean).join(" · "));
    this.#compare();
  }

  #compare() {
    const result = this.#tried?.results?.[this.#at];
    this.#comparison.replaceChildren();
    if (this.#tried && !this.#tried.ok) {
      say(this.#outcome, "The program does not compile, so there is no output. Its errors are at the program.");
      return;
    }
    if (!result) {
      say(this.#outcome, "");
      return;
    }
    const saved = this.#against.value === "saved";
    const other = this.#base[this.#at];
    const before = saved ? (other?.outputs ?? []).map(({ event }) => event) : [result.input ?? this.#events[this.#at]];
    const ports = [...new Set(result.outputs.map(({ port }) => port).filter(Boolean))];
    const said = [
      result.error ? `Fails: ${result.error}` : null,
      !result.error && result.outputs.length === 0 ? "Filtered: no event comes out." : null,
      ports.length > 0 ? `Leaves by ${ports.join(", ")}.` : null,
      saved && other?.error ? `The saved program fails: ${other.error}` : null,
    ].filter(Boolean);
    this.#outcome.classList.toggle("bad", Boolean(result.error));
    const pairs = Math.max(result.outputs.length, saved ? before.length : 1);
    let changes = 0;
    for (let i = 0; i < pairs; i += 1) {
      const left = saved ? before[i] : before[0];
      const rows = diff(left === undefined ? "" : printed(left), result.outputs[i] ? printed(result.outputs[i].event) : "");
      changes += rows.filter((row) => !row.same).length;
      this.#comparison.append(this.#table(rows, i, saved));
    }
    if (said.length === 0 && changes === 0) said.push("No difference.");
    else if (changes > 0) said.push(`${count(changes)} lines differ.`);
    say(this.#outcome, said.join(" "));
  }

  #table(rows, index, saved) {
    const body = h("tbody");
    folded(rows).forEach((row, at) => {
      const key = `${index}/${at}`;
      if (!row.folded || this.#opened.has(key)) {
        body.append(...(row.folded ?? [row]).map(line));
        return;
      }
      const open = () => {
        this.#opened.add(key);
        fold.replaceWith(...row.folded.map(line));
      };
      const fold = h("tr", { class: "fold" }, h("td", { colspan: 4 }, h("button", { type: "button", click: open }, `${count(row.folded.length)} equal lines`)));
      body.append(fold);
    });
    return h("table", { class: "diff" },
      h("caption", { class: "hidden" }, saved ? "Output of the saved program, and of this one" : "Input and output"),
      h("colgroup", {}, h("col", { class: "sign" }), h("col"), h("col", { class: "sign" }), h("col")),
      h("thead", {}, h("tr", {}, h("th", { scope: "col", colspan: 2 }, saved ? "Saved" : "Input"), h("th", { scope: "col", colspan: 2 }, "Output"))),
      body);
  }
}

/** A row: the line before and the line after, each with its sign, which says without colour what became of it. */
function line({ left, right, same }) {
  const sign = (text, mark) => h("td", { class: "sign" }, text === null || same ? "" : mark);
  const kind = same ? "same" : `${left === null ? "" : "gone"} ${right === null ? "" : "come"}`;
  return h("tr", { class: kind }, sign(left, "−"), h("td", { class: "left" }, left ?? ""), sign(right, "+"), h("td", { class: "right" }, right ?? ""));
}

/** The first of these fields that an event has as a text. */
function first(event, paths) {
  for (const path of paths) {
    const value = event?.[path] ?? path.split(".").reduce((at, key) => (at !== null && typeof at === "object" ? at[key] : undefined), event);
    if (typeof value === "string" && value !== "") return value;
  }
  return null;
}
