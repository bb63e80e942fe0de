// Names at the right ends of lines, where they fit; the legend has all of them.

const LABEL = { height: 15, far: 56, lead: 20, margin: 4 }; // pixels: of a line, the farthest shift, from the end of a line to its name
const WIDE = 600; // below it a figure has no room for them

const pen = document.createElement("canvas").getContext("2d");
function widthOf(text) {
  pen.font = "12px system-ui, sans-serif";
  return pen.measureText(text).width;
}

// For each series as many of the parts of its name as tell it from the others, e.g. "heun" of "heun, ρ=7".
function shortNames(list) {
  const parts = list.map((s) => s.name.split(/(?<=[,;]) | (?=\()/));
  const cut = (of, count) => of.slice(0, count).join(" ").replace(/[,;]$/, "");
  return parts.map((own) => {
    const count = own.findIndex((_, i) => parts.every((other) => other === own || cut(other, i + 1) !== cut(own, i + 1)));
    return count < 0 ? own.join(" ") : cut(own, count + 1);
  });
}

// What is to be named: lines, by a name that takes at most a fifth of the width.
function named(plot, list, width) {
  if (width < WIDE || plot.figure.y.names.length) return [];
  const names = shortNames(list), axis = axisNow(plot);
  return list.map((series, i) => ({ series, name: names[i], width: widthOf(names[i]), at: placed(series, axis).map((p) => p.at) }))
    .filter((each) => each.series.line && each.at.length > 1 && each.width <= width / 5);
}

// Pixels that the names need right of the axes, of which those of the longest lines need most.
function roomFor(names, list, axis, width) {
  const scale = axis.log ? Math.log : (v) => v;
  const all = list.flatMap((s) => placed(s, axis).map((p) => scale(p.at)));
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const free = (each) => (high > low ? (0.7 * width * (high - scale(each.at.at(-1)))) / (high - low) : 0);
  return Math.max(0, ...names.map((each) => LABEL.lead + LABEL.margin + each.width - free(each)));
}

// Increasing places as near as possible to the wanted ones, which increase: neighbours that are too near share their shift.
function spread(wanted, low, high) {
  const blocks = [];
  wanted.forEach((y, i) => {
    blocks.push({ sum: y - i * LABEL.height, count: 1 });
    while (blocks.length > 1 && blocks.at(-2).sum / blocks.at(-2).count > blocks.at(-1).sum / blocks.at(-1).count) {
      const last = blocks.pop();
      blocks.at(-1).sum += last.sum;
      blocks.at(-1).count += last.count;
    }
  });
  const most = high - (wanted.length - 1) * LABEL.height;
  const bases = blocks.flatMap((b) => Array(b.count).fill(Math.min(most, Math.max(low, b.sum / b.count))));
  return bases.map((base, i) => base + i * LABEL.height);
}

// Those of one column, without the ones that would be too far from the ends of their lines.
function column(ends, low, high) {
  let left = [...ends].sort((a, b) => a.y - b.y);
  for (;;) {
    const places = spread(left.map((end) => end.y), low, high);
    const off = places.map((y, i) => Math.abs(y - left[i].y));
    const worst = off.indexOf(Math.max(...off));
    if (!left.length || (off[worst] <= LABEL.far && places[0] >= low && places.at(-1) <= high)) return left.map((end, i) => ({ ...end, at: places[i] }));
    left = left.filter((_, i) => i !== worst);
  }
}

const boxOf = (end) => ({ left: end.x + LABEL.lead, right: end.x + LABEL.lead + end.width, top: end.at - LABEL.height / 2, bottom: end.at + LABEL.height / 2 });
const apart = (one, other) => one.right < other.left || other.right < one.left || one.bottom <= other.top || other.bottom <= one.top;
const around = (x, y, far) => ({ left: x - far, right: x + far, top: y - far, bottom: y + far });

// The ends in pixels of the area, and a box about every marker and along every line.
function geometry(plot, names) {
  const { xaxis, yaxis } = plot.area._fullLayout;
  const frame = { left: xaxis._offset, right: xaxis._offset + xaxis._length, top: yaxis._offset, bottom: yaxis._offset + yaxis._length };
  const ends = [], boxes = [];
  const flat = plot.area.data.filter((t) => !t.marker && !t.fill).map((t) => yaxis._offset + yaxis.d2p(t.y[0])); // levels, from end to end
  flat.forEach((y) => boxes.push(...along([frame.left, y], [frame.right, y])));
  for (const trace of plot.area.data.filter((t) => t.marker)) {
    const points = trace.x.map((x, i) => (trace.y[i] === null ? null : [xaxis._offset + xaxis.d2p(x), yaxis._offset + yaxis.d2p(trace.y[i])]));
    const inside = points.filter((p) => p && !apart(around(...p, 0), frame));
    inside.forEach((p) => boxes.push(around(...p, 6)));
    if (trace.mode.includes("lines")) points.forEach((p, i) => boxes.push(...along(points[i - 1], p)));
    const wanted = names.find((each) => trace.uid === uidOf(each.series, "p"));
    const [x, y] = inside.at(-1) ?? [];
    if (wanted && inside.length) ends.push({ ...wanted, x, y });
  }
  return { frame, ends, boxes };
}

function along(from, to) {
  if (!from || !to) return [];
  const steps = Math.min(400, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / 4));
  return Array.from({ length: steps }, (_, i) => around(from[0] + (i / steps) * (to[0] - from[0]), from[1] + (i / steps) * (to[1] - from[1]), 2));
}

