// Turns totals that come each second into rates. Pure.

/** A rate is taken over so many seconds: events come in batches, and a shorter span would only show these. */
const SPAN_SECONDS = 5;

/** So many rates are kept of each component, for its line. */
const HISTORY = 60;

/** What metrics call the port that inputs do not name. */
const DEFAULT_PORT = "_default";

const TOTALS = ["received_events", "received_bytes", "sent_events", "sent_bytes", "errors", "discarded_events"];

/** What the last messages say of each component. */
export class Rates {
  #messages = [];
  #history = new Map();

  /** Takes a message in, and gives `{id: figures}`: the totals as they came, and `…_rate` of each. */
  push(message) {
    const at = typeof message.at === "number" ? message.at : Date.parse(message.at) / 1000;
    this.#messages.push({ at, components: message.components });
    while (this.#messages.length > 1 && at - this.#messages[0].at > SPAN_SECONDS) this.#messages.shift();
    const first = this.#messages[0];
    const seconds = at - first.at;
    const figures = {};
    for (const [id, now] of Object.entries(message.components)) {
      const before = first.components[id] ?? {};
      const shown = { ...now, port_rates: {} };
      for (const name of TOTALS) shown[`${name}_rate`] = rate(before[name], now[name], seconds);
      for (const [port, total] of Object.entries(now.outputs ?? {})) {
        shown.port_rates[port === DEFAULT_PORT ? "" : port] = rate(before.outputs?.[port], total, seconds);
      }
      figures[id] = shown;
      if (seconds > 0) this.#remember(id, Math.max(shown.received_events_rate, shown.sent_events_rate));
    }
    return figures;
  }

  /** The last rates of a component, oldest first. */
  history(id) {
    return this.#history.get(id) ?? [];
  }

  #remember(id, value) {
    const kept = this.#history.get(id) ?? [];
    kept.push(value);
    if (kept.length > HISTORY) kept.shift();
    this.#history.set(id, kept);
  }
}

/** A total that is smaller than before began anew, and one that was not there says nothing yet. */
function rate(before, now, seconds) {
  if (before === undefined || now === undefined || seconds <= 0 || now < before) return 0;
  return (now - before) / seconds;
}

/** How full the buffer of a component is, from 0 to 1, by what is nearest to its limit; null where it has none. */
export function fill(figures) {
  const shares = [["buffer_events", "buffer_max_events"], ["buffer_bytes", "buffer_max_bytes"]]
    .filter(([, most]) => figures?.[most] > 0)
    .map(([now, most]) => (figures[now] ?? 0) / figures[most]);
  return shares.length === 0 ? null : Math.min(1, Math.max(...shares));
}

/** What a component does to what is before it: `calm`, `busy` (its buffer fills) or `full` (it holds back). */
export function pressure(figures) {
  const filled = fill(figures) ?? 0;
  const busy = figures?.utilization ?? 0;
  if (filled >= 0.9) return "full";
  return filled >= 0.5 || busy >= 0.9 ? "busy" : "calm";
}
