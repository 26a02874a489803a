// What differs between two texts, line by line. Pure.

/** Above this many pairs of lines the middle is taken as replaced: a table of all pairs would be too large. */
const PAIRS_MAX = 4_000_000;

/** Equal lines that are kept around a difference. */
const CONTEXT = 3;

/** An event as text, its keys in order, so that only what differs differs. */
export function printed(value) {
  return JSON.stringify(sorted(value), null, 2) ?? "";
}

function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  // No prototype: a field that is called `__proto__` is a field like any other.
  const copy = Object.create(null);
  for (const key of Object.keys(value).sort()) copy[key] = sorted(value[key]);
  return copy;
}

/** A line without the comma that only says that another follows. */
const bare = (line) => (line.endsWith(",") ? line.slice(0, -1) : line);

/** Rows of `{left, right}`, where `null` is no line; `same` where both are equal. */
export function diff(before, after) {
  const [a, b] = [before.split("\n"), after.split("\n")];
  let start = 0;
  const alike = (i, j) => bare(a[i]) === bare(b[j]);
  while (start < a.length && start < b.length && alike(start, start)) start += 1;
  let end = 0;
  while (end < a.length - start && end < b.length - start && alike(a.length - 1 - end, b.length - 1 - end)) end += 1;
  const equal = (i, j) => ({ left: a[i], right: b[j], same: true });
  return [
    ...Array.from({ length: start }, (_, i) => equal(i, i)),
    ...paired(middle(a.slice(start, a.length - end), b.slice(start, b.length - end))),
    ...Array.from({ length: end }, (_, i) => equal(a.length - end + i, b.length - end + i)),
  ];
}

/** The rows with long equal stretches folded: `{folded: rows}`. */
export function folded(rows) {
  const near = rows.map(() => false);
  rows.forEach((row, at) => {
    if (row.same) return;
    for (let i = Math.max(0, at - CONTEXT); i <= Math.min(rows.length - 1, at + CONTEXT); i += 1) near[i] = true;
  });
  const shown = [];
  for (let at = 0; at < rows.length; at += 1) {
    const last = shown[shown.length - 1];
    if (near[at]) shown.push(rows[at]);
    else if (last?.folded) last.folded.push(rows[at]);
    else shown.push({ folded: [rows[at]] });
  }
  return shown.flatMap((row) => (row.folded?.length < 3 ? row.folded : [row]));
}

/** The longest common subsequence of two runs of lines, as removals, additions and equal lines. */
function middle(a, b) {
  if (a.length * b.length > PAIRS_MAX) {
    return [...a.map((left) => ({ left, right: null })), ...b.map((right) => ({ left: null, right }))];
  }
  const width = b.length + 1;
  const length = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i -= 1) {
    for (let j = b.length - 1; j >= 0; j -= 1) {
      const at = i * width + j;
      length[at] = bare(a[i]) === bare(b[j]) ? length[at + width + 1] + 1 : Math.max(length[at + width], length[at + 1]);
    }
  }
  const rows = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && bare(a[i]) === bare(b[j])) {
      rows.push({ left: a[i], right: b[j], same: true });
      i += 1;
      j += 1;
    } else if (j >= b.length || (i < a.length && length[(i + 1) * width + j] >= length[i * width + j + 1])) {
      rows.push({ left: a[i], right: null });
      i += 1;
    } else {
      rows.push({ left: null, right: b[j] });
      j += 1;
    }
  }
  return rows;
}

/** Puts what came in the place of something beside it. */
function paired(rows) {
  const done = [];
  let gone = [];
  let come = [];
  const flush = () => {
    for (let i = 0; i < Math.max(gone.length, come.length); i += 1) {
      done.push({ left: gone[i] ?? null, right: come[i] ?? null });
    }
    gone = [];
    come = [];
  };
  for (const row of rows) {
    if (row.same) {
      flush();
      done.push(row);
    } else if (row.right === null) gone.push(row.left);
    else come.push(row.right);
  }
  flush();
  return done;
}
