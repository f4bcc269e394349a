// The best value so far, after each run that ended.

import { colour, el, perFrame } from "./dom.js";
import { number } from "./format.js";
import { plotMenu } from "./save.js";

const HEIGHT = 240;

export class History {
  constructor(model) {
    this.model = model;
    this.box = el("div", { class: "plot", role: "img", "aria-label": "Best value so far" });
    this.node = el(
      "section",
      { class: "panel" },
      el("div", { class: "bar" }, el("h2", {}, "Best so far"), plotMenu("history", () => this.plot?.ctx.canvas)),
      this.box,
    );
    this.refresh = perFrame(() => this.work());
    this.resize = new ResizeObserver(() => this.plot?.setSize({ width: this.box.clientWidth, height: HEIGHT }));
    this.resize.observe(this.box);
  }

  close() {
    this.resize.disconnect();
    this.plot?.destroy();
  }

  work() {
    const { model } = this;
    const ended = model.list.filter((run) => run.ended && run.value !== null && model.isShown(run.number));
    ended.sort((a, b) => (a.ended < b.ended ? -1 : a.ended > b.ended ? 1 : a.number - b.number));
    const best = [];
    for (const run of ended) {
      const last = best[best.length - 1];
      best.push(last === undefined || run.value * model.sign > last * model.sign ? run.value : last);
    }
    // The scale is that of the better half: what matters happens there.
    const values = ended.map((run) => run.value).sort((a, b) => (b - a) * model.sign);
    const bar = values[Math.floor(values.length / 2)];
    const room = Math.abs((values[0] ?? 1) - (bar ?? 0)) * 0.1 || 1;
    const range = [Math.min(values[0] ?? 0, bar ?? 0) - room, Math.max(values[0] ?? 1, bar ?? 1) + room];
    const data = [ended.map((_, i) => i + 1), ended.map((run) => run.value), best];
    this.plot?.destroy();
    const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") } };
    this.plot = new uPlot(
      {
        width: this.box.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        scales: { x: { time: false }, y: { range } },
        axes: [axis, { ...axis, size: 64, values: (_, splits) => splits.map((split) => number(split, 5)) }],
        series: [
          {},
          { stroke: "transparent", paths: () => null, points: { show: true, size: 4, fill: colour("faded"), stroke: "transparent" } },
          { stroke: colour("best"), width: 2, paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } },
        ],
      },
      data,
      this.box,
    );
  }
}
