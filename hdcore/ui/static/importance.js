// Which parameters tell the best runs from the others.

import { getJson, sweepPath } from "./api.js";
import { el, replace } from "./dom.js";

const LOOK_MS = 3000;

export class Importance {
  constructor(model) {
    this.model = model;
    this.bars = el("dl", { class: "bars" });
    this.say = el("span", { class: "quiet" });
    this.node = el("section", { class: "panel" }, el("div", { class: "bar" }, el("h2", {}, "Importance"), this.say), this.bars);
    this.asked = 0;
  }

  close() {
    clearTimeout(this.timer);
  }

  // The server computes it; a sweep that changes all the time is asked about now and then.
  refresh() {
    if (this.timer) return;
    const wait = Math.max(0, this.asked + LOOK_MS - Date.now());
    this.timer = setTimeout(async () => {
      this.asked = Date.now();
      try {
        const found = await getJson(`${sweepPath(this.model.name)}/importance`);
        this.show(found);
      } finally {
        this.timer = null;
      }
    }, wait);
  }

  show({ runs, good_runs: good, importance }) {
    const shares = Object.entries(importance);
    const largest = Math.max(...shares.map(([, share]) => share), 0);
    this.say.textContent = largest ? `what tells the best ${good} from all ${runs} runs` : "not enough runs yet";
    replace(
      this.bars,
      shares.flatMap(([name, share]) => {
        const bar = el("span", { class: "fill" });
        bar.style.width = `${largest ? (100 * share) / largest : 0}%`;
        return [el("dt", {}, name), el("dd", {}, el("span", { class: "track" }, bar), `${Math.round(100 * share)} %`)];
      }),
    );
  }
}
