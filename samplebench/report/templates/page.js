// Wires the page: figures, table, pictures, and what all of them do together. Its data is in #chart.

const chart = JSON.parse(document.getElementById("chart").textContent);
chart.series.forEach((series, place) => { series.place = place; });
const state = { on: {}, x: {}, log: {}, zoom: {}, bands: true, guides: true };

const make = (tag, attributes = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
};
const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const paints = []; // what shows what is chosen: called after every change

// Facets: what may be switched, and what each value looks like.

const carriers = [...chart.figures, ...chart.series, ...chart.rows, ...chart.pictures];
const valuesOf = (facet) => [...new Set(carriers.map((c) => c.facets[facet.key]).filter((v) => v !== undefined))];
const facets = chart.facets.map((f) => ({ ...f, values: valuesOf(f), paints: [] })).filter((f) => f.values.length > 1 || f.start.length);
for (const facet of facets) {
  const start = facet.start.filter((v) => facet.values.includes(v));
  const on = new Set(start.length ? start : facet.single ? facet.values.slice(0, 1) : facet.start.length ? [] : facet.values);
  state.on[facet.key] = on;
  if (facet.single) rememberWord(facet.key, facet.values, () => [...on][0], (value) => { on.clear(); on.add(value); });
  else rememberSome(facet.key, facet.values, on);
}
const passes = (of) => facets.every((f) => of[f.key] === undefined || state.on[f.key].has(of[f.key]));

// Figures.

const plots = chart.figures.map((figure) => {
  const box = document.querySelector(`[data-figure="${CSS.escape(figure.key)}"]`);
  const mine = chart.series.filter((s) => s.figure === figure.key);
  const known = figure.x.filter((axis) => mine.some((s) => s.points.some((p) => p.x[axis.key] != null)));
  state.x[figure.key] = known[0]?.key ?? figure.x[0].key;
  state.log[figure.key] = figure.y.log;
  const [area, legend, unseen, ends] = [".plot", ".legend", ".unseen", ".ends"].map((part) => box.querySelector(part));
  return { figure, box, mine, known, area, legend, unseen, ends, shown: new Set(mine.map((s) => s.name)), drawn: [], entries: new Map(), wired: false };
});
const figureNow = ({ figure }) => ({ ...figure, y: { ...figure.y, log: state.log[figure.key] } });
const axisNow = (plot) => plot.figure.x.find((axis) => axis.key === state.x[plot.figure.key]);
const viewNow = (plot) => ({ bands: state.bands, guides: state.guides, range: state.zoom[plot.figure.key] });
const visible = (plot) => plot.mine.filter((s) => passes(s.facets));
const seen = (plot) => visible(plot).filter((s) => plot.shown.has(s.name));
const sizeOf = (area) => ({ width: area.clientWidth, height: area.clientWidth < WIDE ? 340 : 460 });

const PAPER = { width: 680, height: 420 }; // CSS pixels between the margins of A4 and Letter

async function paint(plot, printed = false) {
  plot.box.hidden = !passes(plot.figure.facets);
  if (plot.box.hidden) return; // drawn when it is switched on: before, it has no size
  const list = seen(plot), size = printed ? PAPER : sizeOf(plot.area), look = printed ? PRINT : theme();
  const names = named(plot, list, size.width);
  const { traces, layout } = drawing(figureNow(plot), list, axisNow(plot), { ...viewNow(plot), look, size, room: roomFor(names, list, axisNow(plot), size.width) });
  if (printed) Object.assign(layout, { ...size, autosize: false });
  await Plotly.react(plot.area, traces, layout, { displayModeBar: false, doubleClick: false });
  plot.drawn = list;
  plot.area.dataset.axis = state.x[plot.figure.key];
  plot.unseen.textContent = state.log[plot.figure.key] ? unseen(list, axisNow(plot), state.bands) : "";
  plot.unseen.hidden = !plot.unseen.textContent;
  paintLegend(plot);
  drawEnds(plot, names, look);
  highlight(plot);
  plot.values();
  if (!plot.wired) wireArea(plot);
}

