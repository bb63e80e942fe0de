// The values of a figure as a table, made when it is opened: what a picture does not say to a screen reader.

// `drawn()` gives the series that are shown and the horizontal axis. Returns what to call when they change.
function wireValues(box, figure, drawn) {
  const details = box.querySelector(".figure-values"), region = details.querySelector(".scroll");
  const cells = (tag, texts) => make("tr", {}, ...texts.map((text) => make(tag, tag === "th" ? { scope: "col", textContent: text } : { textContent: text })));
  const short = (v) => (v === null || v === undefined ? "" : String(Number(v.toPrecision(5))));
  const update = () => {
    if (!details.open) return;
    const [list, axis] = drawn();
    const points = list.flatMap((s) => placed(s, axis).map((p) => [s.name, p]));
    const ranged = points.some(([, p]) => p.low !== null || p.high !== null);
    const name = (y) => figure.y.names[y] ?? short(y);
    const rows = points.map(([curve, p]) => cells("td", [curve, short(p.at), name(p.y), ...(ranged ? [short(p.low), short(p.high)] : [])]));
    const heads = ["curve", axis.title, figure.y.title || "row", ...(ranged ? ["low", "high"] : [])];
    region.replaceChildren(make("table", {}, make("thead", {}, cells("th", heads)), make("tbody", {}, ...rows)));
  };
  details.addEventListener("toggle", update);
  return update;
}
