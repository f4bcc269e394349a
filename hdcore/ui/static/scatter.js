// Two quantities of the runs against each other, with a third as colour.

import { el, fit, perFrame, replace, say } from "./dom.js";
import { number, text } from "./format.js";
import { dot, drawFrame, inner } from "./frame.js";
import { place, ticks } from "./model.js";
import { screenColours, STEPS } from "./palette.js";
import { plotMenu } from "./save.js";
import { Tip } from "./tip.js";

const HEIGHT = 300;
const VALUE = "\0value"; // no parameter has this name
const MANY = 2000; // dots: smaller ones then

export class Scatter {
  pictureHeight = 420;

  constructor(model) {
    this.model = model;
    this.tip = new Tip(model);
    this.canvas = el("canvas", {
      role: "img",
      tabindex: 0,
      onpointermove: (event) => this.point(event),
      onpointerleave: () => this.mark(null),
      onclick: () => this.open(),
      onkeydown: (event) => this.key(event),
    });
    this.box = el("div", { class: "plot over" }, this.canvas, this.tip.node);
    this.heard = el("span", { class: "unseen", "aria-live": "polite" });
    const select = (label) => el("select", { "aria-label": label, onchange: (event) => this.chosen(event.target) });
    [this.chooseY, this.chooseX, this.chooseColour] = ["Vertical axis", "Horizontal axis", "Colour"].map(select);
    this.node = el(
      "section",
      { class: "panel", "aria-label": "Scatter" },
      el(
        "div",
        { class: "bar" },
        el("h2", {}, "Scatter"),
        el("span", { class: "choices" }, this.chooseY, " over ", this.chooseX, " coloured by ", this.chooseColour),
        this.heard,
        plotMenu(this),
      ),
      this.box,
    );
    this.refresh = perFrame(() => this.work());
    this.resize = new ResizeObserver(this.refresh);
    this.resize.observe(this.box);
  }

  title() {
    return `${this.model.name}: ${this.names().slice(0, 2).join(" over ")}`;
  }

  describe() {
    const [y, x, colour] = this.names();
    return `Scatter plot of ${this.dots?.length ?? 0} runs: ${y} over ${x}, coloured by ${colour}. The table of runs has the values.`;
  }

  close() {
    this.resize.disconnect();
  }

  names() {
    return [this.chooseY, this.chooseX, this.chooseColour].map(({ value }) => (value === VALUE ? this.model.metric : value));
  }

  chosen(choice) {
    choice.dataset.chosen = choice.value;
    this.work();
  }

  fill(choice, wanted) {
    const names = [...this.model.parameters.map((parameter) => parameter.name), VALUE];
    const key = [...names, this.model.metric].join("\n");
    if (choice.dataset.names === key) return;
    const before = choice.dataset.chosen; // by the user
    choice.dataset.names = key;
    replace(choice, names.map((name) => el("option", { value: name }, name === VALUE ? this.model.metric : name)));
    choice.value = names.includes(before) ? before : wanted;
  }

  axis(name) {
    if (name !== VALUE) return this.model.parameters.find((parameter) => parameter.name === name);
    let [low, high] = [Infinity, -Infinity];
    for (const { value } of this.runs) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
    return { name: VALUE, scale: "linear", low, high };
  }

  // The runs are others, not only which of them the brushes leave.
  invalidate() {
    this.placed = null;
    this.refresh();
  }

  work() {
    this.fill(this.chooseX, this.model.parameters[0]?.name ?? VALUE);
    this.fill(this.chooseY, VALUE);
    this.fill(this.chooseColour, VALUE);
    const { model } = this;
    const width = this.box.clientWidth;
    const key = [width, ...[this.chooseY, this.chooseX, this.chooseColour].map(({ value }) => value)].join("\n");
    if (this.placed?.key !== key) {
      this.runs = model.list.filter((run) => run.value !== null);
      this.placed = { key, dots: this.layOut(width, HEIGHT) };
    }
    const shown = model.mask === null ? this.placed.dots : this.placed.dots.filter(({ run }) => model.isShown(run));
    const stride = model.isMoving ? Math.ceil(shown.length / MANY) : 1;
    this.dots = stride > 1 ? shown.filter((_, i) => i % stride === 0) : shown;
    if (!model.isMoving) this.canvas.setAttribute("aria-label", this.describe());
    this.drawAll(fit(this.canvas, width, HEIGHT), width, HEIGHT, screenColours());
  }

