// All sweeps, the newest first.

import { getJson } from "./api.js";
import { el, keyed, replace } from "./dom.js";
import { clock, number } from "./format.js";
import { setLink } from "./link.js";

const LOOK_MS = 2000;

export function showList(main) {
  const body = el("tbody");
  const titles = ["sweep", "status", "runs", "best", "created"];
  const table = el(
    "table",
    { class: "plain sweeps", hidden: true },
    el("thead", {}, el("tr", {}, titles.map((title) => el("th", { scope: "col" }, title)))),
    body,
  );
  const empty = el("p", { class: "quiet", hidden: true }, "No sweeps yet. Start one with ", el("code", {}, "hdcore run SWEEP.yml"), ".");
  replace(main, el("h1", {}, "Sweeps"), table, empty);
  let isLeft = false;

  const look = async () => {
    try {
      const sweeps = await getJson("api/sweeps");
      if (isLeft) return;
      setLink("live");
      keyed(body, sweeps, (sweep) => sweep.name, JSON.stringify, row);
      empty.hidden = sweeps.length > 0;
      table.hidden = sweeps.length === 0;
    } catch {
      if (!isLeft) setLink("lost");
    }
  };
  look();
  const timer = setInterval(() => document.hidden || look(), LOOK_MS);
  return {
    keys: {},
    leave() {
      isLeft = true;
      clearInterval(timer);
    },
  };
}

function row(sweep) {
  const name = el("a", { href: `#/${encodeURIComponent(sweep.name)}` }, sweep.name);
  if (sweep.error) return el("tr", {}, el("td", {}, sweep.name), el("td", { colspan: 4, class: "Failed" }, sweep.error));
  const ended = sweep.runs.Completed + sweep.runs.Failed + sweep.runs.Canceled;
  const best = sweep.best_value === null ? "–" : `${sweep.primary_metric} ${number(sweep.best_value, 6)}`;
  return el(
    "tr",
    {},
    el("td", {}, name),
    el("td", {}, el("span", { class: `badge ${sweep.status}` }, sweep.status)),
    el(
      "td",
      {},
      el("progress", { max: sweep.max_total_runs, value: ended, "aria-label": `Runs of ${sweep.name} that ended` }),
      ` ${ended} of ${sweep.max_total_runs}`,
    ),
    el("td", {}, best),
    el("td", {}, clock(sweep.created)),
  );
}