function paintLegend(plot) {
  const there = visible(plot).filter((s) => s.band !== "range" && (s.level || placed(s, axisNow(plot)).length));
  const items = there.map((s) => plot.entries.get(s) ?? entryItem(plot, s));
  // Left alone where nothing is new: an entry put in again would lose the keyboard.
  if (items.length !== plot.legend.children.length || items.some((item, i) => plot.legend.children[i] !== item)) plot.legend.replaceChildren(...items);
  there.forEach((s) => plot.entries.get(s).firstChild.setAttribute("aria-pressed", plot.shown.has(s.name)));
  plot.area.dataset.series = there.filter((s) => plot.shown.has(s.name)).length;
}

function entryItem(plot, series) {
  const button = make("button", { type: "button", title: "click: hide or show" }, entry(series), make("span", { textContent: series.name }));
  button.addEventListener("click", () => {
    plot.shown.has(series.name) ? plot.shown.delete(series.name) : plot.shown.add(series.name);
    changed();
  });
  const item = make("li", {}, button);
  wireLight(item, { series });
  plot.entries.set(series, item);
  return item;
}

// Buttons of which one is pressed: [key, text] each.
function pressed(box, choices, now, press) {
  const buttons = choices.map(([key, text]) => {
    const button = make("button", { type: "button", textContent: text });
    button.dataset.axis = key;
    button.addEventListener("click", () => press(key));
    return button;
  });
  paints.push(() => buttons.forEach((b) => b.setAttribute("aria-pressed", b.dataset.axis === now())));
  box.append(...buttons);
}

// A choice of an axis, which is remembered.
function axisChoice(plot, box, kind, choices, now, choose) {
  const anew = (key) => { choose(key); delete state.zoom[plot.figure.key]; };
  pressed(box, choices, now, (key) => { anew(key); changed(); });
  rememberWord(`${kind}.${plot.figure.key}`, choices.map(([key]) => key), now, anew);
}

function wireFigure(plot) {
  const { figure, box } = plot, { key } = figure;
  const [across, up] = box.querySelectorAll(".axes");
  plot.values = wireValues(box, figure, () => [seen(plot), axisNow(plot)]);
  if (plot.known.length > 1) axisChoice(plot, across, "x", plot.known.map((axis) => [axis.key, axis.title]), () => state.x[key], (axis) => { state.x[key] = axis; });
  if (!figure.y.zero && !figure.y.names.length) axisChoice(plot, up, "y", [["log", "log"], ["linear", "linear"]], () => (state.log[key] ? "log" : "linear"), (way) => { state.log[key] = way === "log"; });
  rememberSome(`curve.${key}`, [...plot.shown], plot.shown);
  for (const format of ["svg", "png"]) box.querySelector(`.${format}`).addEventListener("click", () => download(plot, format));
  box.querySelector(".pdf").addEventListener("click", () => printAlone(plot));
}

// What Plotly tells of a figure, once it is drawn.
function wireArea(plot) {
  const { figure, area } = plot;
  plot.wired = true;
  area.on("plotly_click", (event) => { const to = event.points[0]?.customdata; if (to) goTo(to); });
  area.on("plotly_hover", (event) => {
    const series = plot.drawn.find((s) => uidOf(s, "p") === event.points[0]?.data.uid);
    light("pointer", series ? { series } : null);
  });
  area.on("plotly_unhover", () => light("pointer", null));
  area.on("plotly_doubleclick", () => { delete state.zoom[figure.key]; paint(plot); });
  area.on("plotly_relayouting", () => plot.ends.replaceChildren()); // the axes move below them
  area.on("plotly_relayout", (change) => {
    if (!("xaxis.range[0]" in change) && !("yaxis.range[0]" in change)) return;
    const { xaxis, yaxis } = area._fullLayout; // own ticks are laid out anew for the new range
    state.zoom[figure.key] = { x: [...xaxis.range], y: [...yaxis.range] };
    paint(plot);
  });
}

