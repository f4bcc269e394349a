// One run: how it ended and why, its configuration, its metrics, its logs and files.

import { filePath, getJson, post, runPath } from "./api.js";
import { cancelButton } from "./dialog.js";
import { el, keyed, refresh, replace, say } from "./dom.js";
import { bytes, clock, flat, number, seconds } from "./format.js";
import { fail, setLink } from "./link.js";
import { MetricPlot } from "./metric.js";
import { ENDED } from "./model.js";
import { Tail } from "./tail.js";

const LOOK_MS = 1000;
const POINTS = 1000;
const PICTURES = /\.(png|jpe?g|gif|webp)$/i;

export function showRun(main, name, run) {
  const page = new RunPage(name, run);
  replace(main, page.node);
  let [timer, isLeft] = [null, false];
  const look = async () => {
    let isOver = false;
    try {
      isOver = await page.look();
      if (!isLeft) setLink("live");
    } catch (error) {
      if (isLeft) return;
      if (!page.isShown) {
        fail(main, error);
        return;
      }
      setLink("lost");
    }
    if (!isOver && !isLeft) timer = setTimeout(look, LOOK_MS);
  };
  look();
  const repaint = () => page.repaint();
  window.addEventListener("themechange", repaint);
  const go = (hash) => () => (location.hash = hash);
  return {
    keys: {
      s: go(`#/${encodeURIComponent(name)}`),
      n: go(`#/${encodeURIComponent(name)}/${run + 1}`),
      p: () => run > 0 && go(`#/${encodeURIComponent(name)}/${run - 1}`)(),
    },
    leave() {
      isLeft = true;
      clearTimeout(timer);
      window.removeEventListener("themechange", repaint);
      page.close();
    },
  };
}

class RunPage {
  constructor(name, run) {
    [this.name, this.run, this.path] = [name, run, runPath(name, run)];
    this.badge = el("span", { class: "badge", role: "status" });
    this.heard = el("span", { class: "quiet", role: "status" });
    this.cancel = cancelButton(`Cancel run ${run} of ${name}? It never starts again.`, "cancel run", () => post(`${this.path}/cancel`), (words) => say(this.heard, words));
    this.cancel.hidden = true;
    [this.facts, this.configuration] = ["how it went", "configuration"].map((label) => el("dl", { class: "facts", "aria-label": label }));
    this.reasons = el("ul", { class: "reasons" });
    this.explained = el("section", { class: "panel", "aria-label": "Explanation", hidden: true }, el("h2", {}, "How it came to be, and why it ended"), this.reasons);
    this.plots = el("div", { class: "plots" });
    this.metrics = new Map();
    this.notes = el("tbody");
    this.noted = el("section", { class: "panel", hidden: true, "aria-label": "Texts" }, el("h2", {}, "Texts"), el("table", { class: "plain" }, this.notes));
    this.tails = ["stdout.log", "stderr.log"].map((file) => [file, new Tail(name, run, file)]);
    this.files = el("tbody");
    this.filed = el("section", { class: "panel", hidden: true, "aria-label": "Files" }, el("h2", {}, "Files"), el("table", { class: "plain files" }, this.files));
    const head = el(
      "section",
      { class: "head", "aria-label": "Run" },
      el("div", { class: "bar" }, el("h1", {}, `Run ${run}`), this.badge, this.heard, this.cancel),
      el("div", { class: "pair" }, el("div", {}, this.facts), el("div", {}, el("h2", {}, "Configuration"), this.configuration)),
    );
    this.node = el("div", {}, head, this.explained, this.plots, this.noted, this.tails.map(([, tail]) => tail.node), this.filed);
    this.last = "";
  }

  // Looks at the run once; returns whether there is nothing more to come.
  async look() {
    const run = await getJson(this.path);
    const now = JSON.stringify(run);
    if (now !== this.last) {
      this.showFacts(run);
      this.showFiles(run);
      this.isShown = true;
      const [series] = await Promise.all([getJson(`${this.path}/metrics?points=${POINTS}`), this.explain()]);
      this.showMetrics(series);
      this.last = now;
    }
    const sizes = new Map(run.files.map((file) => [file.name, file.bytes]));
    await Promise.all(this.tails.map(([file, tail]) => tail.follow(sizes.get(file))));
    return ENDED.has(run.status);
  }

  async explain() {
    let lines = [];
    try {
      lines = (await getJson(`${this.path}/explain`)).lines;
    } catch {
      // there is nothing to say about this run
    }
    this.explained.hidden = lines.length === 0;
    refresh(this.reasons, lines, () => lines.map((line) => el("li", {}, line)));
  }

  showFacts(run) {
    say(this.badge, run.status);
    this.badge.className = `badge ${run.status}`;
    this.cancel.hidden = ENDED.has(run.status);
    const facts = {
      value: run.value === null ? null : `${number(run.value, 8)}${run.interval ? ` at interval ${run.interval}` : ""}`,
      "why it ended": run.reason,
      started: clock(run.started),
      ended: run.ended ? clock(run.ended) : null,
      duration: seconds(run.duration_s),
      attempt: run.attempt > 1 ? String(run.attempt) : null,
      devices: run.devices.join(", ") || "none: processor only",
      "exit code": run.exit_code ? String(run.exit_code) : null,
      signal: run.signal,
      "report lines refused": run.dropped_reports ? String(run.dropped_reports) : null,
      "log bytes dropped": run.dropped_log_bytes ? bytes(run.dropped_log_bytes) : null,
      "run id": run.id,
    };
    const shown = Object.entries(facts).filter(([, value]) => value);
    refresh(this.facts, shown, () => pairs(shown));
    const configuration = Object.entries(flat(run.configuration)).map(([key, value]) => [key, exact(value)]);
    refresh(this.configuration, configuration, () => pairs(configuration));
    const notes = Object.entries(run.notes).flatMap(([key, found]) => found.map(([step, text]) => [key, step, text]));
    this.noted.hidden = notes.length === 0;
    refresh(this.notes, notes, () =>
      notes.map(([key, step, text]) => el("tr", {}, el("td", {}, key), el("td", { class: "number" }, step === null ? "" : String(step)), el("td", { class: "long" }, String(text)))),
    );
  }

  showMetrics(series) {
    for (const [name, points] of Object.entries(series)) {
      let plot = this.metrics.get(name);
      if (!plot) {
        plot = new MetricPlot(`${this.name} run ${this.run}`, name);
        this.metrics.set(name, plot);
        this.plots.append(plot.node);
      }
      plot.take(points);
    }
  }

  showFiles(run) {
    this.filed.hidden = run.files.length === 0;
    keyed(this.files, run.files, (file) => file.name, JSON.stringify, (file) => {
      const path = filePath(this.name, this.run, file.name);
      const thumb = PICTURES.test(file.name) ? el("img", { src: path, alt: file.name, loading: "lazy", class: "thumb" }) : null;
      return el(
        "tr",
        {},
        el("td", { class: "long" }, el("a", { href: path, target: "_blank", rel: "noopener" }, file.name)),
        el("td", { class: "number" }, bytes(file.bytes)),
        el("td", {}, thumb),
      );
    });
  }

  repaint() {
    for (const plot of this.metrics.values()) plot.refresh();
  }

  close() {
    for (const plot of this.metrics.values()) plot.close();
  }
}

function pairs(list) {
  return list.flatMap(([key, value]) => [el("dt", {}, key), el("dd", {}, value)]);
}

// With all digits: it is there to be copied.
function exact(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}
