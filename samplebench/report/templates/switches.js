// Switches: the values of a facet, side by side, in a list or one by one.

function choose(facet, value) {
  state.on[facet.key].clear();
  state.on[facet.key].add(value);
  state.zoom = {};
  changed(true);
}
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
    chip.addEventListener("click", () => { on.has(value) ? on.delete(value) : on.add(value); changed(); });
    chip.addEventListener("dblclick", () => { on.clear(); on.add(value); changed(); });
    return chip;
  });
  const all = make("button", { type: "button", className: "all", textContent: "all" });
  const none = make("button", { type: "button", className: "all", textContent: "none" });
  all.addEventListener("click", () => { facet.values.forEach((v) => on.add(v)); changed(); });
  none.addEventListener("click", () => { on.clear(); changed(); });
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

// A switch that is on at first: `state[key]`.
function checkbox(key, text) {
  const box = make("input", { type: "checkbox", id: key });
  box.addEventListener("change", () => { state[key] = box.checked; changed(); });
  rememberWord(key, ["on", "off"], () => (state[key] ? "on" : "off"), (word) => { state[key] = word === "on"; });
  paints.push(() => { box.checked = state[key]; });
  return make("label", { className: "facet check" }, box, text);
}
