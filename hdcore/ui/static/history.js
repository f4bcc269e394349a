// The best value so far, after each run that ended.

import { el, perFrame } from "./dom.js";
import { number } from "./format.js";
import { clipTo, dot, drawFrame, inner, linearAxis, uplotAxes } from "./frame.js";
import { screenColours } from "./palette.js";
import { plotMenu } from "./save.js";

const HEIGHT = 240;

export class History {
  pictureHeight = 420;

  constructor(model) {
    this.model = model;
    this.box = el("div", { class: "plot", role: "img" });
    this.node = el(
      "section",
      { class: "panel", "aria-label": "Best so far" },
      el("div", { class: "bar" }, el("h2", {}, "Best so far"), plotMenu(this)),
      this.box,
    );
    this.refresh = perFrame(() => this.work());
    this.resize = new ResizeObserver(() => {
      const width = this.box.clientWidth;
      if (this.plot && width && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
    });
    this.resize.observe(this.box);
  }

  title() {
    return `${this.model.name}: best ${this.model.metric} so far`;
  }

  describe() {
    const { ended, best } = this.points();
    if (!ended.length) return "No run has ended with a value yet.";
    const steps = ended.filter((_, i) => i === 0 || best[i] !== best[i - 1]).slice(-8);
    const words = steps.map((run) => `${number(run.value, 6)} by run ${run.number}`).join(", ");
    return `The best ${this.model.metric} after each of ${ended.length} runs that ended; the last improvements: ${words}.`;
  }

  close() {
    this.resize.disconnect();
    this.plot?.destroy();
  }

  points() {
    const { model } = this;
    const ended = model.list.filter((run) => run.ended && run.value !== null && model.isShown(run));
    ended.sort((a, b) => (a.ended < b.ended ? -1 : a.ended > b.ended ? 1 : a.number - b.number));
    const best = [];
    for (const run of ended) {
      const last = best[best.length - 1];
      best.push(last === undefined || run.value * model.sign > last * model.sign ? run.value : last);
    }
    return { ended, best };
  }

  // The scale is that of the better half: what matters happens there.
  range({ ended, best }) {
    if (!ended.length) return [0, 1];
    const values = Float64Array.from(ended, (run) => run.value * this.model.sign).sort();
    const [bar, top, first] = [values[values.length >> 1], values[values.length - 1], best[0] * this.model.sign];
    const low = Math.min(bar, Math.max(first, values[Math.floor(values.length / 10)]));
    const room = (top - low) * 0.08 || 0.5;
    const ends = [low - room, top + room].map((value) => value * this.model.sign);
    return ends.sort((a, b) => a - b);
  }

  work() {
    const colours = screenColours();
    const found = this.points();
    this.box.setAttribute("aria-label", this.describe());
    this.limits = this.range(found);
    const data = [found.ended.map((_, i) => i + 1), found.ended.map((run) => run.value), found.best];
    if (this.plot && this.themed === colours) {
      this.plot.setData(data);
      return;
    }
    this.plot?.destroy();
    this.themed = colours;
    this.plot = new uPlot(
      {
        width: this.box.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { points: { show: false }, drag: { x: false, y: false } },
        scales: { x: { time: false, range: (_, low, high) => [Math.min(1, low ?? 0), Math.max(2, high ?? 1)] }, y: { range: () => this.limits } },
        axes: uplotAxes(colours, "runs that ended"),
        series: [
          {},
          { stroke: "transparent", paths: () => null, points: { show: true, size: found.ended.length < 500 ? 6 : 4, fill: colours.faded, stroke: "transparent" } },
          { stroke: colours.best, width: 2, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } },
        ],
      },
      data,
      this.box,
    );
  }

  paint(context, width, height, colours) {
    const found = this.points();
    const box = inner(width, height);
    const [x, y] = [[1, Math.max(2, found.ended.length)], this.range(found)];
    drawFrame(context, box, linearAxis("runs that ended", x, true), linearAxis(this.model.metric, y), colours);
    const px = (i) => box.left + ((i + 1 - x[0]) / (x[1] - x[0])) * box.width;
    const py = (value) => box.top + ((y[1] - value) / (y[1] - y[0])) * box.height;
    context.save();
    clipTo(context, box);
    context.fillStyle = colours.faded;
    context.beginPath();
    found.ended.forEach((run, i) => dot(context, px(i), py(run.value), 2));
    context.fill();
    context.strokeStyle = colours.best;
    context.lineWidth = 2;
    context.beginPath();
    found.best.forEach((value, i) => {
      if (i === 0) context.moveTo(px(0), py(value));
      else {
        if (value !== found.best[i - 1]) context.lineTo(px(i), py(found.best[i - 1]));
        if (value !== found.best[i - 1] || i === found.best.length - 1) context.lineTo(px(i), py(value));
      }
    });
    context.stroke();
    context.restore();
  }
}