// Shows a part of the page, with the keyboard on it.
function show(id) {
  const target = document.getElementById(id);
  if (!target) return;
  if (target.tagName === "DETAILS") target.open = true;
  (target.querySelector(":scope > summary") ?? target).focus({ preventScroll: true });
  target.scrollIntoView({ behavior: STILL.matches ? "instant" : "smooth", block: "start" });
}

function goTo(id) {
  keep(true, id);
  show(id);
}

// Everything together.

const table = document.querySelector("table.sortable");
const { update: updateTable, rows: tableRows } = table ? wireTable(table, (i) => passes(chart.rows[i].facets), keep) : { update: () => {}, rows: [] };
tableRows.forEach((element, row) => wireLight(element, { row }));
const told = [...document.querySelectorAll("[data-metric]")]; // what stands for one metric
const pictures = [...document.querySelectorAll("[data-picture]")];

function refresh() {
  facets.forEach((f) => f.paints.forEach((paints) => paints()));
  paints.forEach((show) => show());
  updateTable();
  told.forEach((part) => { part.hidden = !passes({ metric: part.dataset.metric }); });
  pictures.forEach((picture, i) => { picture.hidden = !passes(chart.pictures[i].facets) || !pictured(chart.pictures[i]); });
  return Promise.all(plots.map((plot) => paint(plot)));
}

// After a choice; a large one is taken back by the browser's "back".
function changed(large = false) {
  keep(large);
  return refresh();
}

const budget = document.getElementById("budget");
const pictured = (picture) => !budget || budget.value === "" || picture.at === budget.value;
budget?.addEventListener("change", () => changed());
if (budget) rememberWord("budget", [...budget.options].map((option) => option.textContent), () => budget.selectedOptions[0].textContent, (text) => {
  budget.selectedIndex = [...budget.options].findIndex((option) => option.textContent === text);
});

for (const place of document.querySelectorAll("[data-single]")) {
  const wanted = facets.filter((f) => f.single && [f.key, ""].includes(place.dataset.single));
  place.append(...wanted.map((f) => choice(f, place.dataset.single && "-above")));
}
const controls = document.getElementById("controls");
if (controls) {
  controls.parentElement.open = matchMedia("(min-width: 60rem)").matches; // on a phone the figure comes first
  controls.append(...facets.filter((f) => !f.single).map(toggles));
  if (chart.series.some((s) => s.points.some((p) => p.low !== null))) controls.append(checkbox("bands", "error bands"));
  if (chart.figures.some((figure) => figure.orders.length)) controls.append(checkbox("guides", "slopes of orders"));
}
document.getElementById("csv")?.addEventListener("click", () => {
  save(URL.createObjectURL(new Blob([chart.csv[1]], { type: "text/csv" })), chart.csv[0]);
});
const zoom = document.getElementById("zoom");
if (zoom) wireZoom(zoom);
const pair = document.getElementById("pair");
if (pair) wirePair(pair, chart.pictures, pictures.map((picture) => picture.querySelector("img")));
document.querySelectorAll('a[href^="#"]').forEach((a) => a.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return; // for another tab or window
  event.preventDefault(); // its own way drops what is chosen from the address
  goTo(a.hash.slice(1));
}));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
let resized = 0; // ticks and height follow the width
const repaint = (printed) => { clearTimeout(resized); plots.forEach((plot) => paint(plot, printed)); };
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(() => repaint(matchMedia("print").matches), 100); });
addEventListener("beforeprint", () => repaint(true));
addEventListener("afterprint", () => repaint(false));
plots.forEach(wireFigure);
// What the address chooses, and the part of the page that it leads to.
async function arrive(first = false) {
  const chosen = follow();
  if (chosen) state.zoom = {};
  if (chosen || first) await refresh();
  show(chosen ? place : location.hash.slice(1));
}
addEventListener("hashchange", () => arrive());
await arrive(true);
document.documentElement.dataset.ready = "true";
