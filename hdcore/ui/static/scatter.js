// Two quantities of the runs against each other, with a third as colour.

import { colour, el, fit, perFrame, replace } from "./dom.js";
import { number, text } from "./format.js";
import { place, ticks } from "./model.js";
import { shadeOf } from "./parallel.js";
import { plotMenu } from "./save.js";

const HEIGHT = 300;
const ROOM = { left: 64, right: 16, top: 12, bottom: 40 };
const VALUE = "\0value"; // no parameter has this name

export class Scatter {
  constructor(model) {
    this.model = model;
    this.canvas = el("canvas", { role: "img", "aria-label": "Scatter plot of the runs" });
    this.canvas.addEventListener("pointermove", (event) => this.point(event));
    this.canvas.addEventListener("click", () => {
      if (this.near) location.hash = `#/${encodeURIComponent(model.name)}/${this.near.number}`;
    });
    this.box = el("div", { class: "plot" }, this.canvas);
    this.say = el("span", { class: "quiet" });
    const select = (label) =>
      el("select", {
        "aria-label": label,
        onchange: (event) => {
          event.target.dataset.chosen = event.target.value;
          this.work();
        },
      });
    this.chooseX = select("Horizontal axis");
    this.chooseY = select("Vertical axis");
    this.node = el(
      "section",
      { class: "panel" },
      el("div", { class: "bar" }, el("h2", {}, "Scatter"), this.chooseY, "over", this.chooseX, this.say, plotMenu("scatter", () => this.canvas)),
      this.box,
    );
    this.refresh = perFrame(() => this.work());
    this.resize = new ResizeObserver(() => this.refresh());
    this.resize.observe(this.box);
  }

  close() {
    this.resize.disconnect();
  }

  fill(choice, wanted) {
    const names = [...this.model.parameters.map((parameter) => parameter.name), VALUE];
    const key = names.join("\n");
    if (choice.dataset.names === key) return;
    const before = choice.dataset.chosen; // by the user
    choice.dataset.names = key;
    const metric = this.model.head?.primary_metric ?? "value";
    replace(choice, names.map((name) => el("option", { value: name }, name === VALUE ? metric : name)));
    choice.value = names.includes(before) ? before : wanted;
  }

  axis(name) {
    if (name !== VALUE) return this.model.parameters.find((parameter) => parameter.name === name);
    const values = this.runs.map((run) => run.value).sort((a, b) => a - b);
    return { name: VALUE, scale: "linear", low: values[0], high: values[values.length - 1] };
  }

  work() {
    const first = this.model.parameters[0]?.name ?? VALUE;
    this.fill(this.chooseX, first);
    this.fill(this.chooseY, VALUE);
    const context = fit(this.canvas, this.box.clientWidth, HEIGHT);
    this.runs = this.model.list.filter((run) => run.value !== null && this.model.isShown(run.number));
    this.dots = [];
    if (!this.runs.length) return;
    const [ax, ay] = [this.axis(this.chooseX.value), this.axis(this.chooseY.value)];
    const at = (axis, run) => place(axis, axis.name === VALUE ? run.value : run.flat[axis.name]);
    const wide = this.box.clientWidth - ROOM.left - ROOM.right;
    const tall = HEIGHT - ROOM.top - ROOM.bottom;
    this.frame(context, ax, ay, wide, tall);
    const byValue = [...this.runs].sort((a, b) => (a.value - b.value) * this.model.sign);
    byValue.forEach((run, rank) => {
      const [px, py] = [at(ax, run), at(ay, run)];
      if (px === null || py === null) return;
      // Options are spread out a little, always the same for a run, so that dots do not hide each other.
      const jitter = (axis, salt) =>
        axis.scale === "category" ? ((((run.number + 1) * salt) % 97) / 97 - 0.5) * (0.6 / axis.values.length) : 0;
      const dot = {
        run,
        x: ROOM.left + (px + jitter(ax, 41)) * wide,
        y: ROOM.top + (1 - py - jitter(ay, 53)) * tall,
      };
      this.dots.push(dot);
      context.fillStyle = shadeOf(rank / Math.max(1, byValue.length - 1));
      context.globalAlpha = byValue.length > 2000 ? 0.5 : 0.85;
      context.beginPath();
      context.arc(dot.x, dot.y, run.number === this.model.head?.best_run ? 6 : byValue.length > 2000 ? 2 : 3.5, 0, 7);
      context.fill();
    });
    context.globalAlpha = 1;
  }

  frame(context, ax, ay, wide, tall) {
    const name = (axis) => (axis.name === VALUE ? this.model.head.primary_metric : axis.name);
    const label = (axis, value) => (axis.scale === "category" ? text(value) : number(value, 3));
    context.font = "12px system-ui, sans-serif";
    context.strokeStyle = colour("line");
    context.fillStyle = colour("quiet");
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const [at, value] of ticks(ax)) {
      const x = ROOM.left + at * wide;
      context.beginPath();
      context.moveTo(x, ROOM.top);
      context.lineTo(x, ROOM.top + tall);
      context.stroke();
      context.fillText(label(ax, value), x, ROOM.top + tall + 5);
    }
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const [at, value] of ticks(ay)) {
      const y = ROOM.top + (1 - at) * tall;
      context.beginPath();
      context.moveTo(ROOM.left, y);
      context.lineTo(ROOM.left + wide, y);
      context.stroke();
      context.fillText(label(ay, value).slice(0, 9), ROOM.left - 6, y);
    }
    context.fillStyle = colour("text");
    context.textAlign = "center";
    context.fillText(name(ax), ROOM.left + wide / 2, HEIGHT - 9);
    context.save();
    context.translate(10, ROOM.top + tall / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(name(ay), 0, 0);
    context.restore();
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    let nearest = 12;
    this.near = null;
    for (const { run, x, y } of this.dots ?? []) {
      const distance = Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y);
      if (distance < nearest) [nearest, this.near] = [distance, run];
    }
    this.canvas.style.cursor = this.near ? "pointer" : "";
    this.say.textContent = this.near ? `run ${this.near.number}: ${number(this.near.value, 6)}` : "";
  }
}
