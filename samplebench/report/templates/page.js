// Wires the page: switches, figures, table, pictures, downloads. Its data is in #chart.

const chart = JSON.parse(document.getElementById("chart").textContent);
const state = { on: {}, x: {}, log: {}, zoom: {}, bands: true };

const make = (tag, attributes = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
};

// Facets: what may be switched, and what each value looks like.

const carriers = [...chart.figures, ...chart.series, ...chart.rows, ...chart.pictures];
const valuesOf = (facet) => [...new Set(carriers.map((c) => c.facets[facet.key]).filter((v) => v !== undefined))];
const facets = chart.facets.map((f) => ({ ...f, values: valuesOf(f), paints: [] })).filter((f) => f.values.length > 1 || f.start.length);
for (const facet of facets) {
  const start = facet.start.filter((v) => facet.values.includes(v));
  state.on[facet.key] = new Set(start.length ? start : facet.single ? facet.values.slice(0, 1) : facet.start.length ? [] : facet.values);
}
const passes = (of) => facets.every((f) => of[f.key] === undefined || state.on[f.key].has(of[f.key]));

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

// A piece of a line, if `variant` is one, with a marker, if `symbol` is one.
function sample(stroke, variant, symbol) {
  const pattern = ["", "6 3", "1.5 2.5", "6 2.5 1.5 2.5", "10 3"][variant % DASHES.length];
  const space = "http://www.w3.org/2000/svg", height = symbol ? 12 : 6;
  const svg = document.createElementNS(space, "svg");
  const add = (d, attributes) => {
    const path = document.createElementNS(space, "path");
    for (const [k, v] of Object.entries({ d, ...attributes })) path.setAttribute(k, v);
    path.style.stroke = stroke;
    svg.append(path);
    return path;
  };
  for (const [k, v] of Object.entries({ viewBox: `0 ${-height / 2} 28 ${height}`, width: 28, height })) svg.setAttribute(k, v);
  if (variant !== null) add("M0 0h28", { "stroke-width": 2, "stroke-dasharray": pattern });
  if (symbol) {
    const marker = add(SHAPES[symbol.replace("-open", "")], { transform: "translate(14 0)", "stroke-width": 1.5 });
    marker.style.fill = symbol.endsWith("-open") ? "var(--page)" : stroke;
  }
  return svg;
}

const choose = (facet, value) => { state.on[facet.key] = new Set([value]); state.zoom = {}; refresh(); };
const FEW = 8; // as many values of a single facet stand side by side, more in a list

function choice(facet, place) {
  const id = `facet-${facet.key}${place || ""}`;
  if (facet.values.length <= FEW) return tabs(facet, id);
  const select = make("select", { id }, ...facet.values.map((value) => make("option", { value, textContent: value })));
  select.addEventListener("change", () => choose(facet, select.value));
  facet.paints.push(() => { [select.value] = state.on[facet.key]; });
  return make("div", { className: "facet" }, make("label", { htmlFor: id, textContent: facet.title }), select);
}

function tabs(facet, name) {
  const inputs = facet.values.map((value) => make("input", { type: "radio", className: "hidden", name, value }));
  for (const input of inputs) input.addEventListener("change", () => choose(facet, input.value));
  facet.paints.push(() => inputs.forEach((input) => { input.checked = state.on[facet.key].has(input.value); }));
  const box = make("div", { className: "facet", role: "radiogroup" }, make("div", { className: "head" }, make("span", { textContent: facet.title })),
    make("div", { className: "chips" }, ...inputs.map((input) => make("label", { className: "tab" }, input, input.value))));
  box.setAttribute("aria-label", facet.title);
  return box;
}

function toggles(facet) {
  const on = state.on[facet.key], mark = swatches(facet);
  const chips = facet.values.map((value) => {
    const chip = make("button", { type: "button", className: "chip", title: "click: on or off; double click: only this" }, mark(value), value);
    chip.dataset.value = value;
    chip.addEventListener("click", () => { on.has(value) ? on.delete(value) : on.add(value); refresh(); });
    chip.addEventListener("dblclick", () => { on.clear(); on.add(value); refresh(); });
    return chip;
  });
  const all = make("button", { type: "button", className: "all", textContent: "all" });
  const none = make("button", { type: "button", className: "all", textContent: "none" });
  all.addEventListener("click", () => { facet.values.forEach((v) => on.add(v)); refresh(); });
  none.addEventListener("click", () => { on.clear(); refresh(); });
  facet.paints.push(() => {
    for (const chip of chips) {
      chip.setAttribute("aria-pressed", on.has(chip.dataset.value));
      chip.hidden = !carriers.some((c) => c.facets[facet.key] === chip.dataset.value && facets.every((f) => !f.single || c.facets[f.key] === undefined || state.on[f.key].has(c.facets[f.key])));
    }
  });
  const box = make("div", { className: "facet", role: "group" }, make("div", { className: "head" }, make("span", { textContent: facet.title }), all, none), make("div", { className: "chips" }, ...chips));
  box.setAttribute("aria-label", facet.title);
  return box;
}

