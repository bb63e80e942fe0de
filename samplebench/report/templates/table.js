// The table: sorted by a click on its head, filtered by words and by the switches.

function wireTable(table, passes) {
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
  };

  // Where a column has numbers, what is not one (a mean over samples that are not finite) is missing.
  const key = (row, column) => {
    const cell = row.cells[column];
    if ("order" in cell.dataset) return Number(cell.dataset.order);
    return cell.classList.contains("text") ? cell.textContent.trim() : "";
  };
  const missing = (value) => value === "" || value === "-";
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sorted = rows.map((row) => [key(row, column), row]);
      sorted.sort(([a], [b]) => {
        if (missing(a) || missing(b)) return missing(a) - missing(b); // last, whichever way
        const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
        return down ? -order : order;
      });
      body.append(...sorted.map(([, row]) => row));
    });
  });
  filter.addEventListener("input", update);
  return update;
}
