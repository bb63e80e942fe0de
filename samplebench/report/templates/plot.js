// Figures: from series and what is switched on to Plotly's traces and layout.

const { hues: PRINTED, symbols: SYMBOLS, strokes: DASHES } = JSON.parse(document.getElementById("looks").textContent);
const HUES = PRINTED.length;

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const theme = () => ({
  ink: css("--ink"), faint: css("--faint"), rule: css("--rule"), page: css("--page"), panel: css("--panel"),
  hues: Array.from({ length: HUES }, (_, i) => css(`--hue${i}`)),
});
// What a downloaded or printed figure looks like, whatever the page looks like now.
const PRINT = {
  ink: "#1b1d21", faint: "#5d636e", rule: "#d9dce2", page: "#ffffff", panel: "#ffffff",
  hues: PRINTED,
};

// Plotly reads tags, entities and, between two dollars, math.
const escaped = (text) => text.replace(/[&<>$]/g, (c) => `&#${c.charCodeAt(0)};`);
const alpha = (hex, share) => hex + Math.round(255 * share).toString(16).padStart(2, "0");
const floored = (low, y, log) => (low > 0 || !log ? low : y / 3); // a log axis has no zero

// Pieces of a line, parted where a point is not drawn.
function pieces(points) {
  const found = [[]];
  for (const p of points) p.y === null ? found.push([]) : found.at(-1).push(p);
  return found.filter((piece) => piece.length > 1);
}

function band(points, hue, log, share) {
  const low = points.map((p) => floored(p.low ?? p.y, p.y, log));
  const high = points.map((p) => p.high ?? p.y);
  return {
    x: [...points.map((p) => p.at), ...points.map((p) => p.at).reverse()],
    y: [...high, ...low.reverse()],
    fill: "toself", fillcolor: alpha(hue, share), line: { width: 0 }, mode: "lines", hoverinfo: "skip", showlegend: false,
  };
}

// The points that have a place on a horizontal axis.
const placed = (series, axis) => series.points
  .map((p) => ({ ...p, at: p.x[axis.key] ?? null }))
  .filter((p) => p.at !== null && p.y !== null && (!axis.log || p.at > 0));

const faded = (series) => Math.floor(series.colour / HUES) % 2 === 1; // past the palette's end: hollow

function symbolOf(series, point) {
  const shape = point.arrow ? "arrow-up" : SYMBOLS[series.variant % SYMBOLS.length];
  // Where nothing is joined, hollow says that the point differs, and nothing else.
  return shape + (point.hollow || (faded(series) && series.line) ? "-open" : "");
}

function tracesOf(series, axis, log, look, bands, share) {
  // A log axis has no place for what is not above zero: the line has a gap there.
  const points = placed(series, axis).map((p) => (p.y > 0 || !log ? p : { ...p, y: null }));
  if (points.every((p) => p.y === null)) return [];
  const hue = look.hues[series.colour % HUES];
  const ranged = points.some((p) => p.low !== null || p.high !== null);
  const traces = [];
  if (bands && ranged && series.line) traces.push(...pieces(points).map((piece, i) => ({ uid: uidOf(series, `b${i}`), ...band(piece, hue, log, share) })));
  const bars = bands && ranged && (!series.line || points.length === 1);
  const spread = series.band === "range";
  traces.push({
    uid: uidOf(series, "p"), name: escaped(series.name), showlegend: !spread,
    x: points.map((p) => p.at), y: points.map((p) => p.y),
    mode: spread ? "markers" : series.line && points.length > 1 ? "lines+markers" : "markers",
    text: points.map((p) => p.hover.map(escaped).join("<br>")),
    customdata: points.map((p) => p.to), hovertemplate: "%{text}<extra></extra>",
    line: { color: hue, width: 2, dash: DASHES[series.variant % DASHES.length] },
    marker: { color: hue, size: spread ? 1 : 8, symbol: points.map((p) => symbolOf(series, p)), line: { color: hue, width: 1.5 } },
    error_y: bars ? {
      type: "data", symmetric: false, color: spread ? alpha(hue, 0.3) : hue, thickness: spread ? 9 : 1, width: spread ? 0 : 4,
      array: points.map((p) => (p.high ?? p.y) - p.y), arrayminus: points.map((p) => p.y - floored(p.low ?? p.y, p.y, log)),
    } : undefined,
  });
  return traces;
}