// Figures.

const plots = chart.figures.map((figure) => {
  const box = document.querySelector(`[data-figure="${CSS.escape(figure.key)}"]`);
  const mine = chart.series.filter((s) => s.figure === figure.key);
  const known = figure.x.filter((axis) => mine.some((s) => s.points.some((p) => p.x[axis.key] != null)));
  state.x[figure.key] = known[0]?.key ?? figure.x[0].key;
  state.log[figure.key] = figure.y.log;
  const [area, legend, unseen] = [".plot", ".legend", ".unseen"].map((part) => box.querySelector(part));
  return { figure, box, mine, known, area, legend, unseen, wired: false };
});
const figureNow = ({ figure }) => ({ ...figure, y: { ...figure.y, log: state.log[figure.key] } });
const axisNow = (plot) => plot.figure.x.find((axis) => axis.key === state.x[plot.figure.key]);
const visible = (plot) => plot.mine.filter((s) => passes(s.facets));
const sizeOf = (area) => ({ width: area.clientWidth, height: area.clientWidth < 600 ? 340 : 460 });

const PAPER = { width: 680, height: 420 }; // CSS pixels between the margins of A4 and Letter

const entry = (s) => s.level ? sample("var(--faint)", 1, null) : sample(`var(--hue${s.colour % HUES})`, s.line && s.points.length > 1 ? s.variant : null, symbolOf(s, s.points[0]));

async function paint(plot, printed = false) {
  plot.box.hidden = !passes(plot.figure.facets);
  if (plot.box.hidden) return; // drawn when it is switched on: before, it has no size
  const list = visible(plot), size = printed ? PAPER : sizeOf(plot.area), look = printed ? PRINT : theme();
  const { traces, layout } = drawing(figureNow(plot), list, axisNow(plot), look, state.bands, size, state.zoom[plot.figure.key]);
  if (printed) Object.assign(layout, { ...size, autosize: false });
  await Plotly.react(plot.area, traces, layout, { displayModeBar: false, doubleClick: false });
  const entries = list.filter((s) => s.band !== "range" && (s.level || placed(s, axisNow(plot)).length));
  plot.legend.replaceChildren(...entries.map((s) => make("li", {}, entry(s), make("span", { textContent: s.name }))));
  plot.area.dataset.series = entries.length;
  plot.area.dataset.axis = state.x[plot.figure.key];
  plot.unseen.textContent = state.log[plot.figure.key] ? unseen(list, axisNow(plot), state.bands) : "";
  plot.unseen.hidden = !plot.unseen.textContent;
  plot.values();
  if (!plot.wired) wireArea(plot);
}

// Buttons of which one is pressed: [key, text] each.
function pressed(box, choices, now, press) {
  const buttons = choices.map(([key, text]) => {
    const button = make("button", { type: "button", textContent: text });
    button.dataset.axis = key;
    button.addEventListener("click", () => { press(key); mark(); });
    return button;
  });
  const mark = () => buttons.forEach((b) => b.setAttribute("aria-pressed", b.dataset.axis === now()));
  mark();
  box.append(...buttons);
}

function wireFigure(plot) {
  const { figure, box } = plot;
  const [across, up] = box.querySelectorAll(".axes");
  plot.values = wireValues(box, figure, () => [visible(plot), axisNow(plot)]);
  const anew = () => { delete state.zoom[figure.key]; paint(plot); };
  if (plot.known.length > 1) pressed(across, plot.known.map((axis) => [axis.key, axis.title]), () => state.x[figure.key], (key) => { state.x[figure.key] = key; anew(); });
  if (!figure.y.zero && !figure.y.names.length) pressed(up, [["log", "log"], ["linear", "linear"]], () => (state.log[figure.key] ? "log" : "linear"), (key) => { state.log[figure.key] = key === "log"; anew(); });
  box.querySelector(".svg").addEventListener("click", async () => {
    const { traces, layout } = drawing(figureNow(plot), visible(plot), axisNow(plot), PRINT, state.bands, { width: 900, height: 560 }, state.zoom[figure.key]);
    const named = traces.filter((t) => t.showlegend !== false);
    named.forEach((t) => { t.name = t.name.replace(/(?=.{121})(.{60,120}) /g, "$1<br>"); });
    const names = 20 * named.reduce((lines, t) => lines + t.name.split("<br>").length, 0); // below the axes, however many and long
    const size = { width: 900, height: 580 + names };
    Object.assign(layout, { ...size, autosize: false, showlegend: true, title: { text: escaped(figure.title), font: { size: 16 } }, margin: { l: 12, r: 14, t: 48, b: 72 + names } });
    layout.legend = { orientation: "h", entrywidthmode: "fraction", entrywidth: 1, x: 0, yref: "container", y: 0.01, yanchor: "bottom", maxheight: names + 20, font: { color: PRINT.ink, size: 12 } };
    const uri = await Plotly.toImage({ data: traces, layout }, { format: "svg", ...size });
    save(uri, `${figure.name}.svg`);
  });
}

