// One sweep: what it is for, how far it is, and the views of its runs, which share one model.

import { follow, getCurves, post, sweepPath } from "./api.js";
import { fail, setLink } from "./app.js";
import { CurvesPlot } from "./curves.js";
import { el, perFrame, replace } from "./dom.js";
import { clock, number, text } from "./format.js";
import { History } from "./history.js";
import { Importance } from "./importance.js";
import { ENDED, Model } from "./model.js";
import { Parallel } from "./parallel.js";
import { Scatter } from "./scatter.js";
import { RunTable } from "./table.js";

const POINTS = 120; // of a curve: more than a pixel column each shows nothing new
const CURVES_MS = 1000;

export function showSweep(main, name) {
  const model = new Model(name);
  const head = el("section", { class: "head" });
  const [curves, parallel, table] = [new CurvesPlot(model), new Parallel(model), new RunTable(model)];
  const [history, importance, scatter] = [new History(model), new Importance(model), new Scatter(model)];
  const pair = el("div", { class: "pair" }, history.node, importance.node);
  replace(main, head, curves.node, parallel.node, table.node, pair, scatter.node);

  const fetchCurves = pacedBy(CURVES_MS, async () => {
    try {
      model.takeCurves(await getCurves(name, POINTS));
    } catch {
      setLink("lost");
    }
  });
  const drawHead = perFrame(() => showHead(head, model));
  model.listen((what) => {
    drawHead();
    if (what === "head") return;
    if (what === "runs") {
      fetchCurves();
      importance.refresh();
    }
    if (what !== "curves") {
      table.refresh();
      scatter.refresh();
      history.refresh();
    }
    if (what === "runs") parallel.refresh();
    curves.refresh();
  });
  const repaint = () => {
    curves.refresh();
    parallel.refresh();
    scatter.refresh();
    history.refresh();
  };
  window.addEventListener("themechange", repaint);
  const stop = follow(name, {
    head: (document) => model.takeHead(document),
    runs: (changed) => model.takeRuns(changed),
    gone: (document) => fail(new Error(document.error)),
    state: setLink,
  });
  return () => {
    stop();
    window.removeEventListener("themechange", repaint);
    for (const view of [curves, parallel, history, importance, scatter]) view.close();
  };
}

function showHead(node, model) {
  const { head } = model;
  if (!head) return;
  const { counts, limits } = head;
  const ended = counts.Completed + counts.Failed + counts.Canceled;
  const best = model.runs.get(head.best_run);
  const isLive = !ENDED.has(head.status);
  const words = [
    `${head.goal} ${head.primary_metric}`,
    head.sampler,
    head.policy ? policyWords(head.policy) : "no policy",
    `seed ${head.seed}`,
    limits.max_concurrent_runs && `${limits.max_concurrent_runs} at a time`,
    limits.timeout_s && `at most ${limits.timeout_s} s`,
  ];
  const progress = el("progress", { max: limits.max_total_runs, value: ended, "aria-label": "Runs that ended" });
  const saved = savedShare(model);
  replace(
    node,
    el(
      "div",
      { class: "bar" },
      el("h1", {}, model.name),
      el("span", { class: `badge ${head.status}` }, head.status),
      el("span", { class: "quiet" }, head.reason ?? ""),
      isLive ? cancelButton(`Cancel the sweep ${model.name}?`, "cancel sweep", () => post(`${sweepPath(model.name)}/cancel`)) : null,
    ),
    el("p", { class: "quiet" }, words.filter(Boolean).join(" · ")),
    el(
      "p",
      {},
      progress,
      ` ${ended} of ${limits.max_total_runs} runs: `,
      Object.entries(counts)
        .filter(([, count]) => count)
        .map(([status, count]) => `${count} ${status.toLowerCase()}`)
        .join(", "),
      saved ? ` · the policy saved about ${saved} of the intervals` : "",
    ),
    best
      ? el(
          "p",
          { class: "bestline" },
          el("strong", {}, `${head.primary_metric} ${number(best.value, 7)}`),
          " by ",
          el("a", { href: `#/${encodeURIComponent(model.name)}/${best.number}` }, `run ${best.number}`),
          el("span", { class: "configuration" }, configurationWords(best.flat)),
        )
      : null,
    head.resume_from.length
      ? el("p", { class: "quiet" }, "starts from ", head.resume_from.map(({ name, kept, runs }) => `${kept} of ${runs} runs of ${name}`).join(", "))
      : null,
    el("p", { class: "quiet" }, `created ${clock(head.created)}${head.ended ? `, ended ${clock(head.ended)}` : ""}`),
  );
}

export function configurationWords(flat) {
  return Object.entries(flat)
    .map(([name, value]) => ` ${name}=${typeof value === "number" ? number(value) : text(value)}`)
    .join(" ");
}

function policyWords(policy) {
  const { name, ...settings } = policy;
  const given = Object.entries(settings).map(([key, value]) => `${key} ${text(value)}`);
  return [name, ...given].join(", ");
}

// Share of the intervals that stopped runs did not run, if they had gone on like the longest completed one.
function savedShare(model) {
  let longest = 0;
  for (const run of model.list) if (run.status === "Completed") longest = Math.max(longest, run.intervals);
  if (!longest || !model.head.policy) return "";
  let [ran, saved] = [0, 0];
  for (const run of model.list) {
    ran += run.intervals;
    if (run.status === "Canceled" && run.reason?.includes("interval")) saved += Math.max(0, longest - run.intervals);
  }
  return saved ? `${Math.round((100 * saved) / (ran + saved))} %` : "";
}

export function cancelButton(question, label, act) {
  return el(
    "button",
    {
      type: "button",
      class: "danger",
      onclick: async (event) => {
        if (!confirm(question)) return;
        event.target.disabled = true;
        try {
          await act();
        } catch (error) {
          fail(error);
        }
      },
    },
    label,
  );
}

// Calls f at once, and again after `ms` if it was asked for meanwhile; never two at a time.
function pacedBy(ms, f) {
  let [isBusy, isWanted] = [false, false];
  const call = async () => {
    if (isBusy) {
      isWanted = true;
      return;
    }
    isBusy = true;
    await f();
    setTimeout(() => {
      isBusy = false;
      if (isWanted) {
        isWanted = false;
        call();
      }
    }, ms);
  };
  return call;
}
