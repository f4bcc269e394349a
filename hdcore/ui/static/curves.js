// Training curves of all runs: the best one marked, stopped ones faded. uPlot draws the axes and zooms.

import { CROWD, Density, MOVING } from "./density.js";
import { el, fit, perFrame, say } from "./dom.js";
import { number } from "./format.js";
import { clipTo, drawFrame, inner, linearAxis, trace, uplotAxes } from "./frame.js";
import { screenColours } from "./palette.js";
import { plotMenu } from "./save.js";
import { Tip } from "./tip.js";

const HEIGHT = 300;
const NEAR = 12; // pixels from the pointer to a curve that it means
const HINT = "drag to zoom, double click for all";
const PICTURE_POINTS = 300_000; // of a crowd in a picture: more than a viewer opens at ease

export class CurvesPlot {
  pictureHeight = 420;

  constructor(model) {
    this.model = model;
    this.tip = new Tip(model);
    this.canvasBox = el("div", { role: "img", tabindex: 0, "aria-describedby": "keys-curves", onkeydown: (event) => this.key(event) });
    this.box = el("div", { class: "plot over" }, this.canvasBox, this.tip.node);
    this.say = el("span", { class: "quiet", id: "keys-curves" }, HINT);
    this.heard = el("span", { class: "unseen", "aria-live": "polite" });
    this.node = el(
      "section",
      { class: "panel", "aria-label": "Training curves" },
      el("div", { class: "bar" }, el("h2", {}, "Training curves"), this.say, this.heard, plotMenu(this)),
      this.box,
    );
    this.hovered = null;
    this.lines = []; // {number, curve, run}
    this.layer = el("canvas", { class: "layer" }); // over uPlot's own: it changes far more often than axes do
    this.density = new Density(() => this.drawLayer());
    this.refresh = perFrame(() => this.work());
    this.resize = new ResizeObserver(() => {
      const width = this.box.clientWidth;
      if (this.plot && width && width !== this.plot.width) this.plot.setSize({ width, height: HEIGHT });
    });
    this.resize.observe(this.box);
  }

  title() {
    return `${this.model.name}: training curves of ${this.model.metric}`;
  }

  describe() {
    const { model } = this;
    const shown = this.lines.filter(({ run }) => model.isShown(run));
    const best = model.best;
    const reach = best ? `; the best, run ${best.number}, reaches ${number(best.value, 6)} at interval ${best.interval ?? "–"}` : "";
    return `Training curves of ${model.metric} of ${shown.length} runs over the intervals${reach}. The table of runs has the values.`;
  }

  close() {
    this.resize.disconnect();
    this.density.close();
    this.plot?.destroy();
  }

  // New curves, or runs of another status: the lines of the crowd change. A selection alone does not change them.
  invalidate() {
    this.isStale = true;
    this.refresh();
  }

  // Ranges of what is shown: curves that diverge must not flatten all others, so the worst tenth is cut off.
  extent() {
    const [lows, highs] = [new Float64Array(this.lines.length), new Float64Array(this.lines.length)];
    let [x, count] = [2, 0];
    for (const { curve, run } of this.lines) {
      if (!this.model.isShown(run)) continue;
      const [low, high] = range(curve);
      if (low > high) continue;
      x = Math.max(x, curve.x[curve.x.length - 1]);
      [lows[count], highs[count]] = [low, high];
      count += 1;
    }
    if (!count) return { x: [0, 1], y: [0, 1] };
    const cut = Math.floor(count / 10);
    let low = lows.subarray(0, count).sort()[this.model.sign > 0 ? cut : 0];
    let high = highs.subarray(0, count).sort()[this.model.sign < 0 ? count - 1 - cut : count - 1];
    if (!(high > low)) [low, high] = [low - 0.5, low + 0.5];
    const room = (high - low) * 0.04;
    return { x: [1, x], y: [low - room, high + room] };
  }

  work() {
    const colours = screenColours();
    if (this.isStale) this.collect();
    if (this.plot && this.themed !== colours) {
      this.plot.destroy();
      this.plot = null;
    }
    const isNew = !this.plot;
    if (isNew) this.make(colours);
    this.sort();
    if (!this.model.isMoving || isNew) {
      // The axes stay where they are while a brush moves, or somebody has zoomed.
      const extent = this.extent();
      this.canvasBox.setAttribute("aria-label", this.describe());
      this.plot.setData([extent.x, extent.y], !this.isZoomed);
    }
    if (this.isCrowd) this.paintCrowd();
    this.drawLayer();
  }

  collect() {
    const { model } = this;
    this.isStale = false;
    this.lines = [];
    for (const [number, curve] of model.curves) {
      const run = model.runs.get(number);
      if (run && curve.x.length) this.lines.push({ number, curve, run });
    }
    this.isPacked = false;
  }

