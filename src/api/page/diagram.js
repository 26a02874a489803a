// The topology as a drawing: components, what runs between them, and where it piles up. Drawn anew when the topology or
// the width changes; each second only numbers and classes change. Everything it shows by colour it says in words too.

import { count, percent, perSecond } from "./format.js";
import { fill, pressure } from "./rates.js";
import { layout } from "./layout.js";
import { s, say, set } from "./dom.js";

/** So many letters of a name fit into so many pixels. */
const LETTER = { name: 8.4, small: 6.7 };

/** What is written in a component keeps so far from its sides. */
const EDGE = 12;

const ICONS = {
  source: "M2 7h8M7 3l4 4-4 4",
  transform: "M2 4h10M2 10h10M9 2l3 2-3 2M5 8l-3 2 3 2",
  sink: "M7 1v8M3 6l4 4 4-4M1 13h12",
};

export class Diagram {
  #place;
  #onChoose;
  #components = [];
  #nodes = new Map();
  #edges = [];
  #width = 0;
  #figures = {};
  #chosen = null;

  /** Draws into `place`; `onChoose` is called with the id of a component that somebody chooses. */
  constructor(place, onChoose) {
    this.#place = place;
    this.#onChoose = onChoose;
    new ResizeObserver(() => {
      const width = Math.floor(place.clientWidth);
      if (width > 0 && width !== this.#width) this.#draw();
    }).observe(place);
  }

  /** Another topology. */
  show(components) {
    this.#components = components;
    this.#draw();
  }

  /** Marks the component whose details are shown; none with `null`. */
  mark(id) {
    this.#chosen = id;
    for (const [own, node] of this.#nodes) set(node.group, "aria-pressed", own === id);
  }

  /** Gives the keyboard back to a component. */
  focus(id) {
    this.#nodes.get(id)?.group.focus();
  }

  /** New figures of the components, as `Rates` gives them. */
  update(figures) {
    this.#figures = figures;
    for (const [id, node] of this.#nodes) updateNode(node, figures[id]);
    for (const edge of this.#edges) {
      const rate = figures[edge.from]?.port_rates?.[edge.port] ?? 0;
      const state = pressure(figures[edge.to]);
      set(edge.path, "class", `edge ${rate > 0 ? "moving" : "idle"} ${state}`);
      set(edge.path, "stroke-width", (1.25 + Math.min(5, Math.log10(1 + rate) * 1.1)).toFixed(2));
      say(edge.label, `${edge.port === "" ? "" : `${edge.port} · `}${perSecond(rate)}`);
    }
  }

  #draw() {
    this.#width = Math.floor(this.#place.clientWidth);
    if (this.#width <= 0 || this.#components.length === 0) return;
    const held = document.activeElement?.dataset?.component;
    const plan = layout(this.#components, this.#width);
    this.#edges = plan.edges.map((edge) => ({
      ...edge,
      path: s("path", { class: "edge idle calm", d: edge.path }),
      label: s("text", { class: "rate", x: edge.label.x, y: edge.label.y - 7 }, ""),
    }));
    this.#nodes = new Map(plan.nodes.map((box) => [box.id, this.#node(box)]));
    const names = `${count(plan.nodes.length)} components, ${count(plan.edges.length)} connections`;
    this.#place.replaceChildren(s("svg",
      { viewBox: `0 0 ${plan.width} ${plan.height}`, width: plan.width, height: plan.height, role: "group", "aria-label": names },
      s("g", { "aria-hidden": "true" }, ...this.#edges.map((edge) => edge.path)),
      ...[...this.#nodes.values()].map((node) => node.group),
      s("g", { "aria-hidden": "true" }, ...this.#edges.map((edge) => edge.label))));
    this.mark(this.#chosen);
    this.update(this.#figures);
    if (held) this.focus(held);
  }

  #node(box) {
    const { id, kind, component_type: type, inputs } = this.#components.find((component) => component.id === box.id);
    const choose = () => this.#onChoose(id);
    const onKey = (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      choose();
    };
    const reads = inputs.length === 0 ? "" : `, reads ${inputs.join(", ")}`;
    const line = (className, y, text = "") => s("text", { class: className, x: EDGE, y }, text);
    const node = {
      state: line("small", 57),
      meter: s("rect", { class: "meter", x: EDGE, y: box.height - 7, width: 0, height: 3, rx: 1.5 }),
      width: box.width,
      errors: s("text", { class: "alarm", x: box.width - 10, y: 57, "text-anchor": "end" }, ""),
    };
    node.group = s("g", {
      class: `node ${kind} calm`, transform: `translate(${box.x} ${box.y})`, role: "button", tabindex: 0,
      "data-component": id, "aria-pressed": false, "aria-label": `${kind} ${id}, type ${type}${reads}`,
      click: choose, keydown: onKey,
    },
    s("title", {}, `${id} (${type})`),
    s("path", { class: "body", d: outline(kind, box.width, box.height) }),
    s("path", { class: "icon", d: ICONS[kind] ?? "", transform: `translate(${EDGE} 11)` }),
    s("text", { class: "name", x: 33, y: 22 }, cut(id, (box.width - 44) / LETTER.name)),
    line("small type", 39.5, kindIn(type === id ? "" : type, kind, (box.width - 20) / LETTER.small)),
    node.state, node.errors,
    s("rect", { class: "track", x: EDGE, y: box.height - 7, width: box.width - 2 * EDGE, height: 3, rx: 1.5 }), node.meter);
    return node;
  }
}

function updateNode(node, figures) {
  const busy = figures?.utilization;
  const filled = fill(figures);
  const parts = [
    typeof busy === "number" ? `busy ${percent(busy)}` : null,
    filled === null ? null : `buffer ${percent(filled)}`,
  ].filter(Boolean);
  if (parts.length === 0) parts.push(`${perSecond(figures?.sent_events_rate ?? 0)} sent`);
  const fits = parts.join(" · ").length <= (node.width - 2 * EDGE) / LETTER.small;
  // Where both have no room, a buffer that fills says more.
  say(node.state, fits ? parts.join(" · ") : parts[filled > 0 ? 1 : 0]);
  const state = pressure(figures);
  for (const name of ["calm", "busy", "full"]) node.group.classList.toggle(name, name === state);
  const share = Math.max(busy ?? 0, filled ?? 0);
  set(node.meter, "width", (share * (node.width - 2 * EDGE)).toFixed(1));
  say(node.errors, figures?.errors_rate > 0 ? "errors" : "");
}

/** A source is round where nothing enters, a sink where nothing leaves. */
function outline(kind, width, height) {
  const [left, right] = [kind === "source" ? 20 : 6, kind === "sink" ? 20 : 6];
  return `M${left} 0H${width - right}Q${width} 0 ${width} ${right}V${height - right}Q${width} ${height} ${width - right} ${height}`
    + `H${left}Q0 ${height} 0 ${height - left}V${left}Q0 0 ${left} 0Z`;
}

/** What a component is, in so many letters. */
function kindIn(type, kind, letters) {
  const whole = `${type} ${kind}`.trim();
  return whole.length <= letters ? whole : cut(type, letters);
}

const cut = (text, letters) => (text.length <= letters ? text : `${text.slice(0, Math.max(1, Math.floor(letters) - 1))}…`);
