// Slices of one method: for each hyper-parameter that varied, every trial's value of it against one result.

const SLICE = { left: 50, right: 12, top: 12, bottom: 40, high: 260, least: 260 };

class Slices {
  constructor(figure, data) {
    Object.assign(this, findParts(figure), { figure, data, chosen: 0, current: null });
    if (!data.coordinates.length) { this.told.textContent = "No hyper-parameter varied."; this.svg.remove(); return; }
    const bar = figure.querySelector(".controls");
    const methods = data.coordinates.map((c, n) => [String(n), data.methods[c.method].name]);
    addSelect(bar, "method", methods, "0", (v) => { this.chosen = Number(v); this.leave(); this.draw(); });
    this.result = data.coordinates[0].results[0];
    const results = data.axes.filter((a) => data.coordinates.some((c) => c.results.includes(a.name)));
    addSelect(bar, "result", results.map((a) => [a.name, a.label]), this.result, (v) => { this.result = v; this.leave(); this.draw(); });
    listenForChoice(this, { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }, () => this.drawn);
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  draw() {
    const wide = this.canvas.clientWidth, found = this.data.coordinates[this.chosen];
    if (!wide) return;
    const { trial, last } = this.data.points, values = this.data.points.values[this.result];
    const indices = trial.map((_, n) => n).filter((n) => last[n] && this.data.trials[trial[n]].method === found.method && Number.isFinite(values[n]));
    const columns = Math.max(1, Math.min(found.params.length, Math.floor(wide / SLICE.least)));
    const high = SLICE.high * Math.ceil(found.params.length / columns);
    this.svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    this.svg.setAttribute("height", high);
    this.svg.replaceChildren();
    this.drawn = [];
    found.params.forEach((param, k) => {
      const left = (wide / columns) * (k % columns), top = SLICE.high * Math.floor(k / columns);
      this.panel(param, found, indices, { x1: left + SLICE.left, x2: left + wide / columns - SLICE.right, y1: top + SLICE.top, y2: top + SLICE.high - SLICE.bottom });
    });
    this.top = make("g");
    this.svg.append(this.top);
    if (!this.current) this.told.textContent = `${indices.length} trials, each at its last point; outlined: with a point on the front.`;
  }

  panel(param, found, indices, box) {
    const axis = this.data.axes.find((a) => a.name === this.result), { trial, rank, values } = this.data.points;
    const read = (n) => this.data.trials[trial[n]].params[param.name];
    const sy = makeScale(indices.map((n) => values[this.result][n]), box.y2, box.y1, axis.log);
    const sx = param.choices ? this.places(param.choices, box) : makeScale(indices.map(read), box.x1, box.x2, param.log);
    for (const [y, text] of sy.ticks) {
      this.svg.append(make("line", { x1: box.x1, x2: box.x2, y1: y, y2: y, class: "grid" }));
      this.svg.append(make("text", { x: box.x1 - 5, y: y + 4, "text-anchor": "end" }, text));
    }
    let free = -Infinity;
    for (const [x, text] of sx.ticks) {
      this.svg.append(make("line", { x1: x, x2: x, y1: box.y1, y2: box.y2, class: "grid" }));
      if (x < free) continue;  // words of neighbours would touch
      free = x + 8 * Math.min(9, text.length) + 10;
      this.svg.append(make("text", { x, y: box.y2 + 15, "text-anchor": "middle" }, text.length > 9 ? `${text.slice(0, 8)}…` : text));
    }
    this.svg.append(make("text", { x: (box.x1 + box.x2) / 2, y: box.y2 + 32, "text-anchor": "middle", class: "title" }, param.name));
    const onFront = new Set(trial.filter((_, n) => rank[n] > 0)), shape = this.data.methods[found.method].shape;
    for (const n of indices) {
      const x = sx.at(read(n)), y = sy.at(values[this.result][n]);
      if (!Number.isFinite(x) || !Number.isFinite(y)) continue;
      const group = make("g", { class: `m${found.method % COLOURS} point`, transform: `translate(${x.toFixed(1)},${y.toFixed(1)})` });
      group.append(make("path", { d: SHAPES[shape](4), class: `mark ${onFront.has(trial[n]) ? "front" : "plain"}` }));
      this.svg.append(group);
      this.drawn.push({ n, x, y, param, read });
    }
  }

  places(choices, box) {
    const middle = (i) => box.x1 + ((box.x2 - box.x1) * (i + 0.5)) / choices.length;
    return { at: (v) => middle(choices.indexOf(spellChoice(v))), ticks: choices.map((c, i) => [middle(i), c]) };
  }

  hover(x, y) {
    let best = null, least = 20 * 20;
    for (const place of this.drawn) {
      const far = (place.x - x) ** 2 + (place.y - y) ** 2;
      if (far < least) [best, least] = [place, far];
    }
    if (best) this.choose(best); else this.leave();
  }

  leave() {
    if (!this.current) return;
    this.current = null;
    this.tip.hidden = true;
    this.top.replaceChildren();
  }

  choose(place) {
    if (place === this.current) return;
    this.leave();
    this.current = place;
    const trial = this.data.trials[this.data.points.trial[place.n]], axis = this.data.axes.find((a) => a.name === this.result);
    for (const other of this.drawn) if (other.n === place.n) this.top.append(make("circle", { cx: other.x, cy: other.y, r: 9, class: "here" }));
    const pairs = [[place.param.name, String(place.read(place.n))], [axis.label, spell(axis, this.data.points.values[this.result][place.n])]];
    showTip(this.tip, this.canvas, place.x, place.y, trial.id, pairs, "");
    this.told.textContent = `${trial.id}: ${pairs.map(([name, value]) => `${name} ${value}`).join(", ")}`;
  }
}
