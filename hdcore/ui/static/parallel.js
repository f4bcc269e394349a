// Parallel coordinates: one axis a parameter and one for the metric; brushes on the axes choose runs for all views.

import { colour, el, fit, perFrame } from "./dom.js";
import { number, text } from "./format.js";
import { place, ticks } from "./model.js";
import { plotMenu } from "./save.js";

const HEIGHT = 320;
const TOP = 34;
const BOTTOM = 26;
const SIDE = 56;
const GRIP = 9; // half the width of the strip along an axis that takes brushes
const STEPS = 24; // shades of the metric

export class Parallel {
  constructor(model) {
    this.model = model;
    this.brushes = new Map(); // axis name -> [low, high], places 0 to 1
    this.canvas = el("canvas", {
      role: "img",
      tabindex: 0,
      "aria-label": "Parallel coordinates of the runs. Drag along an axis to choose runs; Escape forgets the choice.",
      onkeydown: (event) => event.key === "Escape" && this.forget(),
      onpointerdown: (event) => this.press(event),
      onpointermove: (event) => this.move(event),
      onpointerup: () => this.release(),
      onpointercancel: () => this.release(),
      ondblclick: () => this.forget(),
    });
    this.box = el("div", { class: "plot" }, this.canvas);
    this.say = el("span", { class: "quiet", "aria-live": "polite" });
    this.clear = el("button", { type: "button", class: "small", hidden: true, onclick: () => this.forget() }, "all runs");
    this.node = el(
      "section",
      { class: "panel" },
      el(
        "div",
        { class: "bar" },
        el("h2", {}, "Parallel coordinates"),
        this.say,
        this.clear,
        plotMenu("parallel", () => this.canvas),
      ),
      this.box,
    );
    this.refresh = perFrame(() => this.work());
    this.redraw = perFrame(() => this.draw());
    this.resize = new ResizeObserver(() => this.redraw());
    this.resize.observe(this.box);
  }

  close() {
    this.resize.disconnect();
  }

  // Places of every run on every axis, once per change of the runs.
  work() {
    const { model } = this;
    const valued = model.list.filter((run) => run.value !== null);
    const values = valued.map((run) => run.value).sort((a, b) => a - b);
    // The worst tenth shares the end of the axis, so that one diverged run does not flatten all others.
    const cut = Math.floor(values.length / 10);
    const low = values[model.sign > 0 ? cut : 0] ?? 0;
    const high = values[model.sign < 0 ? values.length - 1 - cut : values.length - 1] ?? 1;
    const metric = { name: model.head?.primary_metric ?? "value", scale: "linear", low, high, isMetric: true };
    const varied = model.parameters.filter((parameter) =>
      parameter.scale === "category" ? parameter.values.length > 1 : parameter.low !== parameter.high,
    );
    this.axes = [...varied, metric];
    this.runs = valued;
    const width = this.axes.length;
    this.places = new Float32Array(valued.length * width).fill(NaN);
    valued.forEach((run, i) => {
      this.axes.forEach((axis, j) => {
        const at = axis.isMetric ? Math.min(1, Math.max(0, place(axis, run.value))) : place(axis, run.flat[axis.name]);
        if (at !== null) this.places[i * width + j] = at;
      });
    });
    for (const name of this.brushes.keys()) {
      if (!this.axes.some((axis) => axis.name === name)) this.brushes.delete(name);
    }
    // From the worst to the best, so that the best lie on top.
    const last = width - 1;
    this.order = Uint32Array.from(valued.keys()).sort(
      (a, b) => (this.places[a * width + last] - this.places[b * width + last]) * model.sign || b - a,
    );
    this.choose();
    this.draw();
  }

  choose() {
    const width = this.axes.length;
    const bars = [...this.brushes].map(([name, range]) => [this.axes.findIndex((axis) => axis.name === name), range]);
    this.inside = new Uint8Array(this.runs.length).fill(1);
    let count = this.runs.length;
    for (let i = 0; i < this.runs.length; i += 1) {
      for (const [j, [low, high]] of bars) {
        const at = this.places[i * width + j];
        if (!(at >= low && at <= high)) {
          this.inside[i] = 0;
          count -= 1;
          break;
        }
      }
    }
    this.clear.hidden = bars.length === 0;
    this.say.textContent = bars.length ? `${count} of ${this.runs.length} runs chosen` : "drag along an axis to choose runs";
  }

  // The other views follow at their own pace: drawing 10,000 curves at every step of a brush would hold it up.
  spread() {
    clearTimeout(this.later);
    this.later = setTimeout(() => {
      const isAll = this.brushes.size === 0;
      this.model.select(isAll ? null : new Set(this.runs.filter((_, i) => this.inside[i]).map((run) => run.number)));
    }, 80);
  }

  forget() {
    this.brushes.clear();
    this.choose();
    this.draw();
    this.spread();
  }

  x(j) {
    const room = this.box.clientWidth - 2 * SIDE;
    return this.axes.length === 1 ? SIDE + room / 2 : SIDE + (room * j) / (this.axes.length - 1);
  }

  y(at) {
    return HEIGHT - BOTTOM - at * (HEIGHT - TOP - BOTTOM);
  }

