// Training curves of all runs on one canvas: the best one marked, stopped ones faded. uPlot draws the axes and zooms.

import { colour, el, perFrame } from "./dom.js";
import { number } from "./format.js";
import { plotMenu } from "./save.js";

const HEIGHT = 300;
const NEAR = 12; // pixels from the pointer to a curve that it means

export class CurvesPlot {
  constructor(model) {
    this.model = model;
    this.box = el("div", { class: "plot", role: "img", "aria-label": "Training curves of all runs" });
    this.say = el("span", { class: "quiet", "aria-live": "off" }, "drag to zoom, double click for all");
    this.node = el(
      "section",
      { class: "panel" },
      el("div", { class: "bar" }, el("h2", {}, "Training curves"), this.say, plotMenu("curves", () => this.canvas())),
      this.box,
    );
    this.hovered = null;
    this.refresh = perFrame(() => this.work());
    this.resize = new ResizeObserver(() => this.plot?.setSize({ width: this.box.clientWidth, height: HEIGHT }));
    this.resize.observe(this.box);
  }

  canvas() {
    return this.plot?.ctx.canvas;
  }

  close() {
    this.resize.disconnect();
    this.plot?.destroy();
  }

  // Ranges of what is shown: curves that diverge must not flatten all others, so the worst tenth is cut off.
  extent() {
    const lasts = [];
    let [x, low, high] = [1, Infinity, -Infinity];
    for (const [key, curve] of this.model.curves) {
      if (!this.model.isShown(key) || curve.x.length === 0) continue;
      x = Math.max(x, curve.x[curve.x.length - 1]);
      let [least, most] = [Infinity, -Infinity];
      for (const value of curve.y) {
        if (!Number.isFinite(value)) continue;
        if (value < least) least = value;
        if (value > most) most = value;
      }
      if (least <= most) lasts.push([least, most]);
    }
    if (!lasts.length) return { x: [0, 1], y: [0, 1] };
    const cut = Math.floor(lasts.length / 10);
    const lows = lasts.map((pair) => pair[0]).sort((a, b) => a - b);
    const highs = lasts.map((pair) => pair[1]).sort((a, b) => a - b);
    low = lows[this.model.sign > 0 ? Math.min(cut, lows.length - 1) : 0];
    high = highs[this.model.sign < 0 ? Math.max(highs.length - 1 - cut, 0) : highs.length - 1];
    if (low === high) [low, high] = [low - 0.5, high + 0.5];
    const room = (high - low) * 0.04;
    return { x: [1, Math.max(x, 2)], y: [low - room, high + room] };
  }

  work() {
    const extent = this.extent();
    const data = [extent.x, extent.y];
    if (this.plot && this.themed === colour("text")) {
      this.plot.setData(data, !this.isZoomed);
      this.plot.redraw(true);
      return;
    }
    this.plot?.destroy();
    this.themed = colour("text");
    const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") } };
    this.plot = new uPlot(
      {
        width: this.box.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { points: { show: false }, y: false, drag: { x: true, y: true, uni: 20 } },
        scales: { x: { time: false, range: (_, low, high) => [low, high] }, y: { range: (_, low, high) => [low, high] } },
        axes: [axis, { ...axis, size: 64, values: (_, splits) => splits.map((split) => number(split, 5)) }],
        series: [{}, { show: true, stroke: "transparent", points: { show: false } }],
        hooks: {
          draw: [(plot) => this.draw(plot)],
          setSelect: [() => (this.isZoomed = true)],
          setCursor: [(plot) => this.point(plot)],
        },
      },
      data,
      this.box,
    );
    this.plot.over.addEventListener("dblclick", () => {
      this.isZoomed = false;
      this.refresh();
    });
    this.plot.over.addEventListener("click", () => {
      if (this.hovered !== null && !this.plot.select.width) {
        location.hash = `#/${encodeURIComponent(this.model.name)}/${this.hovered}`;
      }
    });
  }

  draw(plot) {
    const { ctx, bbox } = plot;
    const { model } = this;
    const groups = { rest: [], Completed: [], Running: [], best: [], hovered: [] };
    for (const key of model.curves.keys()) {
      if (!model.isShown(key)) continue;
      const status = model.runs.get(key)?.status;
      if (key === this.hovered) groups.hovered.push(key);
      else if (key === model.head?.best_run) groups.best.push(key);
      else (groups[status] ?? groups.rest).push(key);
    }
    const crowd = Math.max(0.08, Math.min(0.75, 60 / (groups.Completed.length + groups.rest.length + 1)));
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    const ratio = window.devicePixelRatio || 1;
    ctx.lineJoin = "round";
    for (const [group, stroke, alpha, width] of [
      ["rest", colour("faded"), crowd * 0.6, 1],
      ["Completed", colour("accent"), crowd, 1],
      ["Running", colour("running"), 0.9, 1.5],
      ["best", colour("best"), 1, 2.5],
      ["hovered", colour("text"), 1, 2],
    ]) {
      ctx.strokeStyle = stroke;
      ctx.globalAlpha = alpha;
      ctx.lineWidth = width * ratio;
      for (const key of groups[group]) this.trace(plot, model.curves.get(key));
    }
    ctx.restore();
  }

  trace(plot, { x, y }) {
    const { ctx, bbox } = plot;
    const [sx, sy] = [plot.scales.x, plot.scales.y];
    const [ax, ay] = [bbox.width / (sx.max - sx.min), bbox.height / (sy.max - sy.min)];
    ctx.beginPath();
    let isPen = false;
    for (let i = 0; i < x.length; i += 1) {
      if (!Number.isFinite(y[i])) {
        isPen = false;
        continue;
      }
      const px = bbox.left + (x[i] - sx.min) * ax;
      const py = bbox.top + (sy.max - y[i]) * ay;
      if (isPen) ctx.lineTo(px, py);
      else ctx.moveTo(px, py);
      isPen = true;
    }
    if (x.length === 1) ctx.arc(bbox.left + (x[0] - sx.min) * ax, bbox.top + (sy.max - y[0]) * ay, 2, 0, 7);
    ctx.stroke();
  }

  // The curve under the pointer, at the interval that is nearest to it.
  point(plot) {
    const { left, top } = plot.cursor;
    let found = null;
    if (left >= 0 && top >= 0) {
      const interval = Math.round(plot.posToVal(left, "x"));
      let nearest = NEAR;
      for (const [key, curve] of this.model.curves) {
        if (!this.model.isShown(key) || curve.x.length === 0) continue;
        const at = indexOf(curve.x, interval);
        if (at < 0) continue;
        const distance = Math.abs(plot.valToPos(curve.y[at], "y") - top);
        if (distance < nearest) [nearest, found] = [distance, { key, interval, value: curve.y[at] }];
      }
    }
    const key = found?.key ?? null;
    this.say.textContent = found
      ? `run ${key}, interval ${found.interval}: ${number(found.value, 6)}`
      : "drag to zoom, double click for all";
    if (key !== this.hovered) {
      this.hovered = key;
      plot.over.style.cursor = key === null ? "" : "pointer";
      plot.redraw(false);
    }
  }
}

function indexOf(x, wanted) {
  let [low, high] = [0, x.length - 1];
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (x[middle] === wanted) return middle;
    if (x[middle] < wanted) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
