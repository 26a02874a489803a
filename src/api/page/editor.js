// A text field for a program, with line numbers and marks at lines. It is a plain textarea, so whatever a browser or a
// screen reader does with one works. Tab indents; after Escape it moves on, so that the keyboard is not trapped.

import { h, say } from "./dom.js";

const INDENT = "  ";

export class Editor {
  #numbers = h("div", { class: "numbers", "aria-hidden": "true" });
  #marks = new Map();
  #leaving = false;

  /** `onInput` is called after each change, `onSave` on Ctrl+S. */
  constructor({ onInput, onSave }) {
    this.area = h("textarea", {
      id: "program", spellcheck: "false", autocomplete: "off", autocapitalize: "off", wrap: "off", rows: 18,
      "aria-describedby": "program-keys program-errors",
      input: () => { this.#number(); onInput(); },
      scroll: () => { this.#numbers.scrollTop = this.area.scrollTop; },
      blur: () => { this.#leaving = false; },
      keydown: (event) => this.#key(event, onSave),
    });
    this.element = h("div", { class: "editor" }, this.#numbers, this.area);
  }

  get text() {
    return this.area.value;
  }

  set text(text) {
    if (this.area.value !== text) this.area.value = text;
    this.#number();
  }

  /** Marks lines: a map of a line's number to `error` or `warning`. */
  mark(marks) {
    this.#marks = marks;
    this.#number();
  }

  /** Puts the cursor at a place. */
  go(line, column) {
    const before = this.text.split("\n").slice(0, line - 1);
    const at = Math.min(this.text.length, before.reduce((sum, text) => sum + text.length + 1, 0) + Math.max(0, (column ?? 1) - 1));
    this.area.focus();
    this.area.setSelectionRange(at, at);
    const height = parseFloat(getComputedStyle(this.area).lineHeight);
    this.area.scrollTop = Math.max(0, (line - 4) * height);
  }

  #key(event, onSave) {
    if (event.key === "s" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onSave();
    } else if (event.key === "Escape") {
      this.#leaving = true;
    } else if (event.key === "Tab" && !event.shiftKey && !event.altKey && !event.ctrlKey && !this.#leaving && !this.area.readOnly) {
      event.preventDefault();
      // The only way to insert text that leaves the browser's undo working.
      document.execCommand("insertText", false, INDENT);
    } else if (event.key !== "Shift" && event.key !== "Tab") {
      this.#leaving = false;
    }
  }

  #number() {
    const lines = this.text.split("\n").length;
    while (this.#numbers.childElementCount > lines) this.#numbers.lastElementChild.remove();
    while (this.#numbers.childElementCount < lines) this.#numbers.append(h("span"));
    [...this.#numbers.children].forEach((number, index) => {
      const mark = this.#marks.get(index + 1);
      say(number, mark ? `${mark === "error" ? "✕" : "!"} ${index + 1}` : String(index + 1));
      number.className = mark ?? "";
    });
    this.#numbers.scrollTop = this.area.scrollTop;
  }
}
