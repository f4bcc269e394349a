// One run: how it ended and why, its configuration, its metrics, its logs and files.

import { filePath, getJson, getText, post, runPath } from "./api.js";
import { fail, setLink } from "./app.js";
import { colour, el, replace } from "./dom.js";
import { bytes, clock, flat, number, seconds } from "./format.js";
import { ENDED } from "./model.js";
import { plotMenu } from "./save.js";
import { cancelButton } from "./sweep.js";

const LOOK_MS = 1000;
const TAIL = 64 * 1024; // of a log: what is shown at first
const MOST_TEXT = 1 << 20;
const PICTURES = /\.(png|jpe?g|gif|webp)$/i;

export function showRun(main, name, number_) {
  const [facts, plots, logs, files] = [el("section", { class: "head" }), el("div", { class: "plots" }), el("div"), el("section", { class: "panel" })];
  replace(main, facts, plots, logs, files);
  const drawn = new Map();
  const tails = ["stdout.log", "stderr.log"].map((file) => new Tail(name, number_, file));
  replace(logs, tails.map((tail) => tail.node));
  let [timer, isLeft, last] = [null, false, ""];

  const look = async () => {
    try {
      const run = await getJson(runPath(name, number_));
      if (isLeft) return;
      setLink("live");
      const now = JSON.stringify(run);
      if (now !== last) {
        last = now;
        showFacts(facts, name, run);
        showFiles(files, name, run);
        showMetrics(plots, drawn, await getJson(`${runPath(name, number_)}/metrics?points=1000`));
      }
      await Promise.all(tails.map((tail) => tail.follow()));
      if (!ENDED.has(run.status) && !isLeft) timer = setTimeout(look, LOOK_MS);
    } catch (error) {
      if (!isLeft) fail(error);
    }
  };
  look();
  const repaint = () => {
    for (const plot of drawn.values()) plot.destroy();
    drawn.clear();
    replace(plots);
    last = "";
    look();
  };
  window.addEventListener("themechange", repaint);
  return () => {
    isLeft = true;
    clearTimeout(timer);
    window.removeEventListener("themechange", repaint);
    for (const plot of drawn.values()) plot.destroy();
  };
}

function showFacts(node, name, run) {
  const fact = (title, value) => (value === null || value === "" ? [] : [el("dt", {}, title), el("dd", {}, value)]);
  replace(
    node,
    el(
      "div",
      { class: "bar" },
      el("h1", {}, `Run ${run.number}`),
      el("span", { class: `badge ${run.status}` }, run.status),
      ENDED.has(run.status)
        ? null
        : cancelButton(`Cancel run ${run.number}?`, "cancel run", () => post(`${runPath(name, run.number)}/cancel`)),
    ),
    el(
      "dl",
      { class: "facts" },
      fact("value", run.value === null ? null : `${number(run.value, 8)}${run.interval ? ` at interval ${run.interval}` : ""}`),
      fact("why it ended", run.reason),
      fact("started", clock(run.started)),
      fact("ended", run.ended ? clock(run.ended) : null),
      fact("time", seconds(run.duration_s)),
      fact("attempt", run.attempt > 1 ? String(run.attempt) : null),
      fact("devices", run.devices.join(", ")),
      fact("exit code", run.exit_code ? String(run.exit_code) : null),
      fact("signal", run.signal),
      fact("report lines refused", run.dropped_reports ? String(run.dropped_reports) : null),
    ),
    el("h2", {}, "Configuration"),
    el("dl", { class: "facts" }, Object.entries(flat(run.configuration)).flatMap(([key, value]) => [el("dt", {}, key), el("dd", {}, exact(value))])),
  );
}

// With all digits: it is there to be copied.
function exact(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function showMetrics(node, drawn, series) {
  for (const [name, points] of Object.entries(series)) {
    const xs = points.map(([interval, step]) => step ?? interval);
    const isRising = xs.every((x, i) => i === 0 || x > xs[i - 1]); // steps may repeat after a restart of the script
    const data = [isRising ? xs : points.map(([interval]) => interval), points.map(([, , value]) => value)];
    const before = drawn.get(name);
    if (before) {
      before.setData(data);
      continue;
    }
    const box = el("div", { class: "plot", role: "img", "aria-label": `Curve of ${name}` });
    const panel = el(
      "section",
      { class: "panel" },
      el("div", { class: "bar" }, el("h2", {}, name), plotMenu("metric", () => drawn.get(name)?.ctx.canvas)),
      box,
    );
    node.append(panel);
    const axis = { stroke: colour("quiet"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") } };
    const plot = new uPlot(
      {
        width: box.clientWidth,
        height: 220,
        legend: { show: false },
        scales: { x: { time: false } },
        axes: [axis, { ...axis, size: 64, values: (_, splits) => splits.map((split) => number(split, 5)) }],
        series: [{}, { stroke: colour("accent"), width: 2, points: { show: points.length < 40, size: 5 } }],
      },
      data,
      box,
    );
    drawn.set(name, plot);
  }
}

function showFiles(node, name, run) {
  const rows = run.files.map((file) => {
    const path = filePath(name, run.number, file.name);
    return el(
      "tr",
      {},
      el("td", {}, el("a", { href: path, target: "_blank", rel: "noopener" }, file.name)),
      el("td", { class: "number" }, bytes(file.bytes)),
      el("td", {}, PICTURES.test(file.name) ? el("img", { src: path, alt: file.name, loading: "lazy", class: "thumb" }) : null),
    );
  });
  replace(node, el("h2", {}, "Files"), el("table", { class: "plain" }, el("tbody", {}, rows)));
}

// The end of a log, which follows what is appended to it.
class Tail {
  constructor(name, run, file) {
    this.path = filePath(name, run, file);
    this.offset = null;
    this.pre = el("pre", { class: "log", tabindex: 0, role: "log", "aria-label": file });
    this.note = el("span", { class: "quiet" });
    this.node = el("section", { class: "panel" }, el("div", { class: "bar" }, el("h2", {}, file), this.note), this.pre);
  }

  async follow() {
    try {
      if (this.offset === null) {
        const { size } = await getText(this.path, 0, 1);
        this.offset = Math.max(0, size - TAIL);
        if (this.offset) this.note.textContent = `the last ${bytes(size - this.offset)} of ${bytes(size)}`;
      }
      for (;;) {
        const { text: more, size } = await getText(this.path, this.offset, 1 << 20);
        if (!more || size <= this.offset) break;
        const isAtEnd = this.pre.scrollHeight - this.pre.scrollTop - this.pre.clientHeight < 40;
        this.pre.append(more);
        this.offset = Math.min(size, this.offset + (1 << 20));
        while (this.pre.childNodes.length > 1 && this.pre.textContent.length > MOST_TEXT) this.pre.firstChild.remove();
        if (isAtEnd) this.pre.scrollTop = this.pre.scrollHeight;
      }
    } catch {
      // not there yet
    }
    this.node.hidden = !this.pre.firstChild;
  }
}
