// Parallel coordinates: one axis a parameter and one for the metric; brushes on the axes choose runs for all views.

import { Brushes } from "./brushes.js";
import { CROWD, Density, MOVING } from "./density.js";
import { el, fit, pacedBy, perFrame, say } from "./dom.js";
import { number, text } from "./format.js";
import { short } from "./frame.js";
import { place, ticks } from "./model.js";
import { screenColours, shade, STEPS } from "./palette.js";
import { plotMenu } from "./save.js";

const HEIGHT = 320;
const TOP = 34;
const BOTTOM = 26;
const SIDE = 56;
const LEAST_GAP = 58; // between two axes; where the page is narrower the plot scrolls
const FOLLOW_MS = 60;
const HINT = "drag along an axis to choose runs";

export class Parallel {
  pictureHeight = 420;

  constructor(model) {
    this.model = model;
    this.canvas = el("canvas", { role: "img" });
    this.brushes = new Brushes(() => this.step());
    this.inner = el("div", { class: "parallel" }, this.canvas, this.brushes.node);
    this.box = el("div", { class: "plot wide" }, this.inner);
    this.say = el("span", { class: "quiet", "aria-live": "polite" });
    this.clear = el("button", { type: "button", class: "small", hidden: true, onclick: () => this.forget() }, "all runs");
    this.node = el(
      "section",
      { class: "panel", "aria-label": "Parallel coordinates" },
      el("div", { class: "bar" }, el("h2", {}, "Parallel coordinates"), this.say, this.clear, plotMenu(this)),
      this.box,
    );
    this.refresh = perFrame(() => this.work());
    this.redraw = perFrame(() => this.draw());
    this.crowd = new Density(this.redraw); // the chosen runs
    this.ground = new Density(this.redraw); // all runs, faint, under them
    this.resize = new ResizeObserver(this.redraw);
    this.resize.observe(this.box);
  }

  title() {
    return `${this.model.name}: parallel coordinates, ${this.model.metric}`;
  }

  describe() {
    const axes = (this.axes ?? []).map((axis) => axis.name).join(", ");
    const chosen = this.brushes.isEmpty ? "" : ` Chosen by brushes: ${this.brushes.words()}.`;
    return `Parallel coordinates of ${this.runs?.length ?? 0} runs over the axes ${axes}.${chosen} The table of runs has the values.`;
  }

  close() {
    this.resize.disconnect();
    this.crowd.close();
    this.ground.close();
  }

  // Places of every run on every axis, once per change of the runs.
  work() {
    const { model } = this;
    const valued = model.list.filter((run) => run.value !== null);
    const values = Float64Array.from(valued, (run) => run.value).sort();
    // The worst tenth shares the end of the axis, so that one diverged run does not flatten all others.
    const cut = Math.floor(values.length / 10);
    const low = values[model.sign > 0 ? cut : 0] ?? 0;
    const high = values[model.sign < 0 ? values.length - 1 - cut : values.length - 1] ?? 1;
    const metric = { name: model.metric, scale: "linear", low, high, isMetric: true };
    const varied = model.parameters.filter((parameter) =>
      parameter.scale === "category" ? parameter.values.length > 1 : parameter.low !== parameter.high,
    );
    this.axes = [...varied, metric];
    this.runs = valued;
    const width = this.axes.length;
    this.places = new Float32Array(valued.length * width).fill(NaN);
    this.axes.forEach((axis, j) => {
      for (let i = 0; i < valued.length; i += 1) {
        const at = axis.isMetric ? Math.min(1, Math.max(0, place(axis, valued[i].value))) : place(axis, valued[i].flat[axis.name]);
        if (at !== null) this.places[i * width + j] = at;
      }
    });
    // From the worst to the best, so that the best lie on top; the colour is that of the rank, since values crowd together.
    const score = Float64Array.from(valued, (run) => run.value * model.sign);
    this.order = Uint32Array.from(valued.keys()).sort((a, b) => score[a] - score[b] || b - a);
    this.good = new Float32Array(valued.length);
    this.order.forEach((i, rank) => (this.good[i] = rank / Math.max(1, valued.length - 1)));
    this.isCrowd = valued.length > CROWD;
    if (this.isCrowd) this.crowd.setLines(this.packed((good) => 0.06 + 0.94 * good ** 4)); // good runs stand out
    this.grounded = null;
    this.painted = null;
    this.brushes.setAxes(this.axes);
    this.choose();
    if (!this.brushes.isEmpty) this.spread();
    this.draw();
  }

