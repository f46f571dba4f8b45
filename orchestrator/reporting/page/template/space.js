// The front in three dimensions: accuracy, indistinguishability and cost as a cube that turns by drag, buttons or keys.

const TURN = 0.2, CUBE = 0.56, SIDE = 100;  // scales have pixels: a logarithmic one leaves room for 0

class Space {
  constructor(figure, data) {
    Object.assign(this, findParts(figure), { figure, data, yaw: -0.6, pitch: 0.35, chosen: null });
    this.names = [data.x, data.cost, data.y];
    this.axes = this.names.map((name) => data.axes.find((a) => a.name === name));
    if (this.axes.some((axis) => !axis)) { this.told.textContent = "One of the three objectives was not measured."; this.svg.remove(); return; }
    const bar = figure.querySelector(".controls");
    for (const [words, yaw, pitch] of [["turn left", -TURN, 0], ["turn right", TURN, 0], ["tilt up", 0, TURN], ["tilt down", 0, -TURN]]) {
      const button = make("button", { type: "button" }, words);
      button.addEventListener("click", () => this.turn(yaw, pitch));
      bar.append(button);
    }
    this.svg.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-TURN, 0], ArrowRight: [TURN, 0], ArrowUp: [0, TURN], ArrowDown: [0, -TURN] }[event.key];
      if (event.key === "Escape") return this.leave();
      if (!by) return;
      event.preventDefault();
      this.turn(...by);
    });
    let from = null;
    this.svg.addEventListener("pointerdown", (event) => { from = [event.clientX, event.clientY]; if (event.pointerType === "mouse") this.svg.setPointerCapture(event.pointerId); });
    this.svg.addEventListener("pointerup", () => (from = null));
    this.svg.addEventListener("pointercancel", () => (from = null));
    this.svg.addEventListener("pointermove", (event) => {
      if (!from) return this.hover(...findPlace(this.svg, event));
      this.turn((event.clientX - from[0]) / 120, event.pointerType === "mouse" ? (event.clientY - from[1]) / 120 : 0);
      from = [event.clientX, event.clientY];
    });
    this.svg.addEventListener("pointerleave", () => this.leave());
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  turn(yaw, pitch) {
    this.leave();
    this.yaw += yaw;
    this.pitch = Math.max(-1.4, Math.min(1.4, this.pitch + pitch));
    this.draw();
    this.told.textContent = `Turned by ${Math.round((this.yaw * 180) / Math.PI)}°, tilted by ${Math.round((this.pitch * 180) / Math.PI)}°.`;
  }

  /* From places in the cube, each in [−1, 1], to the picture; the third number is how near it is. */
  project([a, b, c]) {
    const [cy, sy, cp, sp] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.pitch), Math.sin(this.pitch)];
    const x = a * cy - b * sy, depth = a * sy + b * cy;
    return [this.middle[0] + this.scale * x, this.middle[1] - this.scale * (c * cp - depth * sp), depth * cp + c * sp];
  }

  draw() {
    const wide = this.canvas.clientWidth, high = Math.round(Math.max(300, Math.min(480, wide * 0.7)));
    if (!wide) return;
    this.svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    this.svg.setAttribute("height", high);
    this.middle = [wide / 2, high / 2];
    this.scale = (CUBE * Math.min(wide, high)) / 2;
    const { trial, rank, values } = this.data.points;
    const shown = trial.map((_, n) => n).filter((n) => rank[n] > 0);
    const read = this.names.map((name) => (source, n) => (n === undefined ? source.values[name] : values[name][n]));
    const models = this.data.models.filter((m) => this.names.every((name) => Number.isFinite(m.values[name])));
    this.scales = this.names.map((name, k) => makeScale([...shown.map((n) => values[name][n]), ...models.map((m) => m.values[name])], -SIDE, SIDE, this.axes[k].log))
      .map(({ at, ticks }) => ({ at: (v) => at(v) / SIDE, ticks: ticks.map(([place, text]) => [place / SIDE, text]) }));
    this.svg.replaceChildren();
    this.frame();
    const places = [
      ...shown.map((n) => ({ n, at: read.map((f, k) => this.scales[k].at(f(null, n))) })),
      ...models.map((model) => ({ model, at: read.map((f, k) => this.scales[k].at(f(model))) })),
    ].filter((p) => p.at.every(Number.isFinite));
    this.drawn = places.map((p) => ({ ...p, place: this.project(p.at), foot: this.project([p.at[0], p.at[1], -1]) })).sort((a, b) => a.place[2] - b.place[2]);
    for (const item of this.drawn) this.mark(item);
    this.top = make("g");
    this.svg.append(this.top);
  }

  frame() {
    const line = (a, b, look) => {
      const [p, q] = [this.project(a), this.project(b)];
      this.svg.append(make("line", { x1: p[0], y1: p[1], x2: q[0], y2: q[1], class: look }));
    };
    for (const a of [-1, 1]) for (const b of [-1, 1]) {
      line([-1, a, b], [1, a, b], "grid");
      line([a, -1, b], [a, 1, b], "grid");
      line([a, b, -1], [a, b, 1], "grid");
    }
    const band = this.data.bands[this.names[2]], across = this.data.bands[this.names[0]];
    if (band && across) {
      const keep = (k, v) => Math.max(-1, Math.min(1, this.scales[k].at(v)));
      const [x1, x2] = across.map((v) => keep(0, v)), [z1, z2] = band.map((v) => keep(2, v));
      const corners = [[x1, 1, z1], [x2, 1, z1], [x2, 1, z2], [x1, 1, z2]].map((c) => this.project(c).slice(0, 2).map((v) => v.toFixed(1)).join(","));
      this.svg.append(make("path", { d: `M${corners.join("L")}Z`, class: "band" }));
    }
    const nearer = (one, other) => (this.project(one)[2] >= this.project(other)[2] ? 1 : -1);
    const b = nearer([0, 1, -1], [0, -1, -1]), a = nearer([1, 0, -1], [-1, 0, -1]);
    const corners = [[-1, -1], [-1, 1], [1, -1], [1, 1]], [left] = corners.sort((c, d) => this.project([...c, 0])[0] - this.project([...d, 0])[0]);
    const edges = [(v, out) => [v, b * out, -1], (v, out) => [a * out, v, -1], (v, out) => [left[0] * out, left[1] * out, v]];
    edges.forEach((at, k) => {
      line(at(-1, 1), at(1, 1), "axis");
      const marks = this.scales[k].ticks.filter(([place]) => Math.abs(place) <= 1);
      for (const [place, text] of new Set([marks[0], marks.at(-1)].filter(Boolean))) this.word(at(place, 1.12), text, "called faint");
      const words = this.axes[k].label.replace(/ \((validation|test) half\)/, "");
      this.word(k === 2 ? at(1.16, 1) : at(0, 1.42), words, "title called");
    });
  }

  /* Words at a place in the cube, kept within the picture. */
  word(at, text, look) {
    const [x, y] = this.project(at), wide = 2 * this.middle[0], room = 3.6 * text.length;
    this.svg.append(make("text", { x: Math.max(room, Math.min(wide - room, x)), y: y + 4, "text-anchor": "middle", class: look }, text));
  }

  mark({ n, model, place: [x, y], foot }) {
    this.svg.append(make("line", { x1: x, y1: y, x2: foot[0], y2: foot[1], class: "stem" }));
    const transform = `translate(${x.toFixed(1)},${y.toFixed(1)})`;
    if (model) {
      const role = model.role === "original" ? "original" : "reference";
      this.svg.append(make("path", { d: star(role === "original" || model.id === "retrained" ? 10 : 7), transform, class: role }));
      return;
    }
    const { trial, rank } = this.data.points, method = this.data.trials[trial[n]].method;
    const group = make("g", { class: `m${method % COLOURS} point`, transform });
    group.append(make("path", { d: SHAPES[this.data.methods[method].shape](5.5), class: "mark front" }));
    if (rank[n] === 3) group.append(make("circle", { r: 11, class: "ring" }));
    this.svg.append(group);
  }

  hover(x, y) {
    const far = (item) => (item.place[0] - x) ** 2 + (item.place[1] - y) ** 2;
    const near = (this.drawn ?? []).filter((item) => far(item) < 400).sort((a, b) => far(a) - far(b))[0];
    if (!near) return this.leave();
    const { trial, epoch, values } = this.data.points, own = near.model ? null : this.data.trials[trial[near.n]];
    const heading = near.model ? near.model.id : `${this.data.methods[own.method].name}, epoch ${epoch[near.n]}`;
    const pairs = this.names.map((name, k) => [this.axes[k].label, spell(this.axes[k], near.model ? near.model.values[name] : values[name][near.n])]);
    this.top.replaceChildren(make("circle", { cx: near.place[0], cy: near.place[1], r: 12, class: "here" }));
    showTip(this.tip, this.canvas, near.place[0], near.place[1], heading, pairs, "");
  }

  leave() {
    this.tip.hidden = true;
    this.top?.replaceChildren();
  }
}
