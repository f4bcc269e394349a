// Brushes on the axes of a plot: each axis has a strip that takes the pointer, a finger or the keyboard.

import { el } from "./dom.js";
import { number, text } from "./format.js";
import { place, valueAt } from "./model.js";

const GRIP = 18; // half the width of a strip
const LEAST = 0.005; // of an axis: a shorter drag is a click, which takes the brush away
const STEP = 0.05;

export class Brushes {
  // `changed` is called when a brush was set, moved or taken away.
  constructor(changed) {
    this.changed = changed;
    this.ranges = new Map(); // axis name -> [low, high], places 0 to 1
    this.node = el("div", { class: "strips" });
    this.strips = [];
    this.isMoving = false;
  }

  get isEmpty() {
    return this.ranges.size === 0;
  }

  get(name) {
    return this.ranges.get(name);
  }

  set(name, range) {
    if (range) this.ranges.set(name, range);
    else this.ranges.delete(name);
    this.describe();
    this.changed();
  }

  forget() {
    if (this.isEmpty) return;
    this.ranges.clear();
    this.describe();
    this.changed();
  }

  // What the brushes demand, for people: "lr 0.001 to 0.01, optimizer adam".
  words() {
    return this.axes.filter((axis) => this.ranges.has(axis.name)).map((axis) => `${axis.name} ${this.span(axis)}`).join(", ");
  }

  span(axis) {
    const range = this.ranges.get(axis.name);
    if (!range) return "all values";
    if (axis.scale === "category") {
      const inside = axis.values.filter((value) => range[0] <= place(axis, value) && place(axis, value) <= range[1]);
      return inside.map(text).join(" or ") || "none";
    }
    const [low, high] = range.map((at) => number(valueAt(axis, Math.min(1, Math.max(0, at))), 3));
    return low === high ? low : `${low} to ${high}`;
  }

  setAxes(axes) {
    const isSame = this.axes?.length === axes.length && axes.every((axis, j) => axis.name === this.axes[j].name);
    this.axes = axes;
    for (const name of this.ranges.keys()) if (!axes.some((axis) => axis.name === name)) this.ranges.delete(name);
    if (!isSame) {
      this.strips = axes.map((_, j) => this.strip(j));
      this.node.replaceChildren(...this.strips);
    }
    this.describe();
  }

  strip(j) {
    let drag = null;
    const end = () => {
      if (!drag) return;
      drag = null;
      this.isMoving = false;
      this.changed();
    };
    const node = el("div", {
      class: "strip",
      tabindex: 0,
      role: "slider",
      "aria-orientation": "vertical",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      onpointerdown: (event) => {
        node.setPointerCapture(event.pointerId);
        const [at, old] = [this.at(event), this.ranges.get(this.axes[j].name)];
        // Inside a brush the drag moves it, elsewhere it begins a new one.
        drag = { from: at, moved: old && at > old[0] && at < old[1] ? old : null };
        this.isMoving = true;
        if (!drag.moved) this.set(this.axes[j].name, null);
      },
      onpointermove: (event) => {
        if (!drag) return;
        const at = this.at(event);
        const range = drag.moved
          ? drag.moved.map((end) => end + at - drag.from)
          : [Math.min(drag.from, at), Math.max(drag.from, at)];
        if (range[1] - range[0] > LEAST) this.set(this.axes[j].name, range);
      },
      onpointerup: () => end(),
      onpointercancel: () => end(),
      ondblclick: () => this.forget(),
      onkeydown: (event) => this.key(event, j),
    });
    return node;
  }

  at(event) {
    const box = event.currentTarget.getBoundingClientRect();
    const room = box.height - this.over - this.under;
    return Math.min(1, Math.max(0, (box.bottom - this.under - event.clientY) / room));
  }

  layOut({ x, height }, top, bottom) {
    this.over = Math.min(8, top); // the strip reaches a little beyond the ends of its axis
    this.under = Math.min(8, bottom);
    this.strips.forEach((strip, j) => {
      strip.style.left = `${x(j) - GRIP}px`;
      strip.style.width = `${2 * GRIP}px`;
      strip.style.top = `${top - this.over}px`;
      strip.style.height = `${height - top - bottom + this.over + this.under}px`;
    });
  }

  describe() {
    this.strips.forEach((strip, j) => {
      const axis = this.axes[j];
      const [low, high] = this.ranges.get(axis.name) ?? [0, 1];
      strip.setAttribute("aria-label", `Brush on ${axis.name}`);
      strip.setAttribute("aria-valuenow", Math.round(50 * (low + high)));
      strip.setAttribute("aria-valuetext", this.span(axis));
    });
  }

  key(event, j) {
    const axis = this.axes[j];
    const old = this.ranges.get(axis.name);
    const [low, high] = old ?? [0, 1];
    const step = axis.scale === "category" ? 1 / axis.values.length : STEP;
    const by = { ArrowUp: step, ArrowDown: -step }[event.key];
    if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      this.strips[j + (event.key === "ArrowLeft" ? -1 : 1)]?.focus();
    } else if (by && event.shiftKey) {
      const wider = Math.max(low + step, high + by);
      this.set(axis.name, [low, Math.min(1, wider)]);
    } else if (by && !old) this.set(axis.name, by > 0 ? [1 - step, 1] : [0, step]);
    else if (by) {
      const move = Math.max(-low, Math.min(1 - high, by));
      this.set(axis.name, [low + move, high + move]);
    } else if (event.key === "Delete" || event.key === "Backspace") this.set(axis.name, null);
    else if (event.key === "Escape") this.forget();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