  packed(weigh) {
    const [width, count] = [this.axes.length, this.runs.length];
    const x = new Float32Array(width * count);
    for (let i = 0; i < x.length; i += 1) x[i] = i % width;
    return {
      starts: Uint32Array.from({ length: count + 1 }, (_, i) => i * width),
      x,
      y: this.places.slice(),
      tone: Float32Array.from(this.good, (good) => Math.min(0.999, good)),
      weight: Float32Array.from(this.good, weigh),
    };
  }

  // Which runs all brushes leave: `inside`, a byte a run.
  choose() {
    const width = this.axes.length;
    const bars = this.axes.map((axis, j) => [j, this.brushes.get(axis.name)]).filter(([, bar]) => bar);
    this.inside = new Uint8Array(this.runs.length).fill(1);
    this.count = this.runs.length;
    for (let i = 0; i < this.runs.length; i += 1) {
      for (const [j, [low, high]] of bars) {
        const at = this.places[i * width + j];
        if (at >= low && at <= high) continue;
        this.inside[i] = 0;
        this.count -= 1;
        break;
      }
    }
    this.clear.hidden = bars.length === 0;
    say(this.say, bars.length ? `${this.count} of ${this.runs.length} runs chosen` : HINT);
    if (!this.brushes.isMoving) this.canvas.setAttribute("aria-label", this.describe());
  }

  // Tells the other views; while a brush moves they follow at a pace that leaves the pointer its frames.
  spread = pacedBy(FOLLOW_MS, async () => {
    const mask = this.brushes.isEmpty ? null : new Uint8Array(this.model.list.length);
    if (mask) this.runs.forEach((run, i) => (mask[run.index] = this.inside[i]));
    this.model.select(mask, this.brushes.isMoving);
  });

  step = perFrame(() => {
    if (!this.axes) return;
    this.choose();
    this.draw();
    this.spread();
  });

  forget() {
    this.brushes.forget();
  }

  // ---------------------------------------------------------------- painting

  geometry(width, height) {
    const count = this.axes.length;
    const gap = count === 1 ? 0 : (width - 2 * SIDE) / (count - 1);
    const x = (j) => (count === 1 ? width / 2 : SIDE + gap * j);
    return { width, height, gap, x, y: (at) => height - BOTTOM - at * (height - TOP - BOTTOM) };
  }

  draw() {
    if (!this.axes) return;
    const colours = screenColours();
    const width = Math.max(this.box.clientWidth, 2 * SIDE + LEAST_GAP * (this.axes.length - 1));
    this.inner.style.width = `${width}px`;
    const geometry = this.geometry(width, HEIGHT);
    const context = fit(this.canvas, width, HEIGHT);
    if (this.isCrowd) this.drawCrowd(context, geometry, colours);
    else this.drawLines(context, geometry, colours);
    this.drawAxes(context, geometry, colours);
    this.brushes.layOut(geometry, TOP, BOTTOM);
  }

