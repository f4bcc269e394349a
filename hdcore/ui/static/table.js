// The table of runs: sorted, filtered, and only the rows that are in sight exist.

import { el, keyed, perFrame, refresh, say } from "./dom.js";
import { clock, number, seconds, text } from "./format.js";
import { compare, parseFilter } from "./filter.js";

const ROW = 28; // pixels; style.css has the same
const SPARE = 8;

export class RunTable {
  constructor(model) {
    this.model = model;
    this.order = { by: "value", isUp: false };
    this.search = el("input", {
      type: "search",
      placeholder: "filter: Failed, adam, lr<0.01 …",
      "aria-label": "Filter the runs: words, and comparisons such as lr<0.01",
      oninput: () => {
        this.isStale = true;
        this.refresh();
      },
    });
    this.count = el("span", { class: "quiet", role: "status" });
    this.headRow = el("tr");
    this.body = el("tbody");
    this.table = el("table", { class: "runs" }, el("thead", {}, this.headRow), this.body);
    this.above = el("div", { class: "room", "aria-hidden": "true" });
    this.below = el("div", { class: "room", "aria-hidden": "true" });
    this.scroller = el("div", { class: "scroller", tabindex: 0, role: "region", "aria-label": "Runs" }, this.above, this.table, this.below);
    this.scroller.addEventListener("scroll", perFrame(() => this.draw()));
    this.node = el(
      "section",
      { class: "panel", "aria-label": "Runs" },
      el("div", { class: "bar" }, el("h2", {}, "Runs"), this.search, this.count),
      this.scroller,
    );
    this.refresh = perFrame(() => this.work());
    this.resize = new ResizeObserver(() => this.draw());
    this.resize.observe(this.scroller);
  }

  close() {
    this.resize.disconnect();
  }

  // The runs are others, not only which of them the brushes leave.
  invalidate() {
    this.isStale = true;
    this.refresh();
  }

  columns() {
    const { metric, parameters } = this.model;
    const of = (name, title, get, show, kind) => ({ name, title, get, show, kind });
    return [
      of("number", "run", (run) => run.number, (run) => String(run.number), "number"),
      of("value", metric, (run) => run.value, (run) => number(run.value, 6), "number"),
      of("status", "status", (run) => run.status, (run) => run.status, "status"),
      of("started", "started", (run) => run.started, (run) => clock(run.started), "text"),
      of("duration_s", "duration", (run) => run.duration_s, (run) => seconds(run.duration_s), "number"),
      of("intervals", "reports", (run) => run.intervals, (run) => String(run.intervals), "number"),
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
      of("id", "run id", (run) => run.id, (run) => run.id, "text"),
    ].filter((column) => column.name !== "devices" || this.model.list.some((run) => run.devices.length));
  }

  work() {
    if (this.isStale) this.sort();
    if (!this.sorted) return;
    const { mask, list } = this.model;
    this.rows = mask === null ? this.sorted : this.sorted.filter((run) => mask[run.index] === 1);
    const all = list.length;
    say(this.count, this.rows.length === all ? `${all} runs` : `${this.rows.length} of ${all} runs`);
    this.draw();
  }

  sort() {
    this.isStale = false;
    this.shown = this.columns();
    const keep = parseFilter(this.search.value, this.shown);
    const rows = this.model.list.filter(keep);
    if (!this.isSorted) this.order.isUp = this.model.sign < 0;
    const { get } = this.shown.find((column) => column.name === this.order.by) ?? this.shown[0];
    const up = this.order.isUp ? 1 : -1;
    const keys = new Map(rows.map((run) => [run, get(run)]));
    this.sorted = rows.sort((a, b) => compare(keys.get(a), keys.get(b), up) || a.number - b.number);
    this.table.setAttribute("aria-colcount", this.shown.length);
    this.drawHead();
  }

  // The goal decides which end comes first when the metric's column is chosen.
  sortBy(name) {
    const first = name === "value" ? this.model.sign < 0 : true;
    this.order = { by: name, isUp: this.order.by === name ? !this.order.isUp : first };
    this.isSorted = true;
    this.isStale = true;
    this.scroller.scrollTop = 0;
    this.work();
    this.headRow.querySelector("[aria-sort]:not([aria-sort=none]) button")?.focus({ preventScroll: true });
  }

  drawHead() {
    refresh(this.headRow, [this.shown.map(({ title, kind }) => [title, kind]), this.order], () =>
      this.shown.map((column) => {
        const isBy = column.name === this.order.by;
        const sort = isBy ? (this.order.isUp ? "ascending" : "descending") : "none";
        const mark = isBy ? el("span", { "aria-hidden": "true" }, this.order.isUp ? " ▲" : " ▼") : null;
        return el(
          "th",
          { scope: "col", "aria-sort": sort, class: column.kind },
          el("button", { type: "button", title: column.title, onclick: () => this.sortBy(column.name) }, el("span", { class: "name" }, column.title), mark),
        );
      }),
    );
  }

  draw() {
    if (!this.rows) return;
    const { scroller, rows } = this;
    const first = Math.max(0, Math.min(Math.floor(scroller.scrollTop / ROW), rows.length) - SPARE);
    const last = Math.min(rows.length, first + Math.ceil(scroller.clientHeight / ROW) + 2 * SPARE);
    this.above.style.height = `${first * ROW}px`;
    this.below.style.height = `${(rows.length - last) * ROW}px`;
    this.table.setAttribute("aria-rowcount", rows.length + 1);
    const best = this.model.head?.best_run;
    const inSight = rows.slice(first, last).map((run) => ({ run, cells: this.shown.map((column) => column.show(run)) }));
    keyed(
      this.body,
      inSight,
      ({ run }) => run.number,
      ({ run, cells }) => `${run.number === best}\0${cells.join("\0")}`,
      ({ run, cells }) => this.row(run, cells, run.number === best),
    );
    [...this.body.children].forEach((row, i) => row.setAttribute("aria-rowindex", first + i + 2));
  }

  row(run, shown, isBest) {
    const cells = this.shown.map((column, i) => {
      const content =
        column.name === "number" ? el("a", { href: `#/${encodeURIComponent(this.model.name)}/${run.number}` }, shown[i]) : shown[i];
      const kind = column.kind === "status" ? run.status : column.kind;
      return el("td", { class: kind, title: shown[i].length > 14 ? shown[i] : null }, content);
    });
    return el("tr", { class: isBest ? "best" : null, dataset: { run: run.number } }, cells);
  }
}
