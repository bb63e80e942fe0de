// Two sheets of the same seeds in one place: by turns, or as their absolute difference.

// The absolute difference of two pictures as levels, and its mean over the samples' pixels.
function difference(one, other, [count, columns, h, w, gap], gain) {
  const shown = new ImageData(one.width, one.height);
  for (let i = 0; i < one.data.length; i++) {
    const far = Math.abs(one.data[i] - other.data[i]);
    shown.data[i] = i % 4 === 3 ? 255 : 128 + Math.min(127, (gain * far) / 2);
  }
  let sum = 0;
  for (let tile = 0; tile < count; tile++) {
    const [top, left] = [Math.floor(tile / columns) * (h + gap), (tile % columns) * (w + gap)];
    for (let y = top; y < top + h; y++)
      for (let x = left; x < left + w; x++)
        for (let c = 0; c < 3; c++) {
          const i = 4 * (y * one.width + x) + c;
          sum += Math.abs(one.data[i] - other.data[i]);
        }
  }
  return { shown, mean: sum / (3 * count * h * w) };
}

function pixelsOf(image) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

// `pictures` are what the page knows of each sheet, `images` their elements.
function wirePair(panel, pictures, images) {
  const [stage, output, play] = [".stage", "output", ".play"].map((part) => panel.querySelector(part));
  const [canvas, shown] = [stage.querySelector("canvas"), [0, 1].map(() => document.createElement("img"))];
  stage.prepend(...shown);
  const sides = [...panel.querySelectorAll("[data-side]")].map((box) => ({ curve: box.querySelector(".curve"), budget: box.querySelector(".budget"), at: 0 }));
  const views = [...panel.querySelectorAll("[name=pair-view]")], gains = [...panel.querySelectorAll("[name=pair-gain]")];
  const partners = (i) => pictures.map((_, j) => j).filter((j) => j !== i && pictures[j].same === pictures[i].same);
  const all = pictures.map((_, i) => i).filter((i) => partners(i).length);
  const candidates = [() => all, () => [...partners(sides[0].at), sides[0].at].sort((a, b) => a - b)];
  let timer = 0, latest = 0;

  const options = (select, found, now) => {
    select.replaceChildren(...found.map(([value, text]) => new Option(text, value, false, value === now)));
  };
  // The sheets to choose from follow the other choice: the curve keeps its budget, or takes the nearest.
  const list = (place) => {
    const side = sides[place], found = candidates[place](), own = pictures[side.at];
    const curves = [...new Set(found.map((i) => pictures[i].about))];
    options(side.curve, curves.map((about) => [about, about]), own.about);
    const budgets = found.filter((i) => pictures[i].about === own.about);
    options(side.budget, budgets.map((i) => [String(i), pictures[i].at + (pictures[i].nfe === pictures[i].at ? "" : ` (NFE ${pictures[i].nfe})`)]), String(side.at));
  };
  const nearest = (place, about, at) => {
    const far = (i) => Math.abs(Number(pictures[i].at) - Number(at));
    return candidates[place]().filter((i) => !about || pictures[i].about === about).sort((a, b) => far(a) - far(b))[0];
  };
  const told = (i) => `${pictures[i].about}, NFE ${pictures[i].nfe}`;
  const viewed = () => views.find((radio) => radio.checked).value;

  const fit = () => {
    const { naturalWidth: natural } = shown[0], room = Math.min(560, panel.clientWidth);
    const whole = Math.floor(room / natural);
    stage.style.width = `${whole ? whole * natural : room}px`;
    stage.classList.toggle("shrunk", !whole);
  };
  const show = () => {
    const now = viewed();
    shown.forEach((image, place) => { image.classList.toggle("away", now !== ["first", "second"][place]); });
    canvas.classList.toggle("away", now !== "difference");
    gains.forEach((radio) => { radio.disabled = now !== "difference"; });
  };
  const compare = () => {
    const [i, j] = sides.map((side) => side.at);
    const found = difference(...shown.map(pixelsOf), pictures[i].layout, Number(gains.find((radio) => radio.checked).value));
    [canvas.width, canvas.height] = [found.shown.width, found.shown.height];
    canvas.getContext("2d", { willReadFrequently: true }).putImageData(found.shown, 0, 0);
    const count = pictures[i].layout[0];
    const mean = `mean absolute difference ${found.mean.toFixed(2)} of 255 levels over ${count} sample${count === 1 ? "" : "s"}`;
    canvas.setAttribute("aria-label", `difference of ${told(i)} and ${told(j)}: ${mean}`);
    output.textContent = `${told(i)} and ${told(j)}: ${mean}.`;
  };
  const load = async () => {
    const turn = ++latest;
    sides.forEach((side, place) => {
      list(place);
      Object.assign(shown[place], { src: images[side.at].src, alt: `${["first", "second"][place]}: ${told(side.at)}` });
    });
    await Promise.all(shown.map((image) => image.decode()));
    if (turn !== latest) return; // another choice was made meanwhile
    fit();
    compare();
    show();
  };

  const stop = () => { clearInterval(timer); timer = 0; play.textContent = "Play"; };
  const start = () => { stop(); timer = setInterval(swap, 500); play.textContent = "Pause"; };
  const swap = () => { views[viewed() === "first" ? 1 : 0].checked = true; show(); };
  const choose = (place, i) => {
    sides[place].at = i;
    if (!candidates[1]().includes(sides[1].at)) [sides[1].at] = partners(sides[0].at);
    load();
  };
  sides.forEach((side, place) => {
    side.curve.addEventListener("change", () => choose(place, nearest(place, side.curve.value, pictures[side.at].at)));
    side.budget.addEventListener("change", () => choose(place, Number(side.budget.value)));
  });
  views.forEach((radio) => radio.addEventListener("change", () => { stop(); show(); }));
  gains.forEach((radio) => radio.addEventListener("change", compare));
  panel.querySelector(".swap").addEventListener("click", () => { stop(); swap(); });
  play.addEventListener("click", () => { timer ? stop() : start(); });
  stage.addEventListener("click", () => { stop(); swap(); views.find((radio) => radio.checked).focus(); });
  panel.addEventListener("keydown", (event) => {
    if (event.key !== " " || !views.includes(event.target)) return;
    event.preventDefault();
    stop();
    swap();
    views.find((radio) => radio.checked).focus();
  });
  panel.addEventListener("toggle", async () => {
    if (!panel.open) return stop();
    await load();
    if (panel.open && !STILL.matches) start();
  });
  addEventListener("resize", () => { if (panel.open) fit(); });

  [sides[0].at] = [...all].sort((a, b) => Number(pictures[b].at) - Number(pictures[a].at));
  sides[1].at = partners(sides[0].at).find((i) => pictures[i].at === pictures[sides[0].at].at) ?? partners(sides[0].at)[0];
}
