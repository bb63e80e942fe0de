// The table: sorted by a click on its head, filtered by words and by the switches, walked through by arrow keys.

function wireTable(table, passes, changed) {
  const [filter, count] = [document.getElementById("filter"), document.getElementById("count")];
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const words = rows.map((row) => [...row.cells].map((cell) => cell.textContent.toLowerCase()).join("\n"));

  const update = () => {
    const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    rows.forEach((row, i) => {
      row.hidden = !(passes(i) && wanted.every((word) => words[i].includes(word)));
      left += !row.hidden;
    });
    const all = `${rows.length} row${rows.length === 1 ? "" : "s"}`;
    count.textContent = left === rows.length ? all : `${left} of ${all}`;
    enter();
  };

  // Where a column has numbers, what is not one (a mean over samples that are not finite) is missing.
  const key = (row, column) => {
    const cell = row.cells[column];
    if ("order" in cell.dataset) return Number(cell.dataset.order);
    return cell.classList.contains("text") ? cell.textContent.trim() : "";
  };
  const missing = (value) => value === "" || value === "-";
  const heads = [...table.tHead.rows[0].cells];
  let sorted = null; // {column, down}, null as the rows came
  const sort = (by) => {
    sorted = by;
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    if (!by) return body.append(...rows);
    const { column, down } = by;
    heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
    const keyed = rows.map((row) => [key(row, column), row]);
    keyed.sort(([a], [b]) => {
      if (missing(a) || missing(b)) return missing(a) - missing(b); // last, whichever way
      const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
      return down ? -order : order;
    });
    body.append(...keyed.map(([, row]) => row));
  };
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      sort({ column, down: head.getAttribute("aria-sort") === "ascending" });
      enter();
      changed();
    });
  });
  filter.addEventListener("input", () => { update(); changed(); });

  // One row is a stop of the Tab key, the arrows lead to the others.
  const enter = (row = [...body.rows].find((each) => !each.hidden)) => {
    rows.forEach((each) => { each.tabIndex = each === row ? 0 : -1; });
    return row;
  };
  body.addEventListener("keydown", (event) => {
    if (event.target.parentNode !== body) return;
    const there = [...body.rows].filter((row) => !row.hidden), at = there.indexOf(event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: there.length - 1 }[event.key];
    if (!there[to]) return;
    event.preventDefault();
    enter(there[to]).focus();
  });

  const title = (column) => heads[column].textContent.trim();
  remember(["sort"], () => (sorted ? [["sort", `${title(sorted.column)} ${sorted.down ? "down" : "up"}`]] : []), (found) => {
    const [, name, way] = found.get("sort")?.[0].match(/^(.*) (up|down)$/s) ?? [];
    const column = heads.findIndex((_, i) => whole(title(i)) === name);
    sort(column < 0 ? null : { column, down: way === "down" });
  });
  remember(["filter"], () => (filter.value ? [["filter", filter.value]] : []), (found) => { filter.value = found.get("filter")?.[0] ?? ""; });
  return { update, rows };
}
