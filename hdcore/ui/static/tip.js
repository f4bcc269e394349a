// What stands beside the pointer over a plot: the run that it means.

import { el, replace } from "./dom.js";
import { number, text } from "./format.js";

const MOST = 12; // parameters

export class Tip {
  constructor(model) {
    this.model = model;
    this.node = el("div", { class: "tip", hidden: true });
  }

  // At a place in pixels of the box that holds the tip.
  show(x, y, width, run, line) {
    if (!run) {
      this.node.hidden = true;
      return;
    }
    const key = `${run.number} ${line}`;
    if (this.key !== key) {
      this.key = key;
      const configuration = Object.entries(run.flat).slice(0, MOST);
      replace(
        this.node,
        el("strong", {}, `run ${run.number}`),
        el("span", { class: run.status }, ` ${run.status}`),
        el("div", {}, line),
        el("dl", {}, configuration.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, typeof value === "number" ? number(value) : text(value))])),
      );
    }
    this.node.hidden = false;
    const isRight = x > width / 2;
    this.node.style.left = isRight ? "" : `${x + 14}px`;
    this.node.style.right = isRight ? `${width - x + 14}px` : "";
    this.node.style.top = `${Math.max(4, y - 20)}px`;
  }
}
