// What early-termination policies would have saved in a sweep, and what they would have lost.

import { getJson, post, sweepPath } from "./api.js";
import { el, refresh, replace, say } from "./dom.js";
import { number, seconds } from "./format.js";
import { fail, setLink } from "./link.js";
import { kindOf, loss, percent, Tradeoff } from "./tradeoff.js";

const BUSY_MS = 400;
const IDLE_MS = 5000;
const BUSY = new Set(["waiting", "working"]);

export function showReplay(main, name) {
  const path = `${sweepPath(name)}/replay`;
  const view = new Replay(name, {
    ask: () => act(path),
    stop: () => act(`${path}/stop`),
  });
  let [timer, turn, isLeft, isAsked] = [null, 0, false, false];
  replace(main, view.node);

  async function act(where) {
    try {
      await post(where);
    } catch (error) {
      view.hear(error.message);
    }
    look();
  }

  async function look() {
    clearTimeout(timer);
    const mine = (turn += 1); // of looks that overlap the last one counts
    let told;
    try {
      told = await getJson(path);
      setLink("live");
    } catch (error) {
      if (isLeft || mine !== turn) return;
      if (view.told) setLink("lost");
      else fail(main, error);
      timer = view.told ? setTimeout(look, IDLE_MS) : null;
      return;
    }
    if (isLeft || mine !== turn) return;
    view.take(told);
    // Whoever opens this page wants to see a replay; whether it is made anew as a sweep goes on is theirs to say.
    if (!isAsked && !BUSY.has(told.state) && !told.is_current) {
      isAsked = true;
      act(path);
      return;
    }
    timer = setTimeout(look, BUSY.has(told.state) ? BUSY_MS : IDLE_MS);
  }

  const repaint = () => view.plot.refresh();
  window.addEventListener("themechange", repaint);
  look();
  return {
    keys: { s: () => (location.hash = `#/${encodeURIComponent(name)}`) },
    leave() {
      isLeft = true;
      clearTimeout(timer);
      window.removeEventListener("themechange", repaint);
      view.close();
    },
  };
}

class Replay {
  constructor(name, { ask, stop }) {
    this.order = { by: "saved", isUp: false };
    this.status = el("span", { class: "quiet", role: "status" });
    this.problem = el("span", { class: "Failed", role: "alert" });
    this.ask = el("button", { type: "button", class: "small", onclick: ask }, "replay again");
    this.stop = el("button", { type: "button", class: "small", onclick: stop }, "stop");
    this.sentence = el("p", { class: "bestline" });
    this.advice = el("p", {});
    this.notes = el("ul", { class: "reasons quiet", hidden: true });
    this.showAll = el("input", { type: "checkbox", id: "all-settings", onchange: () => this.drawTable() });
    this.count = el("span", { class: "quiet", role: "status" });
    this.headRow = el("tr");
    this.body = el("tbody");
    this.plot = new Tradeoff(name, (setting) => this.point(setting));
    this.table = el(
      "section",
      { class: "panel", "aria-label": "Settings" },
      el("div", { class: "bar" }, el("h2", {}, "Settings"), this.count, el("label", { for: "all-settings", class: "menu" }, this.showAll, "all settings")),
      el("div", { class: "scrolls", tabindex: 0, role: "region", "aria-label": "Table of settings" }, el("table", { class: "plain settings" }, el("thead", {}, this.headRow), this.body)),
    );
    this.found = el("div", { hidden: true }, this.plot.node, this.table);
    this.node = el(
      "div",
      {},
      el(
        "section",
        { class: "head", "aria-label": "Replay" },
        el("div", { class: "bar" }, el("h1", {}, "Which policy?"), this.status, this.problem, this.ask, this.stop),
        el("p", { class: "quiet" }, "The reports of ", el("a", { href: `#/${encodeURIComponent(name)}` }, name), " are replayed as they came, then as if its runs had started in other orders: what would early termination have saved, and would the best run have survived?"),
        this.sentence,
        this.advice,
        this.notes,
      ),
      this.found,
    );
    this.ask.hidden = this.stop.hidden = true;
  }

  close() {
    this.plot.close();
  }

  hear(error) {
    say(this.problem, error);
  }

  take(told) {
    this.told = told;
    const isBusy = BUSY.has(told.state);
    this.stop.hidden = !isBusy;
    this.ask.hidden = isBusy || (told.is_current && told.state === "done");
    say(this.problem, told.state === "failed" ? told.error : "");
    say(this.status, statusWords(told));
    if (told.result === null || told.result === undefined) return;
    const signature = JSON.stringify(told.result);
    if (this.signature === signature) return;
    this.signature = signature;
    this.show(told.result);
  }

