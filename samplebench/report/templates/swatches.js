// Samples of how a curve looks, for the legend and the switches.

// For each value of a facet a mark of what is its own: hue, marker and dash, or all of it. None if two are alike.
function swatches(facet) {
  const shown = chart.series.filter((s) => s.facets[facet.key] !== undefined && s.band !== "range" && !s.level);
  const count = new Set(shown.map((s) => s.facets[facet.key])).size;
  for (const [kind, look] of [["hue", (s) => s.colour], ["style", (s) => s.variant], ["whole", (s) => `${s.colour} ${s.variant}`]]) {
    const pairs = new Set(shown.map((s) => JSON.stringify([s.facets[facet.key], look(s)])));
    if (count > 1 && pairs.size === count && new Set(shown.map(look)).size === count)
      return (value) => swatch(kind, shown.find((s) => s.facets[facet.key] === value));
  }
  return () => "";
}

function swatch(kind, series) {
  if (!series) return "";
  const mark = make("i", { className: "swatch" });
  if (kind === "whole") mark.append(entry(series));
  else if (kind === "style") mark.append(sample("var(--faint)", series.variant, SYMBOLS[series.variant % SYMBOLS.length]));
  else {
    mark.style.setProperty("--hue", `var(--hue${series.colour % HUES})`);
    mark.classList.add(faded(series) ? "ring" : "dot");
  }
  return mark;
}

// Plotly's markers, about (0, 0).
const SHAPES = {
  circle: "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", square: "M-3.5-3.5h7v7h-7z", diamond: "M0-5L5 0 0 5-5 0z",
  "triangle-up": "M0-4.5L4.5 3.5h-9z", "triangle-down": "M0 4.5L4.5-3.5h-9z", "arrow-up": "M0-5L4 5h-8z",
  cross: "M-1.5-4.5h3v3h3v3h-3v3h-3v-3h-3v-3h3z", x: "M-2-4.5L0-2.5 2-4.5 4.5-2 2.5 0 4.5 2 2 4.5 0 2.5-2 4.5-4.5 2-2.5 0-4.5-2z",
  pentagon: "M0-4.5L4.3-1.4 2.6 3.6h-5.2L-4.3-1.4z", "diamond-tall": "M0-5.5L3 0 0 5.5-3 0z",
  "triangle-left": "M-4.5 0L3.5-4.5v9z", "triangle-right": "M4.5 0L-3.5-4.5v9z",
  star: "M0-5.2L1.2-1.6 4.9-1.6 1.9.6 3.1 4.2 0 2-3.1 4.2-1.9.6-4.9-1.6-1.2-1.6z",
};

// An element of SVG.
function svg(tag, attributes, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// A piece of a line, if `variant` is one, with a marker, if `symbol` is one.
function sample(stroke, variant, symbol) {
  const pattern = ["", "6 3", "1.5 2.5", "6 2.5 1.5 2.5", "10 3"][variant % DASHES.length];
  const height = symbol ? 12 : 6;
  const box = svg("svg", { viewBox: `0 ${-height / 2} 28 ${height}`, width: 28, height });
  const add = (d, attributes) => {
    const path = svg("path", { d, ...attributes });
    path.style.stroke = stroke;
    box.append(path);
    return path;
  };
  if (variant !== null) add("M0 0h28", { "stroke-width": 2, "stroke-dasharray": pattern });
  if (symbol) {
    const marker = add(SHAPES[symbol.replace("-open", "")], { transform: "translate(14 0)", "stroke-width": 1.5 });
    marker.style.fill = symbol.endsWith("-open") ? "var(--page)" : stroke;
  }
  return box;
}

const entry = (s) => s.level ? sample("var(--faint)", 1, null) : sample(`var(--hue${s.colour % HUES})`, s.line && s.points.length > 1 ? s.variant : null, symbolOf(s, s.points[0]));