// What Plotly tells of a figure, once it is drawn.
function wireArea(plot) {
  const { figure, area } = plot;
  plot.wired = true;
  area.on("plotly_click", (event) => { const to = event.points[0]?.customdata; if (to) open(to); });
  area.on("plotly_doubleclick", () => { delete state.zoom[figure.key]; paint(plot); });
  area.on("plotly_relayout", (change) => {
    if (!("xaxis.range[0]" in change) && !("yaxis.range[0]" in change)) return;
    const { xaxis, yaxis } = area._fullLayout; // own ticks are laid out anew for the new range
    state.zoom[figure.key] = { x: [...xaxis.range], y: [...yaxis.range] };
    paint(plot);
  });
}

function save(href, download) {
  make("a", { href, download }).click();
}

function open(id) {
  const target = document.getElementById(id);
  if (!target) return;
  if (target.tagName === "DETAILS") target.open = true;
  target.scrollIntoView({ behavior: "smooth", block: "start" });
}

// Everything together.

const table = document.querySelector("table.sortable");
const updateTable = table ? wireTable(table, (i) => passes(chart.rows[i].facets)) : () => {};
const told = [...document.querySelectorAll("[data-metric]")]; // what stands for one metric
const pictures = [...document.querySelectorAll("[data-picture]")];

function refresh() {
  facets.forEach((f) => f.paints.forEach((paints) => paints()));
  updateTable();
  told.forEach((part) => { part.hidden = !passes({ metric: part.dataset.metric }); });
  pictures.forEach((picture, i) => { picture.hidden = !passes(chart.pictures[i].facets) || !pictured(chart.pictures[i]); });
  return Promise.all(plots.map((plot) => paint(plot)));
}

const budget = document.getElementById("budget");
const pictured = (picture) => !budget || budget.value === "" || picture.at === budget.value;
budget?.addEventListener("change", refresh);

for (const place of document.querySelectorAll("[data-single]")) {
  const wanted = facets.filter((f) => f.single && [f.key, ""].includes(place.dataset.single));
  place.append(...wanted.map((f) => choice(f, place.dataset.single && "-above")));
}
const controls = document.getElementById("controls");
if (controls) {
  controls.parentElement.open = matchMedia("(min-width: 60rem)").matches; // on a phone the figure comes first
  controls.append(...facets.filter((f) => !f.single).map(toggles));
  const ranged = chart.series.some((s) => s.points.some((p) => p.low !== null));
  if (ranged) {
    const box = make("input", { type: "checkbox", checked: true, id: "bands" });
    box.addEventListener("change", () => { state.bands = box.checked; refresh(); });
    controls.append(make("label", { className: "facet check" }, box, "error bands"));
  }
}
document.getElementById("csv")?.addEventListener("click", () => {
  save(URL.createObjectURL(new Blob([chart.csv[1]], { type: "text/csv" })), chart.csv[0]);
});
const zoom = document.getElementById("zoom");
if (zoom) wireZoom(zoom);
const pair = document.getElementById("pair");
if (pair) wirePair(pair, chart.pictures, pictures.map((picture) => picture.querySelector("img")));
document.querySelectorAll('a[href^="#"]').forEach((a) => a.addEventListener("click", () => open(a.hash.slice(1))));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
let resized = 0; // ticks and height follow the width
const repaint = (printed) => { clearTimeout(resized); plots.forEach((plot) => paint(plot, printed)); };
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(() => repaint(matchMedia("print").matches), 100); });
addEventListener("beforeprint", () => repaint(true));
addEventListener("afterprint", () => repaint(false));
plots.forEach(wireFigure);
await refresh();
document.documentElement.dataset.ready = "true";