  // Where the dots of all runs are: [{run, x, y, good}, ...].
  layOut(width, height) {
    if (!this.runs?.length) return [];
    const box = inner(width, height);
    const [ay, ax, colour] = [this.chooseY, this.chooseX, this.chooseColour].map(({ value }) => this.axis(value));
    const at = (axis, run) => place(axis, axis.name === VALUE ? run.value : run.flat[axis.name]);
    // Options are spread out a little, always the same for a run, so that dots do not hide each other.
    const jitter = (axis, run, salt) =>
      axis.scale === "category" ? ((((run.number + 1) * salt) % 97) / 97 - 0.5) * (0.6 / axis.values.length) : 0;
    const dots = [];
    for (const run of this.runs) {
      const [px, py, tone] = [at(ax, run), at(ay, run), at(colour, run)];
      if (px === null || py === null || tone === null) continue;
      const good = colour.name === VALUE && this.model.sign < 0 ? 1 - tone : tone;
      dots.push({ run, good, x: box.left + (px + jitter(ax, run, 41)) * box.width, y: box.top + (1 - py - jitter(ay, run, 53)) * box.height });
    }
    return dots;
  }

  drawAll(context, width, height, colours, dots = this.dots) {
    if (!dots.length) return;
    const label = (axis, value) => (axis.scale === "category" ? text(value) : number(value, 3));
    const [ay, ax] = [this.chooseY, this.chooseX].map(({ value }) => {
      const axis = this.axis(value);
      const title = value === VALUE ? this.model.metric : axis.name;
      return { title, ticks: ticks(axis).map(([at, tick]) => [at, label(axis, tick)]) };
    });
    drawFrame(context, inner(width, height), ax, ay, colours);
    // One path a shade, the best ones last and so on top.
    const shades = Array.from({ length: STEPS }, () => []);
    for (const one of dots) shades[Math.max(0, Math.min(STEPS - 1, Math.floor(one.good * STEPS)))].push(one);
    const isMany = dots.length > MANY;
    context.globalAlpha = isMany ? 0.6 : 0.85;
    shades.forEach((some, i) => {
      context.fillStyle = colours.shades[i];
      if (isMany) {
        for (const { x, y } of some) context.fillRect(x - 1.5, y - 1.5, 3, 3);
        return;
      }
      context.beginPath();
      for (const { x, y } of some) dot(context, x, y, 3.5);
      context.fill();
    });
    context.globalAlpha = 1;
    const best = dots.find(({ run }) => run.number === this.model.head?.best_run);
    for (const [one, radius, fill] of [[best, 6, colours.best], [this.near, 5, colours.text]]) {
      if (!one || !dots.includes(one)) continue;
      context.fillStyle = fill;
      context.beginPath();
      dot(context, one.x, one.y, radius);
      context.fill();
    }
  }

  paint(context, width, height, colours) {
    this.drawAll(context, width, height, colours, this.layOut(width, height).filter(({ run }) => this.model.isShown(run)));
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    let [nearest, found] = [12, null];
    for (const one of this.dots ?? []) {
      const distance = Math.hypot(left - one.x, top - one.y);
      if (distance < nearest) [nearest, found] = [distance, one];
    }
    this.mark(found);
  }

  mark(found) {
    this.canvas.style.cursor = found ? "pointer" : "";
    this.tip.show(found?.x, found?.y, this.box.clientWidth, found?.run, `${this.model.metric} ${number(found?.run.value, 6)}`);
    if (this.near?.run === found?.run) return;
    this.near = found;
    this.drawAll(fit(this.canvas, this.box.clientWidth, HEIGHT), this.box.clientWidth, HEIGHT, screenColours());
  }

  open() {
    if (this.near) location.hash = `#/${encodeURIComponent(this.model.name)}/${this.near.run.number}`;
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step && this.dots?.length) {
      const across = [...this.dots].sort((a, b) => a.x - b.x || a.run.number - b.run.number);
      const at = across.findIndex(({ run }) => run === this.near?.run);
      this.mark(across[Math.max(0, Math.min(across.length - 1, at + step))]);
      say(this.heard, `run ${this.near.run.number}, ${number(this.near.run.value, 6)}`);
    } else if (event.key === "Enter") this.open();
    else if (event.key === "Escape") this.mark(null);
    else return;
    event.preventDefault();
  }
}