  show(result) {
    this.settings = result.settings.map((one) => ({
      ...one,
      is_recommended: one.policy === result.recommended,
      ran: one.policy === result.ran,
    }));
    say(this.sentence, result.sentence);
    replace(this.advice, result.recommended ? ["Next time: ", el("code", {}, `hdcore run … --policy ${result.recommended}`)] : null);
    this.notes.hidden = !result.notes.length;
    replace(this.notes, result.notes.map((line) => el("li", {}, line)));
    this.found.hidden = false;
    this.plot.take(this.settings);
    this.drawTable();
  }

  columns() {
    const any = (f) => this.settings.some(f);
    const of = (key, title, help, get, words) => ({ key, title, help, get, words });
    return [
      of("policy", "policy", "as --policy takes it", (one) => one.policy, (one) => one.policy),
      of("saved", "saved", "share of the intervals that would not have been run", (one) => one.saved, (one) => percent(one.saved)),
      any((one) => one.orders) &&
        of("low", "5–95 %", "the share saved over other start orders", (one) => one.saved_low, (one) => (one.saved_low === null ? "" : `${Math.round(100 * one.saved_low)}–${percent(one.saved_high)}`)),
      of("best", "best run", "as the sweep ran", (one) => Number(one.best_kept), (one) => (one.best_kept ? "kept" : "lost")),
      any((one) => one.orders) &&
        of("kept", "kept in", "share of the start orders in which the best value is still reached", (one) => one.kept_share, (one) => (one.kept_share === null ? "" : percent(one.kept_share))),
      of("gap", "gap", "loss of the best value, in units of the metric", (one) => one.gap, (one) => (one.gap ? number(one.gap, 3) : one.gap === 0 ? "0" : "–")),
      any((one) => one.saved_s !== null) && of("time", "time saved", "of all runs together", (one) => one.saved_s, (one) => spanWords(one.saved_s)),
      of("ranks", "ranks", "rank correlation of what the runs reach with what they would have reached", (one) => one.rank_correlation, (one) => (one.rank_correlation === null ? "–" : one.rank_correlation.toFixed(2))),
      any((one) => one.unseen) && of("unseen", "unseen", "runs that were stopped in fact and would have gone on, nobody knows how far", (one) => one.unseen, (one) => (one.unseen ? String(one.unseen) : "")),
    ].filter(Boolean);
  }

  drawTable() {
    const columns = this.columns();
    const { by, isUp } = this.order;
    const chosen = this.settings.filter((one) => this.showAll.checked || kindOf(one).length);
    const { get } = columns.find(({ key }) => key === by) ?? columns[1];
    const sign = isUp ? 1 : -1;
    const before = (a, b) => {
      const [x, y] = [get(a), get(b)];
      if (x === null || y === null) return Number(x === null) - Number(y === null);
      return x < y ? -sign : x > y ? sign : loss(a) - loss(b);
    };
    const rows = [...chosen].sort(before);
    const all = this.settings.length;
    say(this.count, rows.length === all ? `${all} settings` : `${rows.length} of ${all}; the others save less or lose more`);
    refresh(this.headRow, [columns.map(({ key }) => key), this.order], () =>
      columns.map(({ key, title, help }, i) => {
        const isBy = key === by;
        const mark = isBy ? el("span", { "aria-hidden": "true" }, isUp ? " ▲" : " ▼") : null;
        return el(
          "th",
          { scope: "col", "aria-sort": isBy ? (isUp ? "ascending" : "descending") : "none", class: i ? "number" : null },
          el("button", { type: "button", title: help, onclick: () => this.sortBy(key) }, title, mark),
        );
      }),
    );
    refresh(this.body, rows, () =>
      rows.map((one) =>
        el(
          "tr",
          { class: one.is_recommended ? "best" : null, dataset: { policy: one.policy } },
          columns.map(({ words }, i) =>
            i
              ? el("td", { class: "number" }, words(one))
              : el("th", { scope: "row" }, el("code", {}, words(one)), kindOf(one).map((kind) => el("span", { class: `mark ${kind}` }, kind))),
          ),
        ),
      ),
    );
  }

  sortBy(key) {
    this.order = { by: key, isUp: this.order.by === key ? !this.order.isUp : key === "policy" || key === "gap" };
    this.drawTable();
    this.headRow.querySelector("[aria-sort]:not([aria-sort=none]) button")?.focus({ preventScroll: true });
  }

  point(setting) {
    for (const row of this.body.children) row.classList.toggle("near", row.dataset.policy === setting?.policy);
  }
}

function statusWords({ state, since_s: since, is_current: isCurrent, result }) {
  if (state === "waiting") return "waits for another replay to end";
  if (state === "working") return `replaying for ${seconds(since)}${since > 20 ? ", with the CPU that the runs leave" : ""}`;
  if (state === "stopped" && !result) return "stopped";
  if (result && !isCurrent) return "the sweep has gone on since";
  return "";
}

function spanWords(value) {
  if (value === null) return "–";
  const size = Math.abs(value);
  if (size < 60) return `${value.toFixed(1)} s`;
  return size < 3600 ? `${(value / 60).toFixed(1)} min` : `${(value / 3600).toFixed(1)} h`;
}
