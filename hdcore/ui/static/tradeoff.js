// Settings of policies: what each would have saved against what it would have lost, with the front that none beats.

import { el, fit, perFrame, replace, say } from "./dom.js";
import { number } from "./format.js";
import { clipTo, dot, drawFrame, inner, linearAxis } from "./frame.js";
import { screenColours } from "./palette.js";
import { plotMenu } from "./save.js";

const HEIGHT = 300;
const REACH = 14; // pixels from the pointer to a dot
const ROOM = 0.06; // of the axes beyond the outermost dots

export class Tradeoff {
  pictureHeight = 420;

  // `near` is told the setting under the pointer or the keys, or null.
  constructor(name, near) {
    this.name = name;
    this.near = near;
    this.settings = [];
    this.canvas = el("canvas", {
      role: "img",
      tabindex: 0,
      "aria-describedby": "keys-tradeoff",
      onpointermove: (event) => this.point(event),
      onpointerleave: () => this.mark(null),
      onkeydown: (event) => this.key(event),
    });
    this.tip = el("div", { class: "tip", hidden: true });
    this.box = el("div", { class: "plot over" }, this.canvas, this.tip);
    this.heard = el("span", { class: "unseen", "aria-live": "polite" });
    this.left = el("span", { class: "quiet" });
    this.node = el(
      "section",
      { class: "panel", "aria-label": "Saving against loss" },
      el("div", { class: "bar" }, el("h2", {}, "Saving against loss"), this.left, this.heard, plotMenu(this)),
      el("span", { id: "keys-tradeoff", class: "unseen" }, "Left and right arrows: from setting to setting, by what they save."),
      this.box,
      el("p", { class: "quiet legend" }, key("recommended"), key("front"), key("ran"), key("other")),
    );
    this.refresh = perFrame(() => this.work());
    this.resize = new ResizeObserver(this.refresh);
    this.resize.observe(this.box);
  }

  close() {
    this.resize.disconnect();
  }

  title() {
    return `${this.name}: what policies would have saved, and lost`;
  }

  describe() {
    const front = this.settings.filter((one) => one.on_front).map((one) => words(one));
    return `${this.settings.length} settings of policies, what each saves against what it loses. The front that no other beats: ${front.join("; ") || "none"}. The table has the values.`;
  }

  // Settings in the order of what they save; those that were not tried in other start orders have no place.
  take(settings) {
    this.isTried = settings.some((one) => one.orders > 0);
    this.settings = settings.filter((one) => !this.isTried || one.kept_share !== null);
    this.settings.sort((a, b) => a.saved - b.saved || loss(a) - loss(b));
    const out = settings.length - this.settings.length;
    say(this.left, out ? `${out} settings were not tried in other start orders and are not drawn` : "");
    this.refresh();
  }

  axes() {
    const range = (values, least) => {
      const top = Math.max(least, ...values);
      return [-ROOM * top, (1 + ROOM) * top];
    };
    const x = range(this.settings.map((one) => 100 * one.saved), 10);
    const losses = this.settings.map((one) => this.lost(one));
    return { x, y: range(losses, this.isTried ? 10 : Math.max(...losses) > 0 ? 0 : 1) };
  }

  lost(setting) {
    return this.isTried ? 100 * loss(setting) : (setting.gap ?? 0);
  }

  work() {
    const width = this.box.clientWidth;
    this.canvas.setAttribute("aria-label", this.describe());
    this.dots = this.layOut(width, HEIGHT);
    this.paintDots(fit(this.canvas, width, HEIGHT), width, HEIGHT, screenColours(), this.dots);
  }

  paint(context, width, height, colours) {
    this.paintDots(context, width, height, colours, this.layOut(width, height));
  }

  layOut(width, height) {
    const box = inner(width, height);
    const { x, y } = this.axes();
    return this.settings.map((setting) => ({
      setting,
      x: box.left + ((100 * setting.saved - x[0]) / (x[1] - x[0])) * box.width,
      y: box.top + ((y[1] - this.lost(setting)) / (y[1] - y[0])) * box.height,
    }));
  }

