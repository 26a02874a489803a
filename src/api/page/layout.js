// Where the components of a topology stand and how its edges run: layer by layer, from the left to the right where there
// is room, else from top to bottom. Pure: components and a width in, coordinates out.

const NODE = { width: 176, least: 132, height: 70 };
const ACROSS_GAP = 20;
const ACROSS_GAP_NARROW = 12;
const ALONG_GAP = { right: 84, most: 240, down: 50 };
const BEND = 12;
const MARGIN = 2;
const SWEEPS = 6;

/** The edges of a topology: `{from, port, to}`. An input is `component` or `component.port`. */
export function edgesOf(components) {
  const known = new Set(components.map((component) => component.id));
  const edges = [];
  for (const { id, inputs } of components) {
    for (const input of inputs) {
      const dot = input.indexOf(".");
      const [from, port] = known.has(input) || dot < 0 ? [input, ""] : [input.slice(0, dot), input.slice(dot + 1)];
      if (known.has(from)) edges.push({ from, port, to: id });
    }
  }
  return edges;
}

/** Places `components` in `width` pixels: `{width, height, nodes: [{id, x, y, width, height}], edges: [{…, path, label}]}`. */
export function layout(components, width) {
  const edges = edgesOf(components);
  const layers = layersOf(components, edges, Infinity);
  const room = (size) => (width - 2 * MARGIN - layers.count * size) / Math.max(1, layers.count - 1);
  for (const size of [NODE.width, 156, NODE.least]) {
    const gap = layers.count === 1 ? 0 : room(size);
    if (gap >= ALONG_GAP.right || (layers.count === 1 && room(size) > 0)) {
      return place(edges, layers, { right: true, width, size, gap: Math.min(gap, ALONG_GAP.most), acrossGap: ACROSS_GAP });
    }
  }
  const abreast = Math.max(1, Math.floor((width + ACROSS_GAP) / (NODE.least + ACROSS_GAP)));
  const most = Math.min(abreast, width < 480 ? 2 : abreast);
  return place(edges, layersOf(components, edges, most), { right: false, width, gap: ALONG_GAP.down, acrossGap: ACROSS_GAP_NARROW });
}

/** The layer of each component: behind all that it reads, and no more than `most` in one. */
function layersOf(components, edges, most) {
  const before = new Map(components.map(({ id }) => [id, edges.filter((edge) => edge.to === id)]));
  const layer = new Map();
  const used = [];
  const settle = (id, path) => {
    if (layer.has(id) || path.has(id)) return;
    path.add(id);
    for (const edge of before.get(id)) settle(edge.from, path);
    let at = Math.max(0, ...before.get(id).map((edge) => (layer.get(edge.from) ?? -1) + 1));
    while ((used[at] ?? 0) >= most) at += 1;
    used[at] = (used[at] ?? 0) + 1;
    layer.set(id, at);
  };
  for (const { id } of components) settle(id, new Set());
  return { of: layer, count: Math.max(1, used.length) };
}

function place(edges, layers, page) {
  const rows = Array.from({ length: layers.count }, () => []);
  const across = page.right ? NODE.height : nodeWidth(layers, edges, page);
  const nodes = new Map();
  for (const [id, at] of layers.of) {
    const node = { id, layer: at, across, near: [], at: 0 };
    nodes.set(id, node);
    rows[at].push(node);
  }
  const routes = edges.map((edge) => route(edge, nodes, rows));
  order(rows);
  settle(rows, page.acrossGap);
  if (!page.right) confine(rows, page.width - 2 * MARGIN, page.acrossGap);
  const size = page.right ? page.size : NODE.height;
  const all = rows.flat();
  const low = Math.min(...all.map((node) => node.at - node.across / 2));
  const high = Math.max(...all.map((node) => node.at + node.across / 2));
  const length = layers.count * size + (layers.count - 1) * page.gap;
  const centred = (used) => Math.max(MARGIN, (page.width - used) / 2);
  const along = (layer) => (page.right ? centred(length) : MARGIN) + layer * (size + page.gap);
  const shift = (page.right ? MARGIN : centred(high - low)) - low;
  const point = (node, end) => {
    const a = along(node.layer) + (end ? size : 0);
    const c = node.at + shift;
    return page.right ? [a, c] : [c, a];
  };
  return {
    width: page.width,
    height: Math.ceil((page.right ? high - low : length) + 2 * MARGIN),
    nodes: [...nodes.values()].map((node) => {
      const [x, y] = point(node, false);
      return page.right
        ? { id: node.id, x, y: y - across / 2, width: size, height: across }
        : { id: node.id, x: x - across / 2, y, width: across, height: size };
    }),
    edges: routes.map((one) => draw(one, point, page.right, labelPlace(one.edge, edges, page.right))),
  };
}

