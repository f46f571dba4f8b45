// A plane of points: hover, filter, choice of axes, keyboard. With `paths` the points of a trial are joined.

const NEAR = 26, MARGIN = { left: 58, right: 14, top: 14, bottom: 46 };
const SHOWN = [["all", "all points"], ["last", "last point of each trial"], ["front", "front alone"]];

class Plane {
  constructor(figure, data, paths) {
    Object.assign(this, findParts(figure), { figure, data, paths, hidden: new Set(), current: null, shown: "all", near: true, means: false });
    this.axes = new Map(data.axes.map((axis) => [axis.name, axis]));
    this.axes.set("epoch", { name: "epoch", label: "epoch", unit: "", better: "", log: false, decimals: false });
    this.y = data.y;
    this.x = paths ? "epoch" : data.x;
    for (const side of ["x", "y"]) if (!this.axes.has(this[side])) this[side] = data.axes[0]?.name ?? "epoch";
    this.addControls();
    this.addKeys();
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  addControls() {
    const bar = this.figure.querySelector(".controls"), columns = this.data.axes.map((a) => [a.name, a.label]);
    const xs = this.paths ? [["epoch", "epoch"], ...columns.filter(([n]) => this.axes.get(n).log)] : columns;
    addSelect(bar, this.paths ? "along" : "across", xs, this.x, (v) => this.set({ x: v })).classList.add("x");
    addSelect(bar, "up", columns, this.y, (v) => this.set({ y: v })).classList.add("y");
    if (this.figure.dataset.kind === "plane") addSelect(bar, "points", SHOWN, this.shown, (v) => this.set({ shown: v })).classList.add("points");
    if (!this.paths) addSwitch(bar, "only those that kept the accuracy", true, (on) => this.set({ near: on }));
    if (!this.paths && this.data.confirmed.length) addSwitch(bar, "all means over fresh seeds", false, (on) => this.set({ means: on }));
  }

  addKeys() {
    const legend = this.figure.querySelector(".legend");
    addLegend(legend, this.data.methods, this.hidden, () => this.set({}));
    const key = (drawn, text) => {
      const wrap = make("span", { class: "key" });
      wrap.append(drawn, make("span", {}, text));
      legend.append(wrap);
    };
    const roles = new Set(this.data.models.map((m) => m.role));
    if (roles.has("original")) key(sample("star", "original"), "original");
    if (roles.has("retrained")) key(sample("star", "reference"), "retrained models");
    if (Object.keys(this.data.bands).length) {
      const svg = make("svg", { viewBox: "-9 -9 18 18", "aria-hidden": "true" });
      svg.append(make("rect", { x: -8, y: -5, width: 16, height: 10, class: "band" }));
      key(svg, "a further retrain (95 %)");
    }
    if (this.paths) return;
    key(sample("circle", "ring"), "outlined: on the front; larger: costs more; a tick up: over-unlearned, down: under-unlearned; arrows point to better values");
    if (this.data.confirmed.length) key(sample("plus", "mark"), "thin cross: the mean over fresh seeds; from three seeds on, its arms are 95 % intervals");
  }

  listen() {
    for (const kind of ["pointermove", "pointerdown"]) this.svg.addEventListener(kind, (event) => this.hover(...findPlace(this.svg, event)));
    this.svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") this.leave(); });
    this.svg.addEventListener("blur", () => this.leave());
    this.svg.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
      if (event.key === "Escape") return this.leave();
      const ordered = [...this.drawn].sort((a, b) => a.x - b.x || b.y - a.y);
      if (!ordered.length || !(step || event.key === "Home" || event.key === "End")) return;
      event.preventDefault();
      const at = ordered.findIndex((p) => p.id === this.current?.id);
      const next = event.key === "Home" ? 0 : event.key === "End" ? ordered.length - 1 : at < 0 ? 0 : at + step;
      this.choose(ordered[Math.max(0, Math.min(ordered.length - 1, next))]);
    });
  }

  set(change) { Object.assign(this, change); this.current = null; this.draw(); this.leave(); }

  value(index, name) { return name === "epoch" ? this.data.points.epoch[index] : this.data.points.values[name]?.[index]; }

  visible() {
    const { trial, last, rank } = this.data.points, kept = this.data.points.values[this.data.x];
    const best = kept && this.near && !this.paths ? Math.max(...kept.filter((v) => v !== null)) - this.data.reach : -Infinity;
    const many = new Set();
    if (this.paths) trial.forEach((t, n) => { if (n && trial[n - 1] === t) many.add(t); });
    return trial.map((_, n) => n).filter((n) =>
      !this.hidden.has(this.data.trials[trial[n]].method) && (!this.paths || many.has(trial[n])) &&
      (this.shown !== "last" || last[n]) && (this.shown !== "front" || rank[n] > 0) &&
      !(best > -Infinity && kept[n] !== null && kept[n] < best) &&
      Number.isFinite(this.value(n, this.x)) && Number.isFinite(this.value(n, this.y)));
  }

  draw() {
    const wide = this.canvas.clientWidth, high = Math.round(Math.max(300, Math.min(520, wide * 0.6)));
    if (!wide) return;
    this.svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    this.svg.setAttribute("height", high);
    this.size = { wide, high };
    const indices = this.visible();
    const models = this.data.models.filter((m) => Number.isFinite(m.values[this.y]) && !this.hidden.has(m.method));
    const placed = models.filter((m) => Number.isFinite(m.values[this.x]));
    const shown = new Set(indices), again = this.paths ? [] : this.data.confirmed.filter((c) => shown.has(c.point) && c.values[this.x] && c.values[this.y]);
    const means = (name) => again.map((c) => c.values[name][0]);
    const xs = [...indices.map((n) => this.value(n, this.x)), ...placed.map((m) => m.values[this.x]), ...means(this.x)];
    const ys = [...indices.map((n) => this.value(n, this.y)), ...models.map((m) => m.values[this.y]), ...means(this.y)];
    const right = wide - MARGIN.right, bottom = high - MARGIN.bottom;
    this.sx = makeScale(xs, MARGIN.left, right, this.axes.get(this.x).log);
    this.sy = makeScale(ys, bottom, MARGIN.top, this.axes.get(this.y).log);
    this.svg.replaceChildren();
    this.frame(right, bottom);
    this.layer = make("g");
    this.svg.append(this.layer);
    if (this.paths) this.addPaths(indices);
    this.addPoints(indices);
    this.addModels(models);
    if (!this.paths) this.addMeans(indices);
    this.top = make("g");
    this.svg.append(this.top);
    if (!this.current) this.told.textContent = `${indices.length} of ${this.data.points.trial.length} points are shown.`;
  }

  frame(right, bottom) {
    const clamp = (v, a, b) => Math.max(a, Math.min(b, v));
    const band = (name, side) => {
      const ends = this.data.bands[name]?.map((v) => (side === "x" ? clamp(this.sx.at(v), MARGIN.left, right) : clamp(this.sy.at(v), MARGIN.top, bottom)));
      if (!ends) return;
      const [a, b] = [Math.min(...ends), Math.max(...ends)];
      const box = side === "x" ? { x: a, width: b - a, y: MARGIN.top, height: bottom - MARGIN.top } : { y: a, height: b - a, x: MARGIN.left, width: right - MARGIN.left };
      this.svg.append(make("rect", { ...box, class: "band" }));
    };
    for (const [x, text] of this.sx.ticks) {
      this.svg.append(make("line", { x1: x, x2: x, y1: MARGIN.top, y2: bottom, class: "grid" }));
      this.svg.append(make("text", { x, y: bottom + 16, "text-anchor": "middle" }, text));
    }
    for (const [y, text] of this.sy.ticks) {
      this.svg.append(make("line", { x1: MARGIN.left, x2: right, y1: y, y2: y, class: "grid" }));
      this.svg.append(make("text", { x: MARGIN.left - 6, y: y + 4, "text-anchor": "end" }, text));
    }
    band(this.x, "x");
    band(this.y, "y");
    const words = (name) => {
      const axis = this.axes.get(name), unit = axis.unit ? `, ${axis.unit}` : "";
      return `${axis.better === "less" ? "← " : ""}${axis.label}${unit}${axis.better === "more" ? " →" : ""}`;
    };
    this.svg.append(make("text", { x: (MARGIN.left + right) / 2, y: this.size.high - 8, "text-anchor": "middle", class: "title" }, words(this.x)));
    this.svg.append(make("text", { transform: `translate(14,${(MARGIN.top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle", class: "title" }, words(this.y)));
  }

  tone(index) { return `m${this.data.trials[this.data.points.trial[index]].method % COLOURS}`; }

  radius(index) {
    const cost = this.value(index, this.data.cost), all = this.costs ??= this.data.points.values[this.data.cost]?.filter((v) => v > 0) ?? [];
    if (!(cost > 0) || all.length < 2) return 4;
    const low = this.low ??= Math.log(all.reduce((a, b) => Math.min(a, b))), high = this.high ??= Math.log(all.reduce((a, b) => Math.max(a, b)));
    return high > low ? Math.sqrt(10 + 46 * ((Math.log(cost) - low) / (high - low))) : 5;
  }

  addPoints(indices) {
    const { rank, kind, trial } = this.data.points;
    this.drawn = [];
    for (const n of [...indices].sort((a, b) => rank[a] - rank[b])) {
      const x = this.sx.at(this.value(n, this.x)), y = this.sy.at(this.value(n, this.y));
      const r = this.paths ? 3 : this.radius(n), method = this.data.methods[this.data.trials[trial[n]].method];
      const place = { transform: `translate(${x.toFixed(1)},${y.toFixed(1)})` };
      const look = this.paths ? (rank[n] ? "" : "dim") : ["dim", "tied", "front", "front"][rank[n]];
      const group = make("g", { ...place, class: `${this.tone(n)} point` });
      if (!this.paths && kind[n]) {
        const way = kind[n] === "over" ? -1 : 1;
        group.append(make("line", { x1: 0, x2: 0, y1: way * r, y2: way * (r + 5), class: `flag ${rank[n] ? "" : "dim"}` }));
      }
      group.append(make("path", { d: SHAPES[method?.shape ?? "circle"](r), class: `mark ${look}` }));
      this.layer.append(group);
      this.drawn.push({ id: `p${n}`, index: n, x, y });
      if (rank[n] === 3 && this.figure.dataset.kind === "plane") {
        this.layer.append(make("circle", { cx: x, cy: y, r: r + 7, class: "ring" }));
        const left = x > this.size.wide / 2;
        this.layer.append(make("text", { x: x + (left ? -1 : 1) * (r + 12), y: y + 4, "text-anchor": left ? "end" : "start", class: "called" }, "recommended"));
      }
    }
  }

  addModels(models) {
    for (const model of models) {
      const y = this.sy.at(model.values[this.y]), own = model.method === undefined ? "" : `m${model.method % COLOURS} owned`;
      const role = model.role === "original" ? "original" : "reference";
      if (Number.isFinite(model.values[this.x])) {
        const x = this.sx.at(model.values[this.x]), big = role === "original" || model.id === "retrained";
        this.layer.append(make("path", { d: star(big ? 11 : 7), transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`, class: `${role} ${own}` }));
        this.drawn.push({ id: `m${this.data.models.indexOf(model)}`, model, x, y });
      } else if (role === "original") {
        this.layer.append(make("line", { x1: MARGIN.left, x2: this.size.wide - MARGIN.right, y1: y, y2: y, class: "level" }));
        this.layer.append(make("text", { x: this.size.wide - MARGIN.right - 4, y: y - 5, "text-anchor": "end", class: "called" }, "original"));
      }
    }
  }

  /* Crosses: the mean over fresh seeds, joined with what the search had seen. Their intervals end at the frame. */
  addMeans(indices) {
    const shown = new Set(indices.filter((n) => this.means || this.data.points.rank[n] === 3));
    for (const found of this.data.confirmed) {
      const drawn = shown.has(found.point) && this.mean(found);
      if (drawn) this.layer.prepend(drawn);
    }
  }

  mean({ point, values }) {
    const keep = (v, from, to) => Math.max(Math.min(from, to), Math.min(Math.max(from, to), v));
    const across = values[this.x], up = values[this.y];
    if (!across || !up) return null;
    const [x, ...xs] = across.map(this.sx.at), [y, ...ys] = up.map(this.sy.at), group = make("g", { class: `${this.tone(point)} mean` });
    const inX = (v) => keep(v, MARGIN.left, this.size.wide - MARGIN.right), inY = (v) => keep(v, MARGIN.top, this.size.high - MARGIN.bottom);
    const [x1, x2] = xs.length ? xs.map(inX) : [x - 4, x + 4], [y1, y2] = ys.length ? ys.map(inY) : [y - 4, y + 4];
    group.append(make("line", { x1: this.sx.at(this.value(point, this.x)), y1: this.sy.at(this.value(point, this.y)), x2: x, y2: y, class: "move" }));
    group.append(make("path", { d: `M${x1},${y}H${x2}M${x},${y1}V${y2}`, class: "whisker" }));
    return group;
  }

  /* What fresh seeds say of the chosen point, along the two axes: drawn, and as lines of its card. */
  addMeanOf(index, pairs) {
    const found = this.paths ? null : this.data.confirmed.find((c) => c.point === index), drawn = found && this.mean(found);
    if (!drawn) return;
    this.top.append(drawn);
    for (const name of new Set([this.x, this.y])) {
      const axis = this.axes.get(name), [mean, ...ends] = found.values[name].map((v) => spell(axis, v));
      pairs.push([`${axis.label}, ${found.seeds} fresh seed${found.seeds === 1 ? "" : "s"}`, ends.length ? `${mean} [${ends.join(", ")}]` : mean]);
    }
  }

  addPaths(indices) {
    const groups = new Map();
    for (const n of indices) groups.set(this.data.points.trial[n], [...(groups.get(this.data.points.trial[n]) ?? []), n]);
    for (const members of groups.values()) this.layer.append(this.path(members, "path"));
  }

  path(members, look) {
    const places = members.map((n) => `${this.sx.at(this.value(n, this.x)).toFixed(1)},${this.sy.at(this.value(n, this.y)).toFixed(1)}`);
    const group = make("g", { class: this.tone(members[0]) });
    group.append(make("path", { d: `M${places.join("L")}`, class: look }));
    return group;
  }

  hover(x, y) {
    let best = null, least = NEAR * NEAR;
    for (const place of this.drawn ?? []) {
      const far = (place.x - x) ** 2 + (place.y - y) ** 2;
      if (far <= least) [best, least] = [place, far];
    }
    if (best) this.choose(best); else this.leave();
  }

  leave() {
    if (!this.top) return;
    const before = this.current;
    this.current = null;
    this.top.replaceChildren();
    this.tip.hidden = true;
    if (before) this.told.textContent = `${this.visible().length} of ${this.data.points.trial.length} points are shown.`;
  }

  choose(place) {
    if (place.id === this.current?.id) return;
    this.current = place;
    this.top.replaceChildren();
    const told = new Set([...this.data.card, this.x, this.y]);
    const pairs = this.data.axes.filter((axis) => told.has(axis.name)).map((axis) => [axis.label, spell(axis, place.model ? place.model.values[axis.name] : this.value(place.index, axis.name))]);
    let heading, last = "";
    if (place.model) heading = `${place.model.role}: ${place.model.id}`;
    else {
      const n = place.index, trial = this.data.trials[this.data.points.trial[n]], rank = this.data.points.rank[n];
      const members = this.data.points.trial.map((t, m) => (t === this.data.points.trial[n] ? m : -1)).filter((m) => m >= 0);
      const joined = members.filter((m) => Number.isFinite(this.value(m, this.x)) && Number.isFinite(this.value(m, this.y)));
      if (joined.length > 1) this.top.append(this.path(joined, "path strong"));
      heading = `${this.data.methods[trial.method]?.name ?? ""}, epoch ${this.data.points.epoch[n]}${["", ", on the front (tied)", ", on the front", ", recommended"][rank]}`;
      pairs.unshift(["trial", `${trial.id}${trial.state === "complete" ? "" : ` (${trial.state})`}`]);
      if (this.data.points.kind[n]) pairs.push(["", `${this.data.points.kind[n]}-unlearned`]);
      last = spellParams(trial.params);
      this.addMeanOf(n, pairs);
    }
    this.top.append(make("circle", { cx: place.x, cy: place.y, r: 12, class: "here" }));
    showTip(this.tip, this.canvas, place.x, place.y, heading, pairs, last);
    const command = place.model ? undefined : this.data.commands[place.index];
    this.told.textContent = command ? `${heading}. Run it again: ${command}` : `${heading}. ${last}`;
  }
}
