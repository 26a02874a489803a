// The upper part of the overview: the figures of the whole pipeline, the drawing, the details of a component, and the
// same as a table.

import { byId, h, s, say, set, table } from "./dom.js";
import { bytes, compact, count, duration, percent, perSecond } from "./format.js";
import { Diagram } from "./diagram.js";
import { edgesOf } from "./layout.js";
import { fill, pressure, Rates } from "./rates.js";

const LINE = { width: 120, height: 28 };

export class Pipeline {
  #rates = new Rates();
  #diagram;
  #components = [];
  #figures = {};
  #chosen = null;
  #told = {};

  constructor() {
    this.#diagram = new Diagram(byId("diagram"), (id) => this.#choose(id));
    this.#told = Object.fromEntries(["read", "delivered", "lag", "lost", "waiting", "errors"].map((name) => [name, tile(name)]));
    byId("figures").replaceChildren(...Object.values(this.#told).map((one) => one.element));
    byId("components").closest("details").addEventListener("toggle", () => this.#table());
  }

  /** Another topology. */
  topology({ components }) {
    this.#components = components;
    byId("component").dataset.shown = "";
    if (!components.some(({ id }) => id === this.#chosen)) this.#choose(null);
    this.#diagram.show(components);
    this.#diagram.update(this.#figures);
    this.#details();
  }

  /** The totals of this second. */
  stats(message) {
    this.#figures = this.#rates.push(message);
    this.#diagram.update(this.#figures);
    this.#headline(message.sources ?? {});
    this.#details();
    this.#table();
  }

  /** What holds back others, and what errs, in words; nothing where all is well. */
  troubles() {
    const said = [];
    for (const { id } of this.#components) {
      const figures = this.#figures[id];
      if (pressure(figures) === "full") said.push(`${id} holds back`);
      if (figures?.errors_rate > 0) said.push(`errors at ${id}`);
    }
    return said;
  }

  /** So many blobs were lost in the days that the feeds show. */
  lost(blobs) {
    this.#tell("lost", count(blobs), "blobs in seven days");
    this.#told.lost.element.classList.toggle("alarm", blobs > 0);
  }

  #of(kind) {
    return this.#components.filter((component) => component.kind === kind).map(({ id }) => id);
  }

  #headline(sources) {
    const sum = (ids, name) => ids.reduce((total, id) => total + (this.#figures[id]?.[name] ?? 0), 0);
    const all = this.#components.map(({ id }) => id);
    const [read, written] = [this.#of("source"), this.#of("sink")];
    const lags = Object.values(sources).map((source) => source.lag_seconds).filter(Number.isFinite);
    const waiting = sum(all, "buffer_events");
    this.#tell("read", perSecond(sum(read, "sent_events_rate")), `${count(sum(read, "sent_events"))} events`, this.#line(read));
    this.#tell("delivered", perSecond(sum(written, "sent_events_rate")), `${count(sum(written, "sent_events"))} events`, this.#line(written));
    this.#tell("lag", lags.length === 0 ? "–" : duration(Math.max(...lags)), "behind the newest content");
    this.#tell("waiting", compact(waiting), `events, ${bytes(sum(all, "buffer_bytes"))} in buffers`);
    this.#tell("errors", count(sum(all, "errors")), `${count(sum(all, "discarded_events"))} events discarded`);
  }

  #tell(name, value, below, line = null) {
    const one = this.#told[name];
    say(one.value, value);
    say(one.below, below);
    if (line) set(one.line, "d", line);
  }

  #line(ids) {
    const lines = ids.map((id) => this.#rates.history(id));
    const length = Math.max(0, ...lines.map((line) => line.length));
    const values = Array.from({ length }, (_, i) => lines.reduce((sum, line) => sum + (line[line.length - length + i] ?? 0), 0));
    return sparkline(values);
  }

  #choose(id) {
    this.#chosen = id === this.#chosen ? null : id;
    const place = byId("component");
    place.hidden = this.#chosen === null;
    place.replaceChildren();
    this.#diagram.mark(this.#chosen);
    this.#details();
    if (this.#chosen !== null) place.focus({ preventScroll: true });
  }

  #details() {
    const component = this.#components.find(({ id }) => id === this.#chosen);
    if (!component) return;
    const place = byId("component");
    if (place.dataset.shown !== component.id || place.childElementCount === 0) {
      place.dataset.shown = component.id;
      set(place, "aria-label", `Component ${component.id}`);
      place.replaceChildren(...this.#frame(component));
    }
    const figures = this.#figures[component.id] ?? {};
    for (const [name, [value, below]] of Object.entries(rowsOf(figures))) {
      say(place.querySelector(`[data-figure="${name}"]`), value);
      say(place.querySelector(`[data-below="${name}"]`), below);
    }
    set(place.querySelector(".sparkline path"), "d", sparkline(this.#rates.history(component.id)));
  }

  #frame(component) {
    const { id, kind, component_type: type, inputs, outputs, program } = component;
    const close = () => {
      const before = this.#chosen;
      this.#choose(null);
      this.#diagram.focus(before);
    };
    const readers = edgesOf(this.#components).filter((edge) => edge.from === id);
    const readBy = (port) => readers.filter((edge) => edge.port === port).map((edge) => edge.to).join(", ") || "nobody";
    const figures = Object.keys(rowsOf({})).map((name) => h("div", {},
      h("dt", {}, name),
      h("dd", {}, h("b", { "data-figure": name }), h("small", { "data-below": name }))));
    const types = outputs.map((output) => h("div", { class: "output" },
      h("h4", {}, output.port === "" ? "output" : `output ${output.port}`, h("small", {}, ` read by ${readBy(output.port)}`)),
      h("pre", { tabindex: 0, "aria-label": `Type of output ${output.port}` }, output.type)));
    return [
      h("div", { class: "head" },
        h("h3", {}, id, h("small", {}, ` ${type} ${kind}`)),
        program && kind === "transform" ? h("a", { class: "button", href: `#workbench/${encodeURIComponent(id)}` }, "Edit in the workbench") : null,
        h("button", { type: "button", click: close, keydown: (event) => event.key === "Escape" && close() }, "Close")),
      h("p", { class: "muted" }, inputs.length === 0 ? "" : `reads ${inputs.join(", ")}`, program ? ` · program ${program}` : ""),
      h("dl", { class: "figures" }, ...figures),
      s("svg", { class: "sparkline wide", viewBox: `0 0 ${LINE.width} ${LINE.height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, s("path")),
      ...types,
    ];
  }

  #table() {
    const place = byId("components");
    if (!place.closest("details").open) return;
    const rows = this.#components.map(({ id, kind, component_type: type }) => {
      const it = this.#figures[id] ?? {};
      const filled = fill(it);
      return [id, `${type} ${kind}`, perSecond(it.received_events_rate ?? 0), perSecond(it.sent_events_rate ?? 0), count(it.errors),
        count(it.discarded_events), typeof it.utilization === "number" ? percent(it.utilization) : "–", filled === null ? "–" : percent(filled)];
    });
    const columns = ["Component", "Type", "Received", "Sent", "Errors", "Discarded", "Busy", "Buffer"];
    place.replaceChildren(table("All components with their rates", columns, rows));
  }
}

function tile(name) {
  const one = { value: h("b", {}, "–"), below: h("small", {}, " "), line: s("path") };
  const lined = name === "read" || name === "delivered";
  const drawing = s("svg", { class: "sparkline", viewBox: `0 0 ${LINE.width} ${LINE.height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, one.line);
  one.element = h("div", { "data-tile": name }, h("dt", {}, name), h("dd", {}, one.value, one.below, lined ? drawing : null));
  return one;
}

/** The figures of a component, each with what stands below it. */
function rowsOf(it) {
  const filled = fill(it);
  return {
    received: [perSecond(it.received_events_rate ?? 0), `${count(it.received_events)} events, ${bytes(it.received_bytes)}`],
    sent: [perSecond(it.sent_events_rate ?? 0), `${count(it.sent_events)} events, ${bytes(it.sent_bytes)}`],
    errors: [count(it.errors), it.errors_rate > 0 ? `${perSecond(it.errors_rate)} now` : "none lately"],
    discarded: [count(it.discarded_events), "events"],
    busy: [typeof it.utilization === "number" ? percent(it.utilization) : "–", "of the time"],
    buffer: [filled === null ? "–" : percent(filled), `${count(it.buffer_events)} events, ${bytes(it.buffer_bytes)}`],
  };
}

/** A line of values, the newest at the right. */
function sparkline(values) {
  if (values.length < 2) return "";
  const most = Math.max(...values, 1e-9);
  const step = LINE.width / 59;
  const x = (i) => LINE.width - (values.length - 1 - i) * step;
  const y = (value) => LINE.height - 2 - (value / most) * (LINE.height - 4);
  return values.map((value, i) => `${i === 0 ? "M" : "L"}${x(i).toFixed(1)} ${y(value).toFixed(1)}`).join("");
}