  paintDots(context, width, height, colours, dots) {
    if (!dots.length) return;
    const box = inner(width, height);
    const { x, y } = this.axes();
    const lost = this.isTried ? "start orders that lose the best run (%)" : "loss of the best value";
    drawFrame(context, box, axis("intervals saved (%)", x), axis(lost, y), colours);
    context.save();
    clipTo(context, box);
    const front = dots.filter(({ setting }) => setting.on_front);
    context.strokeStyle = colours.accent;
    context.lineWidth = 1.5;
    context.beginPath();
    front.forEach((one, i) => {
      if (i === 0) context.moveTo(one.x, one.y);
      else {
        context.lineTo(one.x, front[i - 1].y); // less is lost only up to there
        context.lineTo(one.x, one.y);
      }
    });
    context.stroke();
    const some = (wanted, radius, colour) => {
      context.fillStyle = colour;
      context.beginPath();
      for (const one of dots) if (wanted(one)) dot(context, one.x, one.y, radius);
      context.fill();
    };
    some(({ setting }) => !setting.on_front, 3, colours.faded);
    some(({ setting }) => setting.on_front, 4, colours.accent);
    some(({ setting }) => setting.is_recommended, 7, colours.best);
    some((one) => one.setting === this.marked, 5, colours.text);
    context.strokeStyle = colours.text;
    context.lineWidth = 2;
    context.beginPath();
    for (const one of dots) if (one.setting.ran) dot(context, one.x, one.y, 8);
    context.stroke();
    context.restore();
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const [left, top] = [event.clientX - box.left, event.clientY - box.top];
    let [nearest, found] = [REACH, null];
    for (const one of this.dots ?? []) {
      const distance = Math.hypot(left - one.x, top - one.y);
      if (distance < nearest) [nearest, found] = [distance, one.setting];
    }
    this.mark(found);
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !this.settings.length) return;
    event.preventDefault();
    const at = this.settings.indexOf(this.marked);
    const next = at < 0 ? (step > 0 ? 0 : this.settings.length - 1) : Math.max(0, Math.min(this.settings.length - 1, at + step));
    this.mark(this.settings[next]);
    say(this.heard, words(this.marked));
  }

  mark(setting) {
    if (this.marked === setting) return;
    this.marked = setting;
    this.near(setting);
    this.refresh();
    const one = this.dots?.find((dot_) => dot_.setting === setting);
    this.tip.hidden = !one;
    if (!one) return;
    const width = this.box.clientWidth;
    const isRight = one.x > width / 2;
    replace(this.tip, el("strong", {}, setting.policy), el("div", {}, words(setting, false)));
    this.tip.style.left = isRight ? "" : `${one.x + 14}px`;
    this.tip.style.right = isRight ? `${width - one.x + 14}px` : "";
    this.tip.style.top = `${Math.max(4, one.y - 20)}px`;
  }
}

// Share of the start orders that lose the best run; of the record alone where none were tried.
export function loss(setting) {
  return setting.kept_share === null ? Number(!setting.best_kept) : 1 - setting.kept_share;
}

export function percent(share, digits = 0) {
  if (share === null) return "–";
  // Rounded to none or all only if it is that.
  const isShort = share === 0 || share === 1 || (share >= 0.005 && share < 0.995);
  return `${(100 * share).toFixed(isShort ? digits : 1)} %`;
}

export function kindOf(setting) {
  return [setting.is_recommended && "recommended", setting.on_front && "front", setting.ran && "ran"].filter(Boolean);
}

function words(setting, withName = true) {
  const said = [`saves ${percent(setting.saved)}`];
  said.push(setting.kept_share === null ? `${setting.best_kept ? "keeps" : "loses"} the best` : `loses the best in ${percent(loss(setting))} of the start orders`);
  if (setting.gap) said.push(`gap ${number(setting.gap, 3)}`);
  return `${withName ? `${setting.policy} ` : ""}${[...said, ...kindOf(setting)].join(", ")}`;
}

function axis(title, [low, high]) {
  const { ticks } = linearAxis(title, [low, high]);
  return { title, ticks: ticks.filter(([, label]) => !label.startsWith("-")) };
}

function key(kind) {
  const said = { recommended: "recommended", front: "no other setting saves more and loses less", ran: "the policy that ran", other: "others" };
  return el("span", { class: `key ${kind}` }, said[kind]);
}
