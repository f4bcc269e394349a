// One sweep: what it is for, how far it is, and the views of its runs, which share one model.

import { follow, getCurves, post, sweepPath } from "./api.js";
import { CurvesPlot } from "./curves.js";
import { el, pacedBy, perFrame, replace } from "./dom.js";
import { Head } from "./head.js";
import { History } from "./history.js";
import { Importance } from "./importance.js";
import { fail, setLink } from "./link.js";
import { Model } from "./model.js";
import { Parallel } from "./parallel.js";
import { Scatter } from "./scatter.js";
import { RunTable } from "./table.js";

const POINTS = 120; // of a curve: more than a pixel column each shows nothing new
const CURVES_MS = 1000;

const kept = new Map(); // name -> what was chosen when a sweep was left: whoever comes back from a run finds it again

export function showSweep(main, name) {
  const model = new Model(name);
  const head = new Head(model, () => post(`${sweepPath(name)}/cancel`));
  const [curves, parallel, table] = [new CurvesPlot(model), new Parallel(model), new RunTable(model)];
  const [history, importance, scatter] = [new History(model), new Importance(model), new Scatter(model)];
  const pair = el("div", { class: "pair" }, history.node, importance.node);
  replace(main, head.node, curves.node, parallel.node, table.node, scatter.node, pair);

  const before = kept.get(name);
  if (before) {
    parallel.brushes.ranges = before.ranges;
    table.search.value = before.filter;
    Object.assign(table, before.sorting);
  }

  let isAsked = false; // all curves at first, then those of runs that have reported since
  const fetchCurves = pacedBy(CURVES_MS, async () => {
    try {
      model.takeCurves(await getCurves(name, POINTS, isAsked ? model.behind() : null));
      isAsked = true;
    } catch {
      setLink("lost");
    }
  });
  // What stands below comes after what is on the screen at first.
  const lower = perFrame(() =>
    setTimeout(() => {
      history.refresh();
      scatter.invalidate();
    }),
  );
  const drawHead = perFrame(() => head.draw());
  model.listen((what) => {
    if (what === "head" || what === "runs") drawHead();
    if (what === "runs") {
      fetchCurves();
      importance.refresh();
      parallel.refresh();
      table.invalidate();
      curves.invalidate();
      lower();
    } else if (what === "curves") curves.invalidate();
    else if (what === "selected") {
      table.refresh();
      curves.refresh();
      scatter.refresh();
      if (!model.isMoving) history.refresh();
    } else if (what === "head") table.invalidate();
  });
  const views = [curves, parallel, history, importance, scatter, table];
  const repaint = () => {
    for (const view of [curves, parallel, scatter, history]) view.refresh();
  };
  window.addEventListener("themechange", repaint);
  markFirstView(model);
  fetchCurves();
  const stop = follow(name, {
    head: (document) => model.takeHead(document),
    runs: (changed) => model.takeRuns(changed),
    gone: (document) => fail(main, new Error(document.error)),
    state: setLink,
  });
  return {
    keys: {
      "/": () => table.search.focus(),
      b: () => model.best && (location.hash = `#/${encodeURIComponent(name)}/${model.best.number}`),
      r: () => (location.hash = `#/${encodeURIComponent(name)}/replay`),
      Escape: () => parallel.forget(),
    },
    leave() {
      const { order, isSorted } = table;
      kept.set(name, { ranges: parallel.brushes.ranges, filter: table.search.value, sorting: { order, isSorted } });
      stop();
      window.removeEventListener("themechange", repaint);
      for (const view of views) view.close();
    },
  };
}

// For whoever measures: when runs and curves of the sweep were on the screen for the first time.
function markFirstView(model) {
  const told = new Set();
  model.listen((what) => {
    if (what === "selected" || told.has(what)) return;
    told.add(what);
    requestAnimationFrame(() => setTimeout(() => performance.mark(`hdcore-${what}-shown`)));
  });
}
