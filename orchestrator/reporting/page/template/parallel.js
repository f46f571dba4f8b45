// Parallel coordinates of one method: a line for each trial, across its hyper-parameters and its results.

class Parallel {
  constructor(figure, data) {
    Object.assign(this, findParts(figure), { figure, data, current: null, chosen: 0 });
    if (!data.coordinates.length) { this.told.textContent = "No hyper-parameter varied."; this.svg.remove(); return; }
    const bar = figure.querySelector(".controls");
    const options = data.coordinates.map((c, n) => [String(n), data.methods[c.method].name]);
    addSelect(bar, "method", options, "0", (v) => { this.chosen = Number(v); this.leave(); this.draw(); });
    listenForChoice(this, { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }, () => this.lines);
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  makeAxes(found, indices) {
    const high = this.high - 34, low = 40;
    const results = found.results.map((name) => {
      const axis = this.data.axes.find((a) => a.name === name);
      const scale = makeScale(indices.map((n) => this.data.points.values[name][n]), high, low, axis.log);
      return { label: axis.label, at: (n) => this.data.points.values[name][n] ?? null, spell: (v) => spell(axis, v), scale, result: true };
    });
    const params = found.params.map((param) => {
      const read = (n) => this.data.trials[this.data.points.trial[n]].params[param.name];
      if (!param.choices) {
        const scale = makeScale(indices.map(read), high, low, param.log);
        return { label: param.name, at: read, spell: (v) => String(v), scale };
      }
      const place = (v) => param.choices.indexOf(spellChoice(v));
      const at = (v) => high - (high - low) * ((place(v) + 0.5) / param.choices.length);
      const ticks = param.choices.map((c, i) => [high - (high - low) * ((i + 0.5) / param.choices.length), c]);
      return { label: param.name, at: read, spell: (v) => String(v), scale: { at, ticks } };
    });
    return [...params, ...results];
  }

  draw() {
    const shown = this.canvas.clientWidth, found = this.data.coordinates[this.chosen];
    if (!shown) return;
    const count = found.params.length + found.results.length;
    const wide = Math.max(shown, count * 130);
    this.high = 340;
    this.canvas.style.overflowX = wide > shown ? "auto" : "";
    this.svg.style.width = `${wide}px`;
    this.svg.setAttribute("viewBox", `0 0 ${wide} ${this.high}`);
    this.svg.setAttribute("height", this.high);
    const { trial, last, rank } = this.data.points;
    const indices = trial.map((_, n) => n).filter((n) => last[n] && this.data.trials[trial[n]].method === found.method);
    const axes = this.makeAxes(found, indices), step = wide / count;
    const xs = axes.map((_, i) => step * (i + 0.5));
    const onFront = new Set(trial.filter((_, n) => rank[n] > 0));
    this.svg.replaceChildren();
    this.lines = indices.map((n) => ({ n, places: axes.map((axis, i) => [xs[i], axis.scale.at(axis.at(n))]), axes }))
      .filter((line) => line.places.every(([, y]) => Number.isFinite(y)));
    for (const line of this.lines) {
      const group = make("g", { class: `m${found.method % COLOURS}` });
      line.path = make("path", { d: `M${line.places.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L")}`, class: `path ${onFront.has(trial[line.n]) ? "strong" : ""}` });
      group.append(line.path);
      this.svg.append(group);
    }
    axes.forEach((axis, i) => this.addAxis(axis, xs[i], step));
    if (!this.current) this.told.textContent = `${this.lines.length} trials; thick: with a point on the front; bold headings: results.`;
  }

  addAxis(axis, x, step) {
    this.svg.append(make("line", { x1: x, x2: x, y1: 36, y2: this.high - 30, class: "axis" }));
    for (const [y, text] of axis.scale.ticks) {
      this.svg.append(make("line", { x1: x - 3, x2: x + 3, y1: y, y2: y, class: "axis" }));
      this.svg.append(make("text", { x: x + 6, y: y + 4, class: "tick" }, text));
    }
    const words = axis.label.replace(/ \((validation|test) half\)/, " ($1)"), most = Math.max(8, Math.floor(step / 7.5)), lines = [""];
    for (const word of words.split(/[ _]/)) {
      if (lines.at(-1) && (lines.at(-1) + " " + word).length > most) lines.push(word);
      else lines[lines.length - 1] = `${lines.at(-1)} ${word}`.trim();
    }
    lines.slice(0, 2).forEach((line, k) => this.svg.append(make("text", { x, y: 13 + 14 * k, "text-anchor": "middle", class: axis.result ? "head result" : "head" }, lines.length > 2 && k === 1 ? `${line}…` : line)));
  }

  hover(x, y) {
    let best = null, least = 14;
    for (const line of this.lines) {
      for (let i = 1; i < line.places.length; i++) {
        const [[x1, y1], [x2, y2]] = [line.places[i - 1], line.places[i]];
        if (x < x1 || x > x2) continue;
        const far = Math.abs(y - (y1 + ((y2 - y1) * (x - x1)) / (x2 - x1)));
        if (far < least) [best, least] = [line, far];
      }
    }
    if (best) this.choose(best); else this.leave();
  }

  leave() {
    if (!this.current) return;
    for (const line of this.lines) line.path.classList.remove("faded");
    this.current.path.classList.remove("chosen");
    this.current = null;
    this.tip.hidden = true;
  }

  choose(line) {
    if (line === this.current) return;
    this.leave();
    this.current = line;
    for (const other of this.lines) other.path.classList.toggle("faded", other !== line);
    line.path.classList.add("chosen");
    const trial = this.data.trials[this.data.points.trial[line.n]], pairs = line.axes.map((a) => [a.label, a.spell(a.at(line.n))]);
    const [x, y] = line.places[Math.floor(line.places.length / 2)];
    showTip(this.tip, this.canvas, x, Math.min(y, 120), trial.id, pairs, "");
    this.told.textContent = `${trial.id}: ${pairs.map(([name, value]) => `${name} ${value}`).join(", ")}`;
  }
}
