"use strict";
// Markers, scales and small helpers, which every figure uses. Text is only ever set as text.

const COLOURS = 11;
const SVG = "http://www.w3.org/2000/svg";

function make(name, attributes = {}, text) {
  const svg = !["div", "b", "span", "button", "label", "select", "option", "input", "table", "tr", "td"].includes(name);
  const element = svg ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function polygon(corners, radius, turn) {
  const points = Array.from({ length: corners }, (_, n) => {
    const angle = turn + (2 * Math.PI * n) / corners;
    return `${(radius * Math.cos(angle)).toFixed(2)},${(radius * Math.sin(angle)).toFixed(2)}`;
  });
  return `M${points.join("L")}Z`;
}

function bars(r, turn) {
  const w = r * 0.36, l = r * 1.15, c = Math.cos(turn), s = Math.sin(turn);
  const corners = [[w, w], [w, l], [-w, l], [-w, w], [-l, w], [-l, -w], [-w, -w], [-w, -l], [w, -l], [w, -w], [l, -w], [l, w]];
  return `M${corners.map(([x, y]) => `${(x * c - y * s).toFixed(2)},${(x * s + y * c).toFixed(2)}`).join("L")}Z`;
}

function star(r) {
  const points = Array.from({ length: 10 }, (_, n) => {
    const angle = -Math.PI / 2 + (Math.PI * n) / 5, reach = n % 2 ? r * 0.45 : r;
    return `${(reach * Math.cos(angle)).toFixed(2)},${(reach * Math.sin(angle)).toFixed(2)}`;
  });
  return `M${points.join("L")}Z`;
}

const SHAPES = {
  circle: (r) => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0Z`,
  square: (r) => polygon(4, r * 1.25, Math.PI / 4),
  diamond: (r) => polygon(4, r * 1.3, 0),
  up: (r) => polygon(3, r * 1.35, -Math.PI / 2),
  down: (r) => polygon(3, r * 1.35, Math.PI / 2),
  cross: (r) => bars(r, Math.PI / 4),
  plus: (r) => bars(r, 0),
  hexagon: (r) => polygon(6, r * 1.1, 0),
  star,
};

function spell(axis, value) {
  if (value === null || value === undefined) return "—";
  if (axis.decimals) return value.toFixed(3);
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  return String(Number(value.toPrecision(3)));
}

function spellParams(params) {
  return Object.entries(params).map(([name, value]) => {
    const short = typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(4)) : value;
    return `${name}=${typeof short === "object" ? JSON.stringify(short) : short}`;
  }).join("  ");
}

/* A scale maps values to pixels. On a logarithmic one, what is 0 stands apart at the beginning. */
function makeScale(values, from, to, log) {
  const finite = values.filter((v) => v !== null && v !== undefined);
  const positive = finite.filter((v) => v > 0);
  const asLog = log && positive.length > 0 && Math.max(...positive) / Math.min(...positive) > 8;
  return asLog ? logScale(finite, positive, from, to) : linearScale(finite, from, to);
}

function linearScale(values, from, to) {
  let low = values.length ? Math.min(...values) : 0, high = values.length ? Math.max(...values) : 1;
  if (high - low < 1e-9) { low -= 0.5; high += 0.5; }
  const room = 0.05 * (high - low);
  low -= room; high += room;
  const at = (v) => from + ((v - low) / (high - low)) * (to - from);
  const rough = (high - low) / Math.max(2, Math.abs(to - from) / 70), power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((m) => power * m >= rough);
  const ticks = [];
  for (let v = Math.ceil(low / step) * step; v <= high; v += step) ticks.push([at(v), String(Number(v.toFixed(10)))]);
  return { at, ticks };
}

function logScale(values, positive, from, to) {
  const zero = values.some((v) => v <= 0), gap = zero ? Math.sign(to - from) * 34 : 0;
  const low = Math.log10(Math.min(...positive)) - 0.08, high = Math.log10(Math.max(...positive)) + 0.08;
  const start = from + gap;
  const at = (v) => (v > 0 ? start + ((Math.log10(v) - low) / (high - low)) * (to - start) : from + gap / 2);
  const ticks = zero ? [[at(0), "0"]] : [];
  const steps = high - low > 2.2 ? [1] : [1, 2, 5];
  for (let p = Math.floor(low); p <= high; p++)
    for (const m of steps) {
      const v = m * 10 ** p;
      if (Math.log10(v) >= low && Math.log10(v) <= high) ticks.push([at(v), String(Number(v.toPrecision(1)))]);
    }
  return { at, ticks };
}

function addSelect(parent, label, options, chosen, onChange) {
  const wrap = make("label"), select = make("select");
  wrap.append(make("span", {}, label), select);
  for (const [value, text] of options) select.append(make("option", { value }, text));
  select.value = chosen;
  select.addEventListener("change", () => onChange(select.value));
  parent.append(wrap);
  return select;
}

function addSwitch(parent, label, on, onChange) {
  const wrap = make("label"), box = make("input", { type: "checkbox" });
  box.checked = on;
  box.addEventListener("change", () => onChange(box.checked));
  wrap.append(box, make("span", {}, label));
  parent.append(wrap);
}

function sample(shape, classes) {
  const svg = make("svg", { viewBox: "-9 -9 18 18", "aria-hidden": "true" });
  svg.append(make("path", { d: SHAPES[shape](5.5), class: classes }));
  return svg;
}

/* What every figure has, by name. */
function findParts(figure) {
  const parts = { svg: ".canvas > svg", canvas: ".canvas", tip: ".tip", told: ".told" };
  return Object.fromEntries(Object.entries(parts).map(([name, selector]) => [name, figure.querySelector(selector)]));
}

/* Where in a picture a pointer is. */
function findPlace(svg, event) {
  const box = svg.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

/* Text of a choice of a hyper-parameter, as the page's data have it. */
function spellChoice(value) {
  return typeof value === "object" || typeof value === "boolean" ? JSON.stringify(value) : String(value);
}

/* Choose by pointer, and by keys in order, among the things of a figure; `steps` says how far each key goes. */
function listenForChoice(view, steps, things) {
  for (const kind of ["pointermove", "pointerdown"]) view.svg.addEventListener(kind, (event) => view.hover(...findPlace(view.svg, event)));
  view.svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") view.leave(); });
  view.svg.addEventListener("blur", () => view.leave());
  view.svg.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return view.leave();
    const step = steps[event.key], all = things();
    if (!step || !all.length) return;
    event.preventDefault();
    const at = all.indexOf(view.current);
    view.choose(all[Math.max(0, Math.min(all.length - 1, at < 0 ? 0 : at + step))]);
  });
}

/* Buttons that hide and show what has a colour; `changed` is told after each. */
function addLegend(parent, names, hidden, changed) {
  names.forEach(({ name, shape }, number) => {
    const button = make("button", { type: "button", "aria-pressed": "true", class: `m${number % COLOURS}` });
    button.append(sample(shape, "mark"), make("span", {}, name));
    button.addEventListener("click", (event) => {
      if (event.shiftKey || event.altKey) names.forEach((_, n) => (n === number ? hidden.delete(n) : hidden.add(n)));
      else if (!hidden.delete(number)) hidden.add(number);
      parent.querySelectorAll("button").forEach((b, n) => b.setAttribute("aria-pressed", String(!hidden.has(n))));
      changed();
    });
    parent.append(button);
  });
}

/* The card beside a point: a heading, pairs of a name and a value, and a last line. */
function showTip(tip, canvas, x, y, heading, pairs, last) {
  tip.replaceChildren(make("b", {}, heading));
  const table = make("table");
  for (const [name, value] of pairs) {
    const row = make("tr");
    row.append(make("td", {}, name), make("td", {}, value));
    table.append(row);
  }
  tip.append(table);
  if (last) tip.append(make("div", { class: "params" }, last));
  tip.hidden = false;
  const wide = canvas.clientWidth, own = tip.offsetWidth;
  tip.style.left = `${Math.max(0, Math.min(wide - own, x + (x > wide / 2 ? -own - 14 : 14)))}px`;
  const high = tip.offsetHeight, below = y + 14 + high <= canvas.clientHeight || y < canvas.clientHeight / 2;
  tip.style.top = `${Math.max(0, below ? y + 14 : y - high - 14)}px`;
}
