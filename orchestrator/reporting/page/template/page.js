// Starts what the page holds.

const data = JSON.parse(document.getElementById("data").textContent);

for (const figure of document.querySelectorAll(".chart")) {
  const { kind, sweep } = figure.dataset, own = sweep === "all" ? data.fronts : data.sweeps[Number(sweep)];
  const others = { parallel: Parallel, slices: Slices, space: Space };
  if (others[kind]) new others[kind](figure, own);
  else new Plane(figure, own, kind === "paths");
}
document.querySelectorAll("table.sorted").forEach(addSorting);

for (const button of document.querySelectorAll(".copy")) {
  if (!navigator.clipboard) break;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    button.textContent = "copied";
  });
}

// While a sweep runs, the file is written again: an open page loads it, but not under a reader's hands.
if (data.refresh) {
  let touched = 0;
  for (const event of ["pointermove", "keydown", "scroll"]) addEventListener(event, () => (touched = Date.now()), { passive: true });
  setInterval(() => { if (Date.now() - touched > 1000 * data.refresh) location.reload(); }, 1000 * data.refresh);
}