  drawCrowd(context, geometry, colours) {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(geometry.width * ratio), Math.round(HEIGHT * ratio)];
    const tall = (HEIGHT - TOP - BOTTOM) * ratio;
    const request = { width, height, map: [geometry.gap * ratio, SIDE * ratio, -tall, (HEIGHT - BOTTOM) * ratio] };
    const key = `${width} ${colours.ground} ${colours.best}`;
    if (this.grounded !== key && !this.brushes.isEmpty) {
      if (this.grounded === null) this.ground.setLines(this.packed(() => 1));
      this.grounded = key;
      this.ground.paint({ ...request, mask: null, most: Infinity, shades: [colours.faded] });
    }
    if (this.painted?.key !== key || this.painted.inside !== this.inside) {
      this.painted = { key, inside: this.inside };
      const most = this.brushes.isMoving ? MOVING : Infinity;
      this.crowd.paint({ ...request, mask: this.inside, most, shades: colours.shades });
    }
    if (!this.brushes.isEmpty && this.ground.bitmap) {
      context.globalAlpha = 0.25;
      context.drawImage(this.ground.bitmap, 0, 0, geometry.width, HEIGHT);
      context.globalAlpha = 1;
    }
    if (this.crowd.bitmap && this.count) context.drawImage(this.crowd.bitmap, 0, 0, geometry.width, HEIGHT);
    this.drawBest(context, colours, this.tracer(context, geometry));
  }

  // A function that adds the line of a run to the path.
  tracer(context, { x, y }) {
    const width = this.axes.length;
    return (i) => {
      let isPen = false;
      for (let j = 0; j < width; j += 1) {
        const at = this.places[i * width + j];
        if (Number.isNaN(at)) {
          isPen = false; // a parameter of another option: the line has a gap there
          continue;
        }
        if (isPen) context.lineTo(x(j), y(at));
        else context.moveTo(x(j), y(at));
        isPen = true;
      }
    };
  }

  drawLines(context, geometry, colours) {
    const trace = this.tracer(context, geometry);
    context.lineWidth = 1;
    if (this.count < this.runs.length) {
      context.strokeStyle = colours.faded;
      context.globalAlpha = Math.max(0.03, Math.min(0.25, 40 / this.runs.length));
      context.beginPath();
      for (let i = 0; i < this.runs.length; i += 1) if (!this.inside[i]) trace(i);
      context.stroke();
    }
    // One path a shade: changing the colour for every line costs more than the lines.
    const strength = Math.max(0.1, Math.min(0.8, 200 / (this.count + 1)));
    let last = -1;
    for (const i of this.order) {
      if (!this.inside[i]) continue;
      const step = Math.min(STEPS - 1, Math.floor(this.good[i] * STEPS));
      if (step !== last) {
        if (last >= 0) context.stroke();
        last = step;
        context.strokeStyle = shade(colours, this.good[i]);
        context.globalAlpha = strength * (0.35 + 0.65 * (step / (STEPS - 1)) ** 2);
        context.lineWidth = 1.2;
        context.beginPath();
      }
      trace(i);
    }
    if (last >= 0) context.stroke();
    context.globalAlpha = 1;
    this.drawBest(context, colours, trace);
  }

  drawBest(context, colours, trace) {
    const best = this.runs.findIndex((run) => run.number === this.model.head?.best_run);
    if (best >= 0 && this.inside[best]) {
      context.strokeStyle = colours.best;
      context.lineWidth = 2.5;
      context.beginPath();
      trace(best);
      context.stroke();
    }
  }

  drawAxes(context, { x, y, gap }, colours) {
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    this.axes.forEach((axis, j) => {
      context.strokeStyle = colours.quiet;
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(x(j), y(0));
      context.lineTo(x(j), y(1));
      context.stroke();
      const brush = this.brushes.get(axis.name);
      if (brush) {
        context.fillStyle = colours.accent;
        context.globalAlpha = 0.25;
        context.fillRect(x(j) - 9, y(brush[1]), 18, y(brush[0]) - y(brush[1]));
        context.globalAlpha = 1;
      }
      context.textAlign = "center";
      context.fillStyle = axis.isMetric ? colours.best : colours.text;
      const isCrowded = gap < 90; // names stand in two rows then
      const room = Math.max(gap * (isCrowded ? 1.8 : 0.95), 40);
      context.fillText(short(context, axis.name, Math.min(room, 2 * SIDE)), x(j), isCrowded && j % 2 ? 8 : 20);
      const isLast = j === this.axes.length - 1;
      context.textAlign = isLast ? "left" : "right";
      for (const [at, value] of ticks(axis, 5)) {
        if (at < -0.001 || at > 1.001) continue;
        const words = axis.scale === "category" ? text(value) : number(value, 3);
        const label = short(context, words, Math.max(Math.min(gap * 0.8, 90), SIDE - 16));
        const wide = context.measureText(label).width;
        context.fillStyle = colours.ground;
        context.globalAlpha = 0.75;
        context.fillRect(isLast ? x(j) + 4 : x(j) - 8 - wide, y(at) - 7, wide + 4, 14);
        context.globalAlpha = 1;
        context.fillStyle = colours.quiet;
        context.fillText(label, x(j) + (isLast ? 6 : -6), y(at));
      }
    });
  }

  // A picture: all lines as lines.
  paint(context, width, height, colours) {
    if (!this.axes) return;
    const geometry = this.geometry(width, height);
    this.drawLines(context, geometry, colours);
    this.drawAxes(context, geometry, colours);
  }
}
