// All that this page asks of the server: single calls, and one stream of events. A stream that ends is opened again,
// each time later; whether a sign-in is wanted is asked by a call, as a stream does not say why it was refused.

const WAIT_MS = { least: 1000, most: 15_000 };

/** An answer that is not a success: what it says, and its fix. */
export class Refused extends Error {
  constructor(status, body) {
    const fix = body?.fix ? ` ${body.fix}` : "";
    super(`${body?.error ?? `the server answered ${status}`}${fix}`);
    this.status = status;
    this.body = body;
  }
}

/** Calls the API, and gives the JSON that it answers. */
export async function call(method, path, body, signal) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  let answer;
  try {
    answer = await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), credentials: "same-origin" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Error("o365flow does not answer.");
  }
  const text = await answer.text();
  let parsed = null;
  try {
    parsed = text === "" ? null : JSON.parse(text);
  } catch {
    parsed = null;
  }
  if (answer.status === 401) document.dispatchEvent(new Event("signin"));
  if (!answer.ok) throw new Refused(answer.status, parsed);
  return parsed;
}

/** The stream of events. `onEvent(name, data)` gets each; `onState(open)` is told when it opens and ends. */
export class Stream {
  #onEvent;
  #onState;
  #source = null;
  #wait = WAIT_MS.least;
  #timer = 0;

  constructor(onEvent, onState) {
    this.#onEvent = onEvent;
    this.#onState = onState;
  }

  open() {
    this.close();
    const source = new EventSource("/api/events");
    this.#source = source;
    source.addEventListener("open", () => {
      this.#wait = WAIT_MS.least;
      this.#onState(true);
    });
    source.addEventListener("error", () => this.#failed());
    for (const name of ["status", "topology", "stats", "problem", "reload", "feeds"]) {
      source.addEventListener(name, (event) => this.#onEvent(name, JSON.parse(event.data)));
    }
  }

  close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  #failed() {
    this.close();
    this.#onState(false);
    this.#timer = setTimeout(() => this.#again(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, WAIT_MS.most);
  }

  async #again() {
    try {
      await call("GET", "/api/status");
      this.open();
    } catch (error) {
      if (error instanceof Refused && error.status === 401) return;
      this.#failed();
    }
  }
}