// The names that fit, each with its place `at`: in a column at the last ends, beside the others.
function fitting(plot, names) {
  const { frame, ends, boxes } = geometry(plot, names);
  for (const note of plot.area.querySelectorAll(".annotation")) boxes.push(within(note, plot.area));
  const { xaxis, yaxis } = plot.area._fullLayout;
  const spot = (x, y) => [xaxis._offset + xaxis.d2p(x), yaxis._offset + yaxis.d2p(y)];
  for (const line of plot.area.layout.shapes ?? []) boxes.push(...along(spot(line.x0, line.y0), spot(line.x1, line.y1)));
  const last = Math.max(...ends.map((end) => end.x));
  const outer = column(ends.filter((end) => end.x > last - 3), frame.top, frame.bottom);
  const inner = ends.filter((end) => end.x <= last - 3).map((end) => ({ ...end, at: end.y }));
  const placed = [];
  for (const end of [...outer, ...inner]) {
    const box = boxOf(end);
    if (box.right <= plot.area.clientWidth && [...boxes, ...placed.map(boxOf)].every((other) => apart(box, other))) placed.push(end);
  }
  return placed;
}

function within(element, area) {
  const [box, origin] = [element.getBoundingClientRect(), area.getBoundingClientRect()];
  return { left: box.left - origin.left, right: box.right - origin.left, top: box.top - origin.top, bottom: box.bottom - origin.top };
}

function drawEnds(plot, names, look) {
  plot.ends.replaceChildren(...(names.length ? fitting(plot, names) : []).map((end) => {
    const hue = look.hues[end.series.colour % HUES];
    const g = svg("g", {}, svg("path", { d: `M${end.x + 6} ${end.y}L${end.x + LABEL.lead - 3} ${end.at}`, stroke: hue }));
    g.append(svg("text", { x: end.x + LABEL.lead, y: end.at, fill: legible(hue, look) }, end.name));
    g.dataset.series = end.series.place;
    return g;
  }));
}

// The hue, so much nearer to the page's ink that a text in it has a contrast of 4.5 (WCAG 2, AA).
function legible(hue, look) {
  const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const light = (rgb) => rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0.05);
  const [from, to, page] = [hue, look.ink, look.page].map(channels);
  const contrast = (rgb) => { const [a, b] = [light(rgb), light(page)]; return Math.max(a, b) / Math.min(a, b); };
  for (let share = 0; share < 1; share += 0.05) {
    const mixed = from.map((c, i) => Math.round(c + share * (to[i] - c)));
    if (contrast(mixed) >= 4.5) return `rgb(${mixed.join(" ")})`;
  }
  return look.ink;
}