  make(colours) {
    this.themed = colours;
    const fixed = { range: (_, low, high) => [low, high] };
    this.plot = new uPlot(
      {
        width: this.box.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { points: { show: false }, y: false, drag: { x: true, y: true, uni: 20 } },
        scales: { x: { time: false, ...fixed }, y: fixed },
        axes: uplotAxes(colours, "interval"),
        series: [{}, { stroke: "transparent", points: { show: false } }],
        hooks: {
          draw: [(plot) => plot === this.plot && this.drawLayer()],
          setScale: [(plot) => plot === this.plot && this.isCrowd && this.paintCrowd()],
          setSelect: [(plot) => plot.select.width > 0 && (this.isZoomed = true)],
          setCursor: [(plot) => this.point(plot)],
        },
      },
      [[0, 1], [0, 1]],
      this.canvasBox,
    );
    this.plot.over.prepend(this.layer);
    this.plot.over.addEventListener("dblclick", () => this.all());
    this.plot.over.addEventListener("click", () => {
      if (this.hovered !== null && !this.plot.select.width) this.open(this.hovered);
    });
  }

  all() {
    this.isZoomed = false;
    this.refresh();
  }

  open(key) {
    location.hash = `#/${encodeURIComponent(this.model.name)}/${key}`;
  }

  // Which curves are drawn how: a crowd by the worker, the rest one by one, living ones and the best on top.
  sort() {
    const { model } = this;
    const best = model.head?.best_run;
    this.groups = { rest: [], Completed: [], Running: [], best: [] };
    for (const line of this.lines) {
      if (!model.isShown(line.run)) continue;
      if (line.number === best) this.groups.best.push(line.curve);
      else (this.groups[line.run.status] ?? this.groups.rest).push(line.curve);
    }
    this.isCrowd = this.groups.rest.length + this.groups.Completed.length > CROWD;
    if (!this.isCrowd) this.density.clear();
  }

  paintCrowd() {
    const { model, plot } = this;
    if (!this.isPacked) {
      this.isPacked = true;
      this.density.setLines(packed(this.lines));
    }
    const best = model.head?.best_run;
    const mask = new Uint8Array(this.lines.length);
    this.lines.forEach(({ number, run }, i) => {
      if (run.status !== "Running" && number !== best && model.isShown(run)) mask[i] = 1;
    });
    const { width, height } = plot.bbox;
    const { x, y } = plot.scales;
    const [ax, ay] = [width / (x.max - x.min), height / (y.max - y.min)];
    this.density.paint({
      mask,
      most: model.isMoving ? MOVING : Infinity,
      width: Math.max(2, Math.round(width)),
      height: Math.max(2, Math.round(height)),
      map: [ax, -x.min * ax, -ay, y.max * ay],
      shades: [this.themed.faded, this.themed.accent],
      about: { x: [x.min, x.max], y: [y.min, y.max] },
    });
  }

  drawLayer() {
    const { plot } = this;
    if (!plot || !this.groups) return;
    const [width, height] = [plot.over.clientWidth, plot.over.clientHeight];
    const ctx = fit(this.layer, width, height);
    const { x, y } = plot.scales;
    const bitmap = this.isCrowd ? this.density.bitmap : null;
    if (bitmap) {
      // The picture may be of the scales before: it is stretched to those of now until the next one comes.
      const was = this.density.about;
      const [ax, ay] = [width / (x.max - x.min), height / (y.max - y.min)];
      ctx.drawImage(bitmap, (was.x[0] - x.min) * ax, (y.max - was.y[1]) * ay, (was.x[1] - was.x[0]) * ax, (was.y[1] - was.y[0]) * ay);
    }
    const box = { left: 0, top: 0, width, height };
    this.drawLines(ctx, box, [x.min, x.max], [y.min, y.max], this.themed, !this.isCrowd);
  }

  drawLines(ctx, box, x, y, colours, hasCrowd, thin = (curve) => curve) {
    const { groups, model } = this;
    const crowd = Math.max(0.08, Math.min(0.75, 60 / (groups.Completed.length + groups.rest.length + 1)));
    ctx.lineJoin = "round";
    const one = (curves, stroke, alpha, width, f = (curve) => curve) => {
      ctx.strokeStyle = stroke;
      ctx.globalAlpha = alpha;
      ctx.lineWidth = width;
      for (const curve of curves) {
        ctx.beginPath();
        trace(ctx, f(curve), box, x, y);
        ctx.stroke();
      }
    };
    if (hasCrowd) {
      one(groups.rest, colours.faded, Math.min(0.45, crowd), 1, thin);
      one(groups.Completed, colours.accent, crowd, 1, thin);
    }
    one(groups.Running, colours.running, 0.9, 1.5);
    one(groups.best, colours.best, 1, 2.5);
    if (this.hovered !== null && model.curves.has(this.hovered)) one([model.curves.get(this.hovered)], colours.text, 1, 2);
    ctx.globalAlpha = 1;
  }