/** How wide a component can be drawn from top to bottom, so that the fullest layer fits with the edges that pass it. */
function nodeWidth(layers, edges, { width, acrossGap: gap }) {
  let size = NODE.width + 24;
  for (let at = 0; at < layers.count; at += 1) {
    const abreast = [...layers.of.values()].filter((layer) => layer === at).length;
    const passing = edges.filter((edge) => layers.of.get(edge.from) < at && layers.of.get(edge.to) > at).length;
    const rest = width - 2 * MARGIN - passing * (BEND + gap) - (abreast - 1) * gap;
    if (abreast > 0) size = Math.min(size, rest / abreast);
  }
  return Math.max(96, Math.floor(size));
}

/** An edge over several layers bends in each of them, where it gets a place of its own. */
function route(edge, nodes, rows) {
  const [from, to] = [nodes.get(edge.from), nodes.get(edge.to)];
  const through = [from];
  for (let at = from.layer + 1; at < to.layer; at += 1) {
    const bend = { layer: at, across: BEND, near: [], at: 0, bend: true };
    rows[at].push(bend);
    through.push(bend);
  }
  through.push(to);
  for (let i = 1; i < through.length; i += 1) {
    through[i - 1].near.push(through[i]);
    through[i].near.push(through[i - 1]);
  }
  return { edge, through };
}

/** Puts what belongs together side by side, so that few edges cross. */
function order(rows) {
  const rank = new Map();
  const note = (row) => row.forEach((node, index) => rank.set(node, index));
  rows.forEach(note);
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const downwards = sweep % 2 === 0;
    for (const row of downwards ? rows : [...rows].reverse()) {
      const wish = new Map(row.map((node) => {
        const near = node.near.filter((other) => (other.layer < node.layer) === downwards);
        const sum = near.reduce((total, other) => total + rank.get(other), 0);
        return [node, near.length === 0 ? rank.get(node) : sum / near.length];
      }));
      row.sort((a, b) => wish.get(a) - wish.get(b));
      note(row);
    }
  }
}

/** Gives each its place across: near to its neighbours, in order, without touching. */
function settle(rows, gap) {
  const apart = (a, b) => (a.across + b.across) / 2 + gap;
  for (const row of rows) {
    row.forEach((node, index) => {
      node.at = index === 0 ? 0 : row[index - 1].at + apart(row[index - 1], node);
    });
    const middle = (row[0].at + row[row.length - 1].at) / 2;
    for (const node of row) node.at -= middle;
  }
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const row of sweep % 2 === 0 ? rows : [...rows].reverse()) {
      const wishes = row.map((node) => mean(node.near.map((other) => other.at)) ?? node.at);
      row.forEach((node, index) => {
        const least = index === 0 ? -Infinity : row[index - 1].at + apart(row[index - 1], node);
        node.at = Math.max(wishes[index], least);
      });
      // Pushed to one side only, they would drift; their middle goes back to where it should be.
      const drift = mean(row.map((node, index) => node.at - wishes[index]));
      for (const node of row) node.at -= drift;
    }
  }
}

const mean = (values) => (values.length === 0 ? null : values.reduce((a, b) => a + b, 0) / values.length);

/** Moves what stands outside of `width` pixels back in, neighbours along with it. */
function confine(rows, width, gap) {
  const all = rows.flat();
  const middle = mean([Math.min(...all.map((node) => node.at)), Math.max(...all.map((node) => node.at))]);
  for (const row of rows) {
    let free = middle + width / 2;
    for (const node of [...row].reverse()) {
      node.at = Math.min(node.at, free - node.across / 2);
      free = node.at - node.across / 2 - gap;
    }
    free = middle - width / 2;
    for (const node of row) {
      node.at = Math.max(node.at, free + node.across / 2);
      free = node.at + node.across / 2 + gap;
    }
  }
}

/** Where on an edge its rate stands: away from the end that it shares with others. */
function labelPlace(edge, edges, right) {
  const leaving = edges.filter((other) => other.from === edge.from).length;
  const entering = edges.filter((other) => other.to === edge.to).length;
  if (leaving === 1) return { first: true, share: entering > 1 ? 0.4 : 0.5 };
  if (!right) return { first: false, share: 0.78 };
  return { first: false, share: entering > 1 ? 0.5 : 0.64 };
}

function draw({ edge, through }, point, right, place) {
  let path = "";
  let label = null;
  for (let i = 1; i < through.length; i += 1) {
    const [x1, y1] = point(through[i - 1], true);
    const [x2, y2] = point(through[i], false);
    path += i === 1 ? `M${x1} ${y1}` : ` L${x1} ${y1}`;
    const [mx, my] = [(x1 + x2) / 2, (y1 + y2) / 2];
    const [a, b] = right ? [[mx, y1], [mx, y2]] : [[x1, my], [x2, my]];
    path += ` C${a[0]} ${a[1]} ${b[0]} ${b[1]} ${x2} ${y2}`;
    if (label === null || !place.first) {
      const at = (index, from, to) => cubic(place.share, from, a[index], b[index], to);
      label = { x: at(0, x1, x2), y: at(1, y1, y2) };
    }
  }
  return { ...edge, path, label };
}

/** A point of a cubic curve. */
const cubic = (t, p0, p1, p2, p3) =>
  (1 - t) ** 3 * p0 + 3 * (1 - t) ** 2 * t * p1 + 3 * (1 - t) * t ** 2 * p2 + t ** 3 * p3;