  draw() {
    if (!this.axes) return;
    const context = fit(this.canvas, this.box.clientWidth, HEIGHT);
    const width = this.axes.length;
    const xs = this.axes.map((_, j) => this.x(j));
    const isBrushed = this.brushes.size > 0;
    const count = this.inside.reduce((sum, one) => sum + one, 0);
    const dim = colour("faded");
    context.lineWidth = 1;
    const trace = (i) => {
      let isPen = false;
      for (let j = 0; j < width; j += 1) {
        const at = this.places[i * width + j];
        if (Number.isNaN(at)) {
          isPen = false; // a parameter of another option: the line has a gap there
          continue;
        }
        if (isPen) context.lineTo(xs[j], this.y(at));
        else context.moveTo(xs[j], this.y(at));
        isPen = true;
      }
    };
    if (isBrushed) {
      context.strokeStyle = dim;
      context.globalAlpha = Math.max(0.03, Math.min(0.25, 40 / this.runs.length));
      context.beginPath();
      for (let i = 0; i < this.runs.length; i += 1) if (!this.inside[i]) trace(i);
      context.stroke();
    }
    // One path a shade: changing the colour for every line costs more than the lines.
    const strength = Math.max(0.1, Math.min(0.8, 200 / (count + 1)));
    const low = this.model.sign > 0 ? 0 : 1;
    let shade = -1;
    for (const i of this.order) {
      if (!this.inside[i]) continue;
      const good = Math.abs(this.places[i * width + width - 1] - low);
      const next = Math.min(STEPS - 1, Math.floor(good * STEPS));
      if (next !== shade) {
        if (shade >= 0) context.stroke();
        shade = next;
        context.strokeStyle = shadeOf(shade / (STEPS - 1));
        context.globalAlpha = strength * (0.2 + 0.8 * (shade / (STEPS - 1)) ** 2); // good runs stand out of a crowd
        context.beginPath();
      }
      trace(i);
    }
    if (shade >= 0) context.stroke();
    context.globalAlpha = 1;
    this.drawAxes(context, xs);
  }

  drawAxes(context, xs) {
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    const gap = (this.box.clientWidth - 2 * SIDE) / Math.max(1, this.axes.length - 1);
    this.axes.forEach((axis, j) => {
      const x = xs[j];
      context.strokeStyle = colour("quiet");
      context.beginPath();
      context.moveTo(x, this.y(0));
      context.lineTo(x, this.y(1));
      context.stroke();
      const brush = this.brushes.get(axis.name);
      if (brush) {
        context.fillStyle = colour("accent");
        context.globalAlpha = 0.25;
        context.fillRect(x - GRIP, this.y(brush[1]), 2 * GRIP, this.y(brush[0]) - this.y(brush[1]));
        context.globalAlpha = 1;
      }
      context.textAlign = "center";
      context.fillStyle = colour("text");
      const stagger = gap < 90 && j % 2 ? 10 : 24;
      context.fillText(short(context, axis.name, Math.max(gap * (gap < 90 ? 1.8 : 0.95), 40)), x, stagger === 24 ? 20 : 8);
      context.textAlign = j === this.axes.length - 1 ? "left" : "right";
      const side = j === this.axes.length - 1 ? 6 : -6;
      for (const [at, value] of ticks(axis, 5)) {
        if (at < -0.001 || at > 1.001) continue;
        const label = short(context, axis.scale === "category" ? text(value) : number(value, 3), Math.max(gap * 0.8, SIDE - 10));
        const wide = context.measureText(label).width;
        context.fillStyle = colour("ground");
        context.globalAlpha = 0.75;
        context.fillRect(side > 0 ? x + 4 : x - 8 - wide, this.y(at) - 7, wide + 4, 14);
        context.globalAlpha = 1;
        context.fillStyle = colour("quiet");
        context.fillText(label, x + side, this.y(at));
      }
    });
  }

  // ---------------------------------------------------------------- brushes

  spot(event) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const j = this.axes.findIndex((_, k) => Math.abs(this.x(k) - x) <= 2 * GRIP);
    const at = Math.min(1, Math.max(0, (HEIGHT - BOTTOM - y) / (HEIGHT - TOP - BOTTOM)));
    return { axis: this.axes[j], at };
  }

  press(event) {
    const { axis, at } = this.spot(event);
    if (!axis) return;
    this.canvas.setPointerCapture(event.pointerId);
    const old = this.brushes.get(axis.name);
    // Inside a brush the drag moves it, elsewhere it begins a new one.
    this.drag = old && at > old[0] && at < old[1] ? { axis, moved: old, from: at } : { axis, from: at };
    if (!this.drag.moved) this.brushes.delete(axis.name);
    this.step();
  }

  move(event) {
    const { axis, at } = this.spot(event);
    this.canvas.style.cursor = axis ? "ns-resize" : "";
    if (!this.drag) return;
    const { from, moved } = this.drag;
    const range = moved ? moved.map((end) => end + at - from) : [Math.min(from, at), Math.max(from, at)];
    if (range[1] - range[0] > 0.005) this.brushes.set(this.drag.axis.name, range);
    this.step();
  }

  release() {
    this.drag = null;
  }

  step() {
    this.choose();
    this.redraw();
    this.spread();
  }
}

// From the colour of the worst to that of the best.
export function shadeOf(good) {
  const [from, to] = [colour("worst"), colour("best")].map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  return `rgb(${from.map((start, i) => Math.round(start + (to[i] - start) * good)).join(",")})`;
}

function short(context, label, room) {
  if (context.measureText(label).width <= room) return label;
  let cut = label;
  while (cut.length > 1 && context.measureText(`${cut}…`).width > room) cut = cut.slice(0, -1);
  return `${cut}…`;
}
