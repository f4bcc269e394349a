// Which parameters tell the best runs from the others.

import { getJson, sweepPath } from "./api.js";
import { el, refresh, say } from "./dom.js";
import { short } from "./frame.js";
import { plotMenu } from "./save.js";

const LOOK_MS = 3000;
const FIRST_MS = 600; // it comes after the runs and their curves
const LEAST = 2; // runs with a value, of which one can be better than the other
const ROW = 26;

export class Importance {
  constructor(model) {
    this.model = model;
    this.bars = el("dl", { class: "bars" });
    this.say = el("span", { class: "quiet" });
    this.node = el(
      "section",
      { class: "panel", "aria-label": "Importance" },
      el("div", { class: "bar" }, el("h2", {}, "Importance"), this.say, plotMenu(this)),
      this.bars,
    );
    this.asked = Date.now() + FIRST_MS - LOOK_MS;
    this.shares = [];
  }

  get pictureHeight() {
    return Math.max(120, 24 + ROW * this.shares.length);
  }

  title() {
    return `${this.model.name}: importance for ${this.model.metric}`;
  }

  describe() {
    return `Importance of the parameters: ${this.shares.map(([name, share]) => `${name} ${percent(share)}`).join(", ")}.`;
  }

  close() {
    this.isClosed = true;
    clearTimeout(this.timer);
  }

  // The server computes it; a sweep that changes all the time is asked about now and then.
  refresh() {
    if (this.timer || this.isClosed) return;
    let valued = 0;
    for (const run of this.model.list) if (run.ended && run.value !== null && run.status !== "Failed") valued += 1;
    if (valued < LEAST) {
      say(this.say, "not enough runs yet");
      return;
    }
    const wait = Math.max(0, this.asked + LOOK_MS - Date.now());
    this.timer = setTimeout(async () => {
      this.asked = Date.now();
      try {
        this.show(await getJson(`${sweepPath(this.model.name)}/importance`));
      } catch (error) {
        say(this.say, error.message);
      } finally {
        this.timer = null;
      }
    }, wait);
  }

  show({ runs, good_runs: good, importance }) {
    this.shares = Object.entries(importance).sort((a, b) => b[1] - a[1]);
    const largest = Math.max(...this.shares.map(([, share]) => share), 0);
    say(this.say, largest ? `what tells the best ${good} from all ${runs} runs` : "not enough runs yet");
    refresh(this.bars, this.shares, () =>
      this.shares.flatMap(([name, share]) => {
        const bar = el("span", { class: "fill" });
        bar.style.width = `${largest ? (100 * share) / largest : 0}%`;
        return [el("dt", {}, name), el("dd", {}, el("span", { class: "track" }, bar), el("span", { class: "share" }, percent(share)))];
      }),
    );
  }

  paint(context, width, height, colours) {
    const largest = Math.max(...this.shares.map(([, share]) => share), 0) || 1;
    context.font = "13px system-ui, sans-serif";
    context.textBaseline = "middle";
    this.shares.forEach(([name, share], i) => {
      const y = 20 + ROW * i;
      context.textAlign = "right";
      context.fillStyle = colours.text;
      context.fillText(short(context, name, 220), 236, y);
      context.fillStyle = colours.accent;
      context.fillRect(248, y - 7, Math.max(1, ((width - 330) * share) / largest), 14);
      context.textAlign = "left";
      context.fillStyle = colours.quiet;
      context.fillText(percent(share), 256 + ((width - 330) * share) / largest, y);
    });
  }
}

function percent(share) {
  return `${Math.round(100 * share)} %`;
}
