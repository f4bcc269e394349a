// The head of a sweep: goal, best, limits, policy and what it saved. Its parts change alone, so that a click on the button
// is never lost to an update.

import { cancelButton } from "./dialog.js";
import { el, refresh, say } from "./dom.js";
import { clock, number, seconds, text } from "./format.js";
import { ENDED } from "./model.js";

export class Head {
  constructor(model, cancel) {
    this.model = model;
    this.badge = el("span", { class: "badge", role: "status" });
    this.reason = el("span", { class: "quiet" });
    this.heard = el("span", { class: "quiet", role: "status" });
    this.cancel = cancelButton(`Cancel the sweep ${model.name}? Its runs in flight end, and no others start.`, "cancel sweep", cancel, (words) => say(this.heard, words));
    this.cancel.hidden = true;
    this.plan = el("p", { class: "quiet" });
    this.progress = el("progress", { "aria-label": "Runs that ended" });
    this.counts = el("span");
    this.best = el("p", { class: "bestline" });
    this.origin = el("p", { class: "quiet" });
    this.times = el("p", { class: "quiet" });
    this.node = el(
      "section",
      { class: "head", "aria-label": "Sweep" },
      el("div", { class: "bar" }, el("h1", {}, model.name), this.badge, this.reason, this.heard, this.cancel),
      this.plan,
      el("p", {}, this.progress, this.counts),
      this.best,
      this.origin,
      this.times,
      el("p", { class: "replay" }, el("a", { href: `#/${encodeURIComponent(model.name)}/replay` }, "Which policy would have saved how much?")),
    );
  }

  draw() {
    const { head, best } = this.model;
    if (!head) return;
    const { counts, limits } = head;
    const ended = counts.Completed + counts.Failed + counts.Canceled;
    say(this.badge, head.status);
    this.badge.className = `badge ${head.status}`;
    say(this.reason, head.reason ?? "");
    this.cancel.hidden = ENDED.has(head.status);
    say(this.plan, planWords(head));
    this.progress.max = limits.max_total_runs;
    this.progress.value = ended;
    const words = Object.entries(counts).filter(([, count]) => count).map(([status, count]) => `${count} ${status.toLowerCase()}`);
    say(this.counts, ` ${ended} of ${limits.max_total_runs} runs${words.length ? `: ${words.join(", ")}` : ""}${savedWords(this.model)}`);
    refresh(this.best, best ? [best.number, best.value, best.flat] : null, () =>
      best
        ? [
            el("strong", {}, `${head.primary_metric} ${number(best.value, 7)}`),
            " by ",
            el("a", { href: `#/${encodeURIComponent(this.model.name)}/${best.number}` }, `run ${best.number}`),
            el("span", { class: "configuration" }, configurationWords(best.flat)),
          ]
        : [],
    );
    say(
      this.origin,
      head.resume_from.length
        ? `starts from ${head.resume_from.map(({ name, kept, runs }) => `${kept} of ${runs} runs of ${name}`).join(", ")}`
        : "",
    );
    say(this.times, `created ${clock(head.created)}${head.ended ? `, ended ${clock(head.ended)}` : ""}`);
  }
}

function planWords(head) {
  const { limits } = head;
  return [
    `${head.goal} ${head.primary_metric}`,
    `${head.sampler} sampler`,
    head.policy ? policyWords(head.policy) : "no policy",
    `at most ${limits.max_total_runs} runs`,
    limits.max_concurrent_runs && `${limits.max_concurrent_runs} at a time`,
    limits.timeout_s && `${seconds(limits.timeout_s)} in all`,
    limits.run_timeout_s && `${seconds(limits.run_timeout_s)} a run`,
    `seed ${head.seed}`,
  ]
    .filter(Boolean)
    .join(" · ");
}

function policyWords(policy) {
  const { name, ...settings } = policy;
  return [name, ...Object.entries(settings).map(([key, value]) => `${key} ${text(value)}`)].join(", ");
}

export function configurationWords(flat) {
  return Object.entries(flat)
    .map(([name, value]) => ` ${name}=${typeof value === "number" ? number(value) : text(value)}`)
    .join(" ");
}

// Runs that the policy stopped, and the share of the intervals that this saved, taking the longest completed run as the
// length of all: the same count as in the terminal.
function savedWords(model) {
  let [longest, stopped, stoppedAt, ran] = [0, 0, 0, 0];
  for (const run of model.list) {
    if (!run.ended) continue;
    ran += run.intervals;
    if (run.status === "Completed") longest = Math.max(longest, run.intervals);
    if (run.status === "Canceled" && run.reason?.includes(" at interval ")) {
      stopped += 1;
      stoppedAt += run.intervals;
    }
  }
  if (!stopped) return "";
  const saved = Math.max(0, stopped * longest - stoppedAt);
  const share = saved ? Math.round((100 * saved) / (saved + ran)) : 0;
  return ` · ${stopped} stopped early by the policy${share ? `, ${share} % of intervals saved` : ""}`;
}
