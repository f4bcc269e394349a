// The table of runs: sorted, filtered, and only the rows that are in sight exist.

import { el, perFrame, replace } from "./dom.js";
import { number, seconds, text } from "./format.js";

const ROW = 28; // pixels; style.css has the same
const SPARE = 8;

export class RunTable {
  constructor(model) {
    this.model = model;
    this.order = { by: "value", isUp: false };
    this.filter = "";
    this.search = el("input", {
      type: "search",
      placeholder: "filter: Failed, adam, lr<0.01 …",
      "aria-label": "Filter the runs",
      oninput: () => {
        this.filter = this.search.value;
        this.refresh();
      },
    });
    this.count = el("span", { class: "quiet", "aria-live": "polite" });
    this.headRow = el("tr");
    this.body = el("tbody");
    this.above = el("tr", { class: "room", "aria-hidden": "true" }, el("td"));
    this.below = el("tr", { class: "room", "aria-hidden": "true" }, el("td"));
    this.table = el("table", { class: "runs" }, el("thead", {}, this.headRow), this.body);
    this.scroller = el("div", { class: "scroller", tabindex: 0, role: "region", "aria-label": "Runs" }, this.table);
    this.scroller.addEventListener("scroll", perFrame(() => this.draw()));
    this.node = el("section", { class: "panel" }, el("div", { class: "bar" }, el("h2", {}, "Runs"), this.search, this.count), this.scroller);
    this.refresh = perFrame(() => this.work());
  }

  columns() {
    const { head, parameters } = this.model;
    const of = (name, title, get, show, kind) => ({ name, title, get, show, kind });
    return [
      of("number", "run", (run) => run.number, (run) => String(run.number), "number"),
      of("value", head?.primary_metric ?? "value", (run) => run.value, (run) => number(run.value, 6), "number"),
      of("status", "status", (run) => run.status, (run) => run.status, "status"),
      of("intervals", "reports", (run) => run.intervals, (run) => String(run.intervals), "number"),
      of("duration_s", "time", (run) => run.duration_s, (run) => seconds(run.duration_s), "number"),
      of("devices", "devices", (run) => run.devices.join(" "), (run) => run.devices.join(" "), "text"),
      ...parameters.map((parameter) =>
        of(
          `p.${parameter.name}`,
          parameter.name,
          (run) => run.flat[parameter.name],
          (run) => (parameter.name in run.flat ? text(run.flat[parameter.name]) : ""),
          parameter.scale === "category" ? "text" : "number",
        ),
      ),
      of("reason", "reason", (run) => run.reason, (run) => run.reason ?? "", "text"),
    ].filter((column) => column.name !== "devices" || this.model.list.some((run) => run.devices.length));
  }

  work() {
    this.shown = this.columns();
    const keep = parseFilter(this.filter, this.shown);
    const rows = this.model.list.filter((run) => this.model.isShown(run.number) && keep(run));
    const { get } = this.shown.find((column) => column.name === this.order.by) ?? this.shown[0];
    const up = this.order.isUp ? 1 : -1;
    rows.sort((a, b) => compare(get(a), get(b), up) || a.number - b.number);
    this.rows = rows;
    const all = this.model.list.length;
    this.count.textContent = rows.length === all ? `${all} runs` : `${rows.length} of ${all} runs`;
    this.drawHead();
    this.drawn = null;
    this.draw();
  }

  // The goal decides which end comes first when the metric's column is chosen.
  sortBy(name) {
    const first = name === "value" ? this.model.sign < 0 : true;
    this.order = { by: name, isUp: this.order.by === name ? !this.order.isUp : first };
    this.isSorted = true;
    this.refresh();
  }

  drawHead() {
    if (!this.isSorted) this.order.isUp = this.model.sign < 0;
    const titles = this.shown.map((column) => {
      const isBy = column.name === this.order.by;
      const sort = isBy ? (this.order.isUp ? "ascending" : "descending") : "none";
      const mark = isBy ? (this.order.isUp ? " ▲" : " ▼") : "";
      return el(
        "th",
        { scope: "col", "aria-sort": sort, class: column.kind },
        el("button", { type: "button", onclick: () => this.sortBy(column.name) }, column.title + mark),
      );
    });
    const key = this.shown.map((column) => column.title).join("\0") + JSON.stringify(this.order);
    if (key !== this.headKey) replace(this.headRow, titles);
    this.headKey = key;
  }

  draw() {
    if (!this.rows) return;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / ROW) - SPARE);
    const last = Math.min(this.rows.length, first + Math.ceil(this.scroller.clientHeight / ROW) + 2 * SPARE);
    if (this.drawn && this.drawn[0] === first && this.drawn[1] === last) return;
    this.drawn = [first, last];
    this.above.firstChild.style.height = `${first * ROW}px`;
    this.below.firstChild.style.height = `${(this.rows.length - last) * ROW}px`;
    replace(this.body, this.above, this.rows.slice(first, last).map((run) => this.row(run)), this.below);
  }

  row(run) {
    const { name, head } = this.model;
    const cells = this.shown.map((column) => {
      const shown = column.show(run);
      const content =
        column.name === "number" ? el("a", { href: `#/${encodeURIComponent(name)}/${run.number}` }, shown) : shown;
      const kind = column.kind === "status" ? run.status : column.kind;
      return el("td", { class: kind, title: shown.length > 14 ? shown : null }, content);
    });
    return el("tr", { class: head?.best_run === run.number ? "best" : null, dataset: { run: run.number } }, cells);
  }
}

function compare(a, b, up) {
  const isLast = (value) => value === null || value === undefined || value === "";
  if (isLast(a) || isLast(b)) return isLast(a) - isLast(b); // what is missing stands at the end either way
  if (typeof a === "number" && typeof b === "number") return (a - b) * up;
  return String(a).localeCompare(String(b), undefined, { numeric: true }) * up;
}

// Words that all have to occur in a row, and comparisons like lr<0.01 or accuracy>=0.9.
export function parseFilter(line, columns) {
  const tests = line
    .trim()
    .split(/\s+/)
    .filter(Boolean)
    .map((word) => {
      const found = /^(.+?)(<=|>=|=|<|>)(.+)$/.exec(word);
      const column = found && columns.find(({ title, name }) => title === found[1] || name === found[1]);
      if (column) {
        const [bound, isNumber] = [Number(found[3]), !Number.isNaN(Number(found[3]))];
        return (run) => {
          const value = column.get(run);
          if (value === null || value === undefined) return false;
          if (found[2] === "=") return isNumber ? value === bound : String(value) === found[3];
          if (typeof value !== "number") return false;
          return { "<": value < bound, ">": value > bound, "<=": value <= bound, ">=": value >= bound }[found[2]];
        };
      }
      const wanted = word.toLowerCase();
      return (run) => columns.some(({ show }) => show(run).toLowerCase().includes(wanted));
    });
  return (run) => tests.every((test) => test(run));
}
