// A curve in front of the others while a pointer or the keyboard is on it, on its name or on its row of the table.

// Whether two things of the page are of the same curve: what both have is equal, and they have something in common.
function related(one, other) {
  const shared = Object.keys(one).filter((key) => key in other);
  return shared.length > 0 && shared.every((key) => one[key] === other[key]);
}

// {series} or {row}, an index of chart.rows; the pointer's before the keyboard's.
const lit = { pointer: null, keyboard: null };

// The series of a figure that are in front, none for all alike.
function front(plot, drawn) {
  const now = lit.pointer ?? lit.keyboard;
  if (!now) return [];
  if (now.series?.figure === plot.figure.key) return drawn.filter((s) => s === now.series);
  const of = now.series ? now.series.facets : chart.rows[now.row].facets;
  return drawn.filter((s) => related(s.facets, of));
}

function highlight(plot) {
  if (plot.box.hidden) return;
  const found = new Set(front(plot, plot.drawn));
  const dim = (series) => found.size > 0 && !found.has(series);
  const traces = [...plot.area.querySelectorAll(".scatterlayer > .trace")].map((g) => [g, seriesOf(g)]);
  traces.sort(([, one], [, other]) => !dim(one) - !dim(other) || one.place - other.place);
  for (const [g, series] of traces) {
    g.classList.toggle("dim", dim(series));
    g.parentNode.append(g);
  }
  for (const label of plot.ends.children) label.classList.toggle("dim", dim(chart.series[label.dataset.series]));
  for (const [series, item] of plot.entries) item.classList.toggle("lit", found.has(series));
}

// Plotly's own groups, in the order of what they draw, have the uid of their trace in their class.
const uidOf = (series, piece) => `s${series.place}x${piece}`;
const seriesOf = (g) => chart.series[g.getAttribute("class").match(/\btraces(\d+)x/)?.[1]];

function light(by, what) {
  const [old, now] = [lit[by], what];
  if (old?.series === now?.series && old?.row === now?.row) return;
  lit[by] = what;
  plots.forEach(highlight);
  const told = lit.pointer ?? lit.keyboard;
  tableRows.forEach((row, i) => row.classList.toggle("lit", !!told?.series && related(chart.rows[i].facets, told.series.facets)));
}

// Whether an event comes from a pointer that was moved; rows that scroll below a resting one are not pointed at.
const resting = { x: null, y: null };
function moved({ screenX: x, screenY: y }) {
  const so = x !== resting.x || y !== resting.y;
  Object.assign(resting, { x, y });
  return so;
}
addEventListener("pointermove", moved, true);

// Lights what an element stands for; a click leaves the keyboard on it, which is no wish to see it.
function wireLight(element, what) {
  element.addEventListener("pointerenter", (event) => { if (moved(event) && event.pointerType !== "touch") light("pointer", what); });
  element.addEventListener("pointerleave", () => light("pointer", null));
  element.addEventListener("focusin", (event) => { if (event.target.matches(":focus-visible")) light("keyboard", what); });
  element.addEventListener("focusout", () => light("keyboard", null));
}
