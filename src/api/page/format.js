// Numbers, sizes and times as people read them. Times of day are UTC, as in the logs.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `1,234,567` */
export const count = (value) => whole.format(value ?? 0);

/** `12.3K` */
export const compact = (value) => (value < 10_000 ? count(value) : short.format(value));

/** `1,240/s`; one decimal below ten. */
export function perSecond(value) {
  if (value > 0 && value < 0.05) return "<0.1/s";
  return `${value > 0 && value < 9.95 ? value.toFixed(1) : compact(value)}/s`;
}

/** `3.2 MB` */
export function bytes(value) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let size = value ?? 0;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 || size >= 100 ? whole.format(size) : size.toFixed(1)} ${units[unit]}`;
}

/** `42 %` */
export const percent = (share) => `${Math.round(share * 100)} %`;

/** `2 h 5 min`: the two largest units. */
export function duration(seconds) {
  const parts = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  let rest = Math.max(0, Math.round(seconds));
  const said = [];
  for (const [size, unit] of parts) {
    const whole = Math.floor(rest / size);
    rest -= whole * size;
    if (whole > 0) said.push(`${whole} ${unit}`);
    if (said.length === 2 || (said.length === 1 && whole === 0)) break;
  }
  return said.join(" ") || "0 s";
}

/** `in 29 d`, `3 h ago`: with one unit. */
export function fromNow(time, now = Date.now()) {
  const seconds = (instant(time) - now) / 1000;
  const said = duration(Math.abs(seconds)).split(" ").slice(0, 2).join(" ");
  return seconds >= 0 ? `in ${said}` : `${said} ago`;
}

/** What a server says of a time, as milliseconds: RFC 3339, or seconds since 1970. */
export const instant = (time) => (typeof time === "number" ? time * 1000 : Date.parse(time));

/** `13:05:42` */
export const timeOfDay = (time) => new Date(instant(time)).toISOString().slice(11, 19);

/** `Tue 17 Nov` */
export function day(milliseconds) {
  const date = new Date(milliseconds);
  return `${DAYS[date.getUTCDay()]} ${date.getUTCDate()} ${MONTHS[date.getUTCMonth()]}`;
}