// A value for any x: a line from end to end, and its band. Points lie where others do, to hover at.
function level(series, xs, axis, log, look, bands) {
  const [point] = series.points, far = axis.log ? 1e3 : 1;
  if (log && point.y <= 0) return [];
  const [low, high] = xs.length ? [Math.min(...xs), Math.max(...xs)] : [1, 100];
  const x = [low / far, ...new Set(xs.sort((a, b) => a - b)), high * far];
  const at = x.map((place) => ({ ...point, at: place }));
  const shade = bands && point.low !== null ? [{ uid: uidOf(series, "b0"), ...band(at, look.faint, log, 0.16) }] : [];
  return [...shade, {
    uid: uidOf(series, "p"), name: escaped(series.name), showlegend: true, mode: "lines", x, y: x.map(() => point.y),
    text: x.map(() => point.hover.map(escaped).join("<br>")), customdata: x.map(() => point.to), hovertemplate: "%{text}<extra></extra>",
    line: { color: look.faint, width: 1.5, dash: "dash" },
  }];
}

// What of these series a log axis does not show, in words.
function unseen(list, axis, bands) {
  const points = list.flatMap((s) => (s.level ? s.points : placed(s, axis)));
  const values = points.filter((p) => p.y <= 0).length;
  const cut = bands ? points.filter((p) => p.y > 0 && p.low !== null && p.low <= 0).length : 0;
  return [
    values ? `Not shown on a log axis: ${values} value${values === 1 ? "" : "s"} at or below 0.` : "",
    cut ? `${cut} error band${cut === 1 ? " reaches" : "s reach"} 0 or below and ${cut === 1 ? "is" : "are"} cut off.` : "",
  ].filter(Boolean).join(" ");
}

// Args: size in pixels; range: {x, y} of a zoom; room: pixels for the names right of the axes.
function drawing(figure, list, axis, { look, bands, guides, size, range = {}, room = 0 }) {
  const share = 0.16 * Math.min(1, Math.max(0.35, 6 / list.length)); // many bands over each other stay pale
  const curves = list.filter((s) => !s.level).flatMap((series) => tracesOf(series, axis, figure.y.log, look, bands, share));
  const xs = curves.filter((t) => t.hoverinfo !== "skip").flatMap((t) => t.x).filter((v) => v > 0);
  const traces = [...list.filter((s) => s.level).flatMap((series) => level(series, xs, axis, figure.y.log, look, bands)), ...curves];
  const drawn = traces.filter((t) => t.hoverinfo !== "skip");
  const ys = traces.flatMap((t) => t.y.flatMap((y, i) => {
    const bar = t.error_y;
    return bar && y !== null ? [y, y + bar.array[i], y - bar.arrayminus[i]] : [y];
  })).filter((v) => v > 0);
  const layout = {
    autosize: true, height: size.height, margin: { l: 12, r: Math.max(14, room), t: 8, b: 12 },
    paper_bgcolor: look.page, plot_bgcolor: look.page, showlegend: false, hovermode: "closest",
    dragmode: size.width < 600 ? false : "zoom", font: { family: "system-ui, sans-serif", color: look.ink },
    hoverlabel: { bgcolor: look.panel, bordercolor: look.faint, font: { color: look.ink, size: 13 }, align: "left" },
    xaxis: axisOf(axis, xs, size.width - 60 - room, look, range.x),
    yaxis: axisOf(figure.y, ys, 0.6 * size.height, look, range.y),
  };
  const inner = { width: size.width - 80 - room, height: size.height - 70 };
  if (guides && figure.orders.length && layout.xaxis.type === "log" && layout.yaxis.type === "log") Object.assign(layout, guidesOf(figure.orders, traces, layout, inner, look));
  if (!drawn.length) {
    const empty = { visible: false };
    Object.assign(layout, { xaxis: empty, yaxis: empty, annotations: [{
      text: "nothing to draw with these switches", showarrow: false, font: { color: look.faint, size: 14 },
    }] });
  }
  return { traces: traces.map((t) => ({ type: "scatter", ...t })), layout };
}
