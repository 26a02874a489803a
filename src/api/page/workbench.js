// The workbench: a transform's program, real events that passed it lately, and what the program makes of them, compared
// with what went in or with what the saved program makes. What is typed runs on copies; only Save changes anything.

import { byId, h, say } from "./dom.js";
import { call, Refused } from "./connection.js";
import { Editor } from "./editor.js";
import { Results } from "./results.js";

/** How long the keyboard rests before the program is tried. */
const REST_MS = 500;

/** So much of events goes into one request; the server takes a MiB, the program included. */
const REQUEST_BYTES_MAX = 700_000;

export class Workbench {
  #transforms = [];
  #id = null;
  #saved = null;
  #events = [];
  #drafts = new Map();
  #timer = 0;
  #trying = null;
  #parts = {};
  #editor = new Editor({ onInput: () => this.#changed(), onSave: () => this.#save() });
  #results = new Results();

  constructor() {
    this.#parts = {
      choice: h("select", { id: "transform", change: (event) => { location.hash = `#workbench/${encodeURIComponent(event.target.value)}`; } }),
      file: h("p", { class: "muted small" }),
      errors: h("ol", { id: "program-errors", class: "errors" }),
      said: h("p", { role: "status", class: "said" }),
      save: h("button", { type: "button", class: "primary", click: () => this.#save() }, "Save"),
      revert: h("button", { type: "button", click: () => this.#revert() }, "Revert"),
      fresh: h("button", { type: "button", click: () => this.#sample() }, "Take newer events"),
      conflict: h("p", { class: "conflict", hidden: true },
        h("button", { type: "button", click: () => this.#load(this.#id, true) }, "Load what is there"),
        h("button", { type: "button", click: () => this.#overwrite() }, "Save mine over it")),
    };
    const { choice, file, errors, said, save, revert, fresh, conflict } = this.#parts;
    byId("workbench").replaceChildren(
      h("section", { class: "panel", "aria-labelledby": "program-title" },
        h("div", { class: "head" }, h("h2", { id: "program-title" }, "Program"), h("label", { class: "filter", for: "transform" }, "Transform "), choice),
        file, h("label", { class: "hidden", for: "program" }, "Program in VRL"), this.#editor.element,
        h("p", { id: "program-keys", class: "muted small" }, "Tab indents. Escape, then Tab, leaves the editor."),
        errors, h("div", { class: "actions" }, save, revert, said), conflict),
      h("section", { class: "panel", "aria-labelledby": "results-title" },
        h("div", { class: "head" }, h("h2", { id: "results-title" }, "Events"), fresh),
        this.#results.element));
  }

  /** Another topology: the transforms that have a program may be others, and a program may have been changed. */
  topology({ components }) {
    this.#transforms = components.filter(({ kind, component_type: type }) => kind === "transform" && type === "remap").map(({ id }) => id);
    this.#parts.choice.replaceChildren(...this.#transforms.map((id) => h("option", { value: id }, id)));
    if (byId("workbench").hidden) return;
    if (this.#transforms.includes(this.#id)) {
      this.#parts.choice.value = this.#id;
      if (!this.#isChanged()) this.#load(this.#id, true);
    } else this.open(null);
  }

  /** Shows the transform `id`, or the first. */
  open(id) {
    const wanted = this.#transforms.includes(id) ? id : this.#transforms[0];
    if (wanted === undefined) {
      say(this.#parts.said, "This topology has no transform with a program.");
      return;
    }
    this.#parts.choice.value = wanted;
    if (wanted !== this.#id) this.#load(wanted, false);
  }

  #isChanged() {
    return this.#saved !== null && this.#editor.text !== this.#saved.text;
  }

  async #load(id, anew) {
    if (this.#isChanged()) this.#drafts.set(this.#id, this.#editor.text);
    if (anew) this.#drafts.delete(id);
    const other = this.#id !== id;
    this.#id = id;
    try {
      const saved = await call("GET", `/api/transforms/${encodeURIComponent(id)}/program`);
      if (this.#id !== id) return;
      this.#saved = saved;
      this.#editor.text = this.#drafts.get(id) ?? saved.text;
      this.#editor.area.readOnly = false;
      this.#parts.conflict.hidden = true;
      say(this.#parts.file, `${saved.file ?? "in the configuration"}${saved.writable ? "" : " · cannot be saved from here"}`);
      this.#parts.save.hidden = !saved.writable;
      if (!saved.writable) say(this.#parts.said, "Edits are tried on copies of events. To save them here set `[api] allow_edit = true`.");
      else if (other) say(this.#parts.said, "");
      this.#buttons();
      if (other || this.#events.length === 0) await this.#sample();
      else await this.#base();
    } catch (error) {
      say(this.#parts.said, error.message);
    }
  }

  async #sample() {
    const id = this.#id;
    try {
      const { events } = await call("GET", `/api/transforms/${encodeURIComponent(id)}/samples`);
      if (this.#id !== id) return;
      this.#events = fitting(events);
      await this.#base();
    } catch (error) {
      say(this.#parts.said, error.message);
    }
  }

  /** What the saved program makes of the events, to compare with. */
  async #base() {
    this.#results.events(this.#events);
    this.#results.working();
    const tried = await this.#run(this.#saved.text);
    this.#results.base(tried.results ?? []);
    if (this.#isChanged()) await this.#try();
    else this.#tell(tried);
  }

  #changed() {
    this.#buttons();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#try(), REST_MS);
  }

  #buttons() {
    const changed = this.#isChanged();
    this.#parts.save.disabled = !changed;
    this.#parts.revert.disabled = !changed;
  }

  #revert() {
    this.#editor.text = this.#saved.text;
    this.#changed();
    this.#editor.area.focus();
  }

  async #run(program, signal) {
    return call("POST", `/api/transforms/${encodeURIComponent(this.#id)}/try`, { program, events: this.#events }, signal);
  }

  async #try() {
    this.#trying?.abort();
    const trying = new AbortController();
    this.#trying = trying;
    this.#results.working();
    try {
      const tried = await this.#run(this.#editor.text, trying.signal);
      if (trying.signal.aborted) return;
      this.#tell(tried);
    } catch (error) {
      if (!trying.signal.aborted) {
        say(this.#parts.said, error.message);
        this.#results.stopped();
      }
    }
  }

  #tell(tried) {
    this.#diagnose(tried.diagnostics ?? []);
    this.#results.show(tried);
  }

  #diagnose(diagnostics) {
    // A program can include parts from other files; their lines are not lines of this text.
    const isHere = ({ file, line }) => line && (!file || file === this.#saved?.file);
    this.#editor.mark(new Map(diagnostics.filter(isHere).map(({ line, severity }) => [line, severity])));
    this.#parts.errors.replaceChildren(...diagnostics.map((one) => {
      const { file, line, column, severity, message, text } = one;
      const place = isHere(one)
        ? h("button", { type: "button", click: () => this.#editor.go(line, column) }, `line ${line}`)
        : h("b", {}, [file, line].filter(Boolean).join(", line "));
      const whole = h("details", {}, h("summary", {}, "What the compiler says"), h("pre", { tabindex: 0, "aria-label": "What the compiler says" }, text));
      return h("li", { class: severity }, place, h("span", {}, ` ${message}`), text ? whole : null);
    }));
  }

  async #save() {
    if (!this.#saved?.writable || !this.#isChanged()) return;
    const [id, text] = [this.#id, this.#editor.text];
    say(this.#parts.said, "saving …");
    try {
      const saved = await call("PUT", `/api/transforms/${encodeURIComponent(id)}/program`, { text, digest: this.#saved.digest });
      this.#drafts.delete(id);
      this.#saved = { ...this.#saved, text, digest: saved?.digest ?? this.#saved.digest };
      if (saved?.digest === undefined) await this.#load(id, true);
      const refused = saved?.reload?.ok === false;
      say(this.#parts.said, refused
        ? "Saved, but not in use: the configuration has other mistakes, which stand above."
        : `Saved. ${this.#saved.file ?? id} is in use from now on.`);
      this.#buttons();
      await this.#base();
    } catch (error) {
      this.#refused(error);
    }
  }

  #refused(error) {
    const status = error instanceof Refused ? error.status : 0;
    if (status === 422) this.#diagnose(error.body?.diagnostics instanceof Array ? error.body.diagnostics : []);
    this.#parts.conflict.hidden = status !== 409;
    const why = {
      403: "Not saved: saving from this page is switched off. Set `[api] allow_edit = true`.",
      409: "Not saved: the file has been changed by somebody else meanwhile.",
      422: "Not saved: the program does not compile. The file is as it was.",
    };
    say(this.#parts.said, why[status] ?? `Not saved: ${error.message}`);
  }

  async #overwrite() {
    const there = await call("GET", `/api/transforms/${encodeURIComponent(this.#id)}/program`);
    this.#saved = there;
    this.#parts.conflict.hidden = true;
    await this.#save();
  }
}

/** The first events that fit into one request. */
function fitting(events) {
  let left = REQUEST_BYTES_MAX;
  return events.filter((event) => {
    left -= new Blob([JSON.stringify(event)]).size;
    return left > 0;
  });
}
