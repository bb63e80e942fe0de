// Axes: their ticks, their ranges, how they look.

// Round numbers between two powers of ten, at most about `room` of them.
function ticks(low, high, room) {
  const all = (steps) => {
    const found = [];
    for (let d = Math.floor(low); d <= Math.ceil(high); d++)
      for (const m of steps) {
        const at = Math.log10(m) + d;
        if (at >= low - 1e-9 && at <= high + 1e-9) found.push(Number((m * 10 ** d).toPrecision(3)));
      }
    return found;
  };
  const rules = [[1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9], [1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]];
  if (all(rules[0]).length < 3) return evenly(10 ** low, 10 ** high, room);
  return rules.map(all).find((found) => found.length <= room) ?? all([1]).filter((_, i, list) => i % Math.ceil(list.length / room) === 0);
}

// Round numbers at equal distances, for where the axis is too short for any of those.
function evenly(low, high, room) {
  const unit = 10 ** Math.floor(Math.log10((high - low) / room));
  const count = (step) => Math.floor(high / step) - Math.ceil(low / step) + 1;
  const step = [1, 2, 5, 10, 20].map((m) => m * unit).find((s) => count(s) <= Math.max(4, room));
  return Array.from({ length: count(step) }, (_, i) => Number(((Math.ceil(low / step) + i) * step).toPrecision(9)));
}

const shown = (v) => (v >= 1e5 || v < 1e-3 ? v.toExponential().replace(".0e", "e") : String(Number(v.toPrecision(6))));

// Of the values that occur those that get a label: all of them where they have room, else the ends and what most points have.
function labelled(values, pixels, low, high) {
  const counts = new Map();
  values.forEach((v) => { if (Math.log10(v) >= low - 1e-9 && Math.log10(v) <= high + 1e-9) counts.set(v, (counts.get(v) ?? 0) + 1); });
  const all = [...counts.keys()].sort((a, b) => a - b);
  const rank = (v) => (v === all[0] || v === all.at(-1) ? Infinity : counts.get(v));
  const half = (v) => 3.8 * shown(v).length + 3; // pixels from its middle
  const kept = [];
  for (const v of all.toSorted((a, b) => rank(b) - rank(a) || a - b)) {
    const far = (other) => (pixels * Math.abs(Math.log10(v / other))) / (high - low);
    if (kept.every((other) => far(other) >= half(v) + half(other))) kept.push(v);
  }
  return [kept.sort((a, b) => a - b), all];
}

function axisOf(axis, values, pixels, look, range) {
  const base = {
    title: { text: escaped(axis.title), font: { color: look.ink, size: 13 }, standoff: 12 },
    gridcolor: look.rule, linecolor: look.faint, tickcolor: look.faint, zeroline: !!axis.zero, zerolinecolor: look.faint, zerolinewidth: 1.5, showline: true,
    tickfont: { color: look.ink, size: 12 }, ticks: "outside", ticklen: 4, automargin: true,
    exponentformat: "e", // 2e-5, not 20 of a unit's prefix
  };
  if (axis.names.length) {
    const at = axis.names.map((_, i) => i), ends = [-0.6, at.length - 0.4];
    return { ...base, range: range ?? ends, tickmode: "array", tickvals: at, ticktext: axis.names.map(escaped) };
  }
  if (!axis.log) return { ...base, ...(range ? { range } : {}) };
  if (!values.length) return { ...base, type: "log", range: range ?? [0, 2], tickmode: "array", tickvals: [] }; // levels alone: they hold anywhere
  const logs = values.map(Math.log10);
  const [low, high] = range ?? [Math.min(...logs), Math.max(...logs)];
  const pad = range ? 0 : Math.max(0.04 * (high - low), 0.03);
  const lone = low === high && [Number(values[0].toPrecision(4))]; // one value: nothing but it
  const [kept, all] = axis.at_values && !lone ? labelled(values, pixels, low - pad, high + pad) : [[], []];
  const enough = kept.length > 1; // a narrow view may have no two of them
  const at = lone || (enough ? kept : ticks(low - pad, high + pad, Math.max(3, pixels / 58)));
  if (enough) base.minor = { tickmode: "array", tickvals: all, ticks: "outside", ticklen: 4, tickcolor: look.faint };
  return { ...base, type: "log", range: [low - pad, high + pad], tickmode: "array", tickvals: at, ticktext: at.map(shown) };
}