  // A picture: all lines as lines.
  paint(context, width, height, colours) {
    const box = inner(width, height);
    const scales = this.plot?.scales;
    const extent = scales ? { x: [scales.x.min, scales.x.max], y: [scales.y.min, scales.y.max] } : this.extent();
    drawFrame(context, box, linearAxis("interval", extent.x, true), linearAxis(this.model.metric, extent.y), colours);
    context.save();
    clipTo(context, box);
    const most = Math.max(12, Math.floor(PICTURE_POINTS / (this.groups.rest.length + this.groups.Completed.length + 1)));
    this.drawLines(context, box, extent.x, extent.y, colours, true, (curve) => thinned(curve, most));
    context.restore();
  }

  // The curve under the pointer, at the interval that is nearest to it.
  point(plot) {
    const { left, top } = plot.cursor;
    let found = null;
    if (left >= 0 && top >= 0) {
      const interval = Math.round(plot.posToVal(left, "x"));
      const [high, perUnit] = [plot.scales.y.max, plot.over.clientHeight / (plot.scales.y.max - plot.scales.y.min)];
      let nearest = NEAR;
      for (const { number: key, curve, run } of this.lines) {
        const at = indexOf(curve.x, interval);
        if (at < 0) continue;
        const distance = Math.abs((high - curve.y[at]) * perUnit - top);
        if (distance < nearest && this.model.isShown(run)) [nearest, found] = [distance, { key, interval, value: curve.y[at] }];
      }
    }
    const run = found ? this.model.runs.get(found.key) : null;
    const { offsetLeft, offsetTop } = plot.over;
    this.tip.show(left + offsetLeft, top + offsetTop, this.box.clientWidth, run, found && `interval ${found.interval}: ${number(found.value, 6)}`);
    this.mark(found?.key ?? null);
    plot.over.style.cursor = run ? "pointer" : "";
  }

  mark(key) {
    if (key === this.hovered) return;
    this.hovered = key;
    this.drawLayer();
  }

  key(event) {
    const { plot, model } = this;
    if (!plot) return;
    const zoom = { "+": 0.7, "=": 0.7, "-": 1 / 0.7 }[event.key];
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const aside = { ArrowLeft: -0.2, ArrowRight: 0.2 }[event.key];
    if (step) {
      const ranked = model.list.filter((run) => run.value !== null && model.isShown(run) && model.curves.has(run.number));
      ranked.sort((a, b) => (b.value - a.value) * model.sign || a.number - b.number);
      const at = ranked.findIndex((run) => run.number === this.hovered);
      const run = ranked[Math.max(0, Math.min(ranked.length - 1, at + step))];
      if (run) {
        this.mark(run.number);
        say(this.heard, `run ${run.number}, ${run.status}, ${number(run.value, 6)}`);
        say(this.say, `run ${run.number}: ${number(run.value, 6)} (Enter opens it)`);
      }
    } else if (zoom || aside) {
      for (const axis of zoom ? ["x", "y"] : ["x"]) {
        const { min, max } = plot.scales[axis];
        const [middle, half] = [(min + max) / 2 + (aside ?? 0) * (max - min), ((max - min) / 2) * (zoom ?? 1)];
        plot.setScale(axis, { min: middle - half, max: middle + half });
      }
      this.isZoomed = true;
    } else if (event.key === "0" || event.key === "Escape") {
      this.mark(null);
      say(this.say, HINT);
      this.all();
    } else if (event.key === "Enter" && this.hovered !== null) this.open(this.hovered);
    else return;
    event.preventDefault();
  }
}

// Lowest and highest finite value, computed once: a curve that grows is a new object.
function range(curve) {
  if (!curve.range) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of curve.y) {
      if (!Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    curve.range = [low, high];
  }
  return curve.range;
}

function packed(lines) {
  const starts = new Uint32Array(lines.length + 1);
  lines.forEach(({ curve }, i) => (starts[i + 1] = starts[i] + curve.x.length));
  const [x, y] = [new Float32Array(starts[lines.length]), new Float32Array(starts[lines.length])];
  const [tone, weight] = [new Float32Array(lines.length), new Float32Array(lines.length)];
  lines.forEach(({ curve, run }, i) => {
    x.set(curve.x, starts[i]);
    y.set(curve.y, starts[i]);
    [tone[i], weight[i]] = run.status === "Completed" ? [0.99, 1] : [0, 0.5];
  });
  return { starts, x, y, tone, weight };
}

function thinned(curve, most) {
  const count = curve.x.length;
  if (count <= most) return curve;
  const at = Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / (most - 1)));
  return { x: at.map((i) => curve.x[i]), y: at.map((i) => curve.y[i]) };
}

function indexOf(x, wanted) {
  let [low, high] = [0, x.length - 1];
  if (x[wanted - 1] === wanted) return wanted - 1; // nothing was thinned
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (x[middle] === wanted) return middle;
    if (x[middle] < wanted) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
