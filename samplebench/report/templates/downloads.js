// Downloads of a figure, as on white paper: SVG, PNG, and PDF by the browser's own printing.

const FIGURE = { width: 900, height: 560 }; // CSS pixels, without the legend

// The figure as it is shown, with a title and a legend of its own, and its size.
function onPaper(plot) {
  const { traces, layout } = drawing(figureNow(plot), seen(plot), axisNow(plot), { ...viewNow(plot), look: PRINT, size: FIGURE });
  const named = traces.filter((t) => t.showlegend !== false);
  named.forEach((t) => { t.name = t.name.replace(/(?=.{121})(.{60,120}) /g, "$1<br>"); });
  const names = 20 * named.reduce((lines, t) => lines + t.name.split("<br>").length, 0); // below the axes, however many and long
  const size = { width: FIGURE.width, height: FIGURE.height + 20 + names };
  Object.assign(layout, { ...size, autosize: false, showlegend: true, title: { text: escaped(plot.figure.title), font: { size: 16 } }, margin: { l: 12, r: 14, t: 48, b: 72 + names } });
  layout.legend = { orientation: "h", entrywidthmode: "fraction", entrywidth: 1, x: 0, yref: "container", y: 0.01, yanchor: "bottom", maxheight: names + 20, font: { color: PRINT.ink, size: 12 } };
  return [{ data: traces, layout }, size];
}

async function download(plot, format) {
  const [figure, size] = onPaper(plot);
  const scale = format === "png" ? 2 : 1; // twice as many pixels: sharp on paper and on dense screens
  save(await Plotly.toImage(figure, { format, scale, ...size }), `${plot.figure.name}.${format}`);
}

// A page of the figure's size with nothing but it, which the browser prints to PDF: vectors and text, as journals want.
// A PDF written here would be a bitmap in a wrapper, or need a library as large as all else of the page but Plotly.
async function printAlone(plot) {
  const [figure, size] = onPaper(plot);
  const image = make("img", { alt: plot.figure.title, src: await Plotly.toImage(figure, { format: "svg", ...size }) });
  await image.decode();
  const paper = make("style", { textContent: `@page { size: ${size.width}px ${size.height}px; margin: 0 }
    @media print { body > :not(.sheet) { display: none !important } body, .sheet img { display: block; margin: 0; padding: 0; width: ${size.width}px; height: ${size.height - 1}px } }` });
  const sheet = make("div", { className: "sheet" }, image, paper), title = document.title;
  document.body.append(sheet);
  document.title = plot.figure.name; // the name that a browser offers for the file
  addEventListener("afterprint", () => { sheet.remove(); document.title = title; }, { once: true });
  window.print();
}

function save(href, download) {
  make("a", { href, download }).click();
}
