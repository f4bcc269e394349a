// The curve of one metric of one run.

import { el, perFrame } from "./dom.js";
import { number } from "./format.js";
import { clipTo, drawFrame, inner, linearAxis, trace, uplotAxes } from "./frame.js";
import { screenColours } from "./palette.js";
import { plotMenu } from "./save.js";

const HEIGHT = 220;

export class MetricPlot {
  pictureHeight = 360;

  constructor(owner, name) {
    [this.owner, this.name] = [owner, name];
    this.points = [];
    this.box = el("div", { class: "plot", role: "img" });
    this.say = el("span", { class: "quiet" });
    this.node = el("section", { class: "panel", "aria-label": name }, el("div", { class: "bar" }, el("h2", {}, name), this.say, plotMenu(this)), this.box);
    this.refresh = perFrame(() => this.work());
    this.resize = new ResizeObserver(() => {
      const width = this.box.clientWidth;
      if (this.plot && width && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
    });
    this.resize.observe(this.box);
  }

  title() {
    return `${this.owner}: ${this.name}`;
  }

  describe() {
    const values = this.y.filter((value) => value !== null);
    if (!values.length) return `${this.name}: nothing finite was reported.`;
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
    return `Curve of ${this.name}: ${this.points.length} points, first ${number(values[0], 6)}, last ${number(values[values.length - 1], 6)}, lowest ${number(low, 6)}, highest ${number(high, 6)}.`;
  }

  close() {
    this.resize.disconnect();
    this.plot?.destroy();
  }

  // points: [[interval, step or null, value or null], ...]
  take(points) {
    this.points = points;
    const xs = points.map(([interval, step]) => step ?? interval);
    const isRising = xs.every((x, i) => i === 0 || x > xs[i - 1]); // steps may repeat after a restart of the script
    this.hasSteps = isRising && points.some(([, step]) => step !== null);
    this.x = isRising ? xs : points.map(([interval]) => interval);
    this.y = points.map(([, , value]) => value);
    this.refresh();
  }

  work() {
    const colours = screenColours();
    this.box.setAttribute("aria-label", this.describe());
    if (this.plot && this.themed === colours) {
      this.plot.setData([this.x, this.y]);
      return;
    }
    this.plot?.destroy();
    this.themed = colours;
    const isSparse = (plot) => plot.data[0].length < 40;
    this.plot = new uPlot(
      {
        width: this.box.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { y: false },
        scales: { x: { time: false, range: (_, low, high) => (high > low ? [low, high] : [(low ?? 0) - 1, (low ?? 0) + 1]) } },
        axes: uplotAxes(colours, this.hasSteps ? "step" : "interval"),
        series: [{}, { stroke: colours.accent, width: 2, points: { show: isSparse, size: 5 } }],
        hooks: { setCursor: [(plot) => this.hover(plot.cursor.idx)] },
      },
      [this.x, this.y],
      this.box,
    );
  }

  hover(at) {
    const isOver = at !== null && at !== undefined && this.x[at] !== undefined;
    this.say.textContent = isOver ? `${this.hasSteps ? "step" : "interval"} ${this.x[at]}: ${number(this.y[at], 6)}` : "";
  }

  paint(context, width, height, colours) {
    const box = inner(width, height);
    const finite = this.y.filter((value) => value !== null);
    let [low, high] = [Math.min(...finite.slice(0, 1), 0), 1];
    if (finite.length) [low, high] = finite.reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
    if (!(high > low)) [low, high] = [low - 0.5, low + 0.5];
    const room = (high - low) * 0.05;
    const [x, y] = [[this.x[0] ?? 0, Math.max(this.x[this.x.length - 1] ?? 1, (this.x[0] ?? 0) + 1)], [low - room, high + room]];
    drawFrame(context, box, linearAxis(this.hasSteps ? "step" : "interval", x, true), linearAxis(this.name, y), colours);
    context.save();
    clipTo(context, box);
    context.strokeStyle = colours.accent;
    context.lineWidth = 2;
    context.beginPath();
    trace(context, { x: this.x, y: this.y.map((value) => value ?? NaN) }, box, x, y);
    context.stroke();
    context.restore();
  }
}
