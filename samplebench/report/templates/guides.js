// Guides: dashed lines of the slope of an order of convergence, beneath or above all curves of a figure with two log axes.

const GUIDE = { clear: [10, 18, 26, 34], long: 260, short: 45, text: [54, 16] }; // pixels: from the curves, of a line, of its label

// Points in view as powers of ten, those where a line leaves the view at its sides included.
function inView(traces, [low, high]) {
  const found = [];
  for (const { x, y } of traces) {
    const points = x.map((at, i) => (at > 0 && y[i] > 0 ? [Math.log10(at), Math.log10(y[i])] : null));
    points.forEach((p, i) => {
      const before = points[i - 1];
      if (p && p[0] >= low && p[0] <= high) found.push(p);
      if (p && before) for (const side of [low, high])
        if ((p[0] - side) * (before[0] - side) < 0) found.push([side, p[1] + ((side - p[0]) * (before[1] - p[1])) / (before[0] - p[0])]);
    });
  }
  return found;
}

// The line log y = c - order log x that is clear of all points on one side, as [from, to] in the frame, or null.
function beside(points, order, under, clear, frame) {
  const { y, unit } = frame;
  const c = points.map((p) => p[1] + order * p[0]);
  const touched = points[c.indexOf(under ? Math.min(...c) : Math.max(...c))];
  const shift = (clear * Math.hypot(1, (order * unit.y) / unit.x)) / unit.y;
  const at = touched[1] + order * touched[0] + (under ? -shift : shift);
  const across = points.map((p) => p[0]); // beyond the last points are the names of the lines
  const [low, high] = [Math.max(Math.min(...across), (at - y[1]) / order), Math.min(Math.max(...across), (at - y[0]) / order)];
  const scale = Math.hypot(unit.x, order * unit.y); // pixels for one decade of x
  if ((high - low) * scale < GUIDE.short) return null;
  // Of a long one the part that is nearest to where it touches.
  const half = Math.min(GUIDE.long / scale, high - low) / 2;
  const middle = Math.min(high - half, Math.max(low + half, touched[0]));
  return { order, under, ends: [middle - half, middle + half].map((v) => [v, at - order * v]) };
}

// Where its label goes: on the side away from the curves, clear of the other guides, as they are of it; null if nowhere.
function labelPlace(guide, others, frame) {
  const [from, to] = guide.ends, [width, height] = GUIDE.text;
  const pixel = ([a, b]) => [(a - frame.x[0]) * frame.unit.x, (frame.y[1] - b) * frame.unit.y];
  const [right, bottom] = pixel([frame.x[1], frame.y[0]]);
  if (others.some((other) => along(...guide.ends.map(pixel)).some((spot) => !apart(other.box, spot)))) return null;
  for (const share of [0.5, 0.3, 0.7, 0.15, 0.85, 0, 1]) {
    const at = from.map((v, i) => v + share * (to[i] - v)), [x, y] = pixel(at);
    const box = guide.under ? { left: x - width, right: x - 4, top: y, bottom: y + height } : { left: x + 4, right: x + width, top: y - height, bottom: y };
    const free = others.every((other) => apart(box, other.box) && along(...other.ends.map(pixel)).every((spot) => apart(box, spot)));
    if (free && box.left >= 0 && box.right <= right && box.top >= 0 && box.bottom <= bottom) return { at, box };
  }
  return null;
}

function guidesOf(orders, traces, layout, inner, look) {
  const [x, y] = [layout.xaxis.range, layout.yaxis.range];
  const unit = { x: inner.width / (x[1] - x[0]), y: inner.height / (y[1] - y[0]) };
  const frame = { x, y, unit }, points = inView(traces, x);
  if (!points.length) return {};
  const length = (guide) => (guide ? guide.ends[1][0] - guide.ends[0][0] : 0);
  const told = []; // one without a place for its label would be a riddle
  for (const order of orders) {
    const wanted = GUIDE.clear.flatMap((clear) => [true, false].map((under) => beside(points, order, under, clear, frame)).sort((a, b) => length(b) - length(a)));
    const fits = wanted.filter(Boolean).map((guide) => ({ ...guide, ...labelPlace(guide, told, frame) })).find((guide) => guide.at);
    if (fits) told.push(fits);
  }
  return {
    shapes: told.map(({ ends: [from, to], order }) => ({
      type: "line", layer: "below", name: `order ${order}`, line: { color: look.faint, width: 1.5, dash: "dash" },
      x0: 10 ** from[0], y0: 10 ** from[1], x1: 10 ** to[0], y1: 10 ** to[1],
    })),
    annotations: told.map(({ at, under, order }) => ({
      text: `order ${order}`, x: at[0], y: at[1], showarrow: false, font: { color: look.faint, size: 12 }, borderpad: 0,
      xanchor: under ? "right" : "left", yanchor: under ? "top" : "bottom", xshift: under ? -4 : 4,
    })),
  };
}
