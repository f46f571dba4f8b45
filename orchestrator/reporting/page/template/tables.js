// Tables: a click or Enter on a heading sorts by it; a second one turns the order round. Models stay above.

function compareCells(a, b, way) {
  const [x, y] = [a.dataset.value, b.dataset.value];
  if (x === undefined || y === undefined) return (x === undefined) - (y === undefined); // empty ones last, in both orders
  const [m, n] = [Number(x), Number(y)];
  return way * (Number.isNaN(m) || Number.isNaN(n) ? x.localeCompare(y) : m - n);
}

function sortBy(table, column) {
  const heads = [...table.tHead.rows[0].cells], head = heads[column], body = table.tBodies[table.tBodies.length - 1];
  const first = head.classList.contains("number") ? "descending" : "ascending";
  const other = first === "ascending" ? "descending" : "ascending";
  const order = head.getAttribute("aria-sort") === first ? other : first;
  heads.forEach((h) => h.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", order);
  const rows = [...body.rows].filter((row) => row.cells.length > column);
  rows.sort((a, b) => compareCells(a.cells[column], b.cells[column], order === "ascending" ? 1 : -1));
  body.append(...rows);
}

function addSorting(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) =>
    head.querySelector("button").addEventListener("click", () => sortBy(table, column)));
}
