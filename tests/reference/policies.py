"""Early-termination policies as plain loops: whole histories in lists, everything recomputed at every report.

Nothing of hdcore is used. Everything is said in the user's metric and goal, not in scores.

A policy is a dictionary: kind ("bandit", "median", "truncation"), interval, delay, population ("all" or "reached"),
and slack_factor or slack_amount, or percentage and exclude_finished.
"""

from __future__ import annotations

import math


def applies(policy, k):
    """At interval k iff k is a multiple of the evaluation interval and not below the delay."""
    return k % max(policy["interval"], 1) == 0 and k >= policy["delay"]


def best(values, goal):
    """Best finite value, or None."""
    found = None
    for value in values:
        if math.isfinite(value) and (found is None or better(value, found, goal)):
            found = value
    return found


def better(x, y, goal):
    return x > y if goal == "maximize" else x < y


def average(values, goal):
    """Mean of the finite values, added from left to right; no average is better than the best. Or None."""
    total, count = 0.0, 0
    for value in values:
        if math.isfinite(value):
            total = total + value
            count = count + 1
    if count == 0:
        return None
    mean = total / count
    top = best(values, goal)
    return top if better(mean, top, goal) else mean


def worst_first(values, goal):
    """Sorted from worst to best; None, for a run without anything finite, is worst of all."""
    finite = sorted((value for value in values if value is not None), reverse=goal == "minimize")
    return [None] * (len(values) - len(finite)) + finite


def worse(x, y, goal):
    """Strictly worse; None is worse than any number and a tie with None."""
    if y is None:
        return False
    return x is None or better(y, x, goal)


def median(values, goal):
    ordered = worst_first(values, goal)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[middle]
    low, high = ordered[middle - 1], ordered[middle]
    return None if low is None or high is None else (low + high) / 2


def population(policy, histories, ended, k):
    """What each run of the population at k is taken with: its first k values, or all it has if it ended before k."""
    found = []
    for run, values in histories.items():
        if policy.get("exclude_finished") and run in ended:
            continue
        reached = len(values) >= k
        stands = run in ended and len(values) > 0 and policy["population"] == "all"
        if reached or stands:
            found.append(values[:k])
    return found


def stops(policy, histories, ended, run, goal):
    """Whether the policy ends `run`, which has just reported."""
    k = len(histories[run])
    if policy["kind"] == "none" or not applies(policy, k):
        return False
    own = best(histories[run], goal)
    others = population(policy, histories, ended, k)
    if policy["kind"] == "median":
        return worse(own, median([average(values, goal) for values in others], goal), goal)
    if policy["kind"] == "truncation":
        cut = len(others) * policy["percentage"] // 100
        not_better = 0
        for values in others:
            theirs = best(values, goal)
            if theirs is None or not worse(own, theirs, goal):
                not_better += 1
        return not_better <= cut
    if "slack_iqr" in policy:
        return worse(own, spread_allowed(policy, [best(values, goal) for values in others], goal), goal)
    top = best([value for values in others for value in values], goal)
    if top is None:
        return False
    return worse(own, allowed(policy, top, goal), goal)


def allowed(policy, top, goal):
    """Worst metric that the bandit lets live."""
    amount = policy.get("slack_amount")
    if amount is not None:
        return top - amount if goal == "maximize" else top + amount
    factor = 1.0 + policy["slack_factor"]
    reward_like = top >= 0 if goal == "maximize" else top <= 0
    return top / factor if reward_like else top * factor


def spread_allowed(policy, bests, goal):
    """Worst metric that a bandit with a slack in interquartile ranges lets live; None where there is no scale."""
    ordered = worst_first(bests, goal)
    low, high = ordered[len(ordered) * 25 // 100], ordered[len(ordered) * 75 // 100]
    if low is None or high is None or low == high:
        return None
    spread = policy["slack_iqr"] * abs(high - low)
    return ordered[-1] - spread if goal == "maximize" else ordered[-1] + spread


def length(curve):
    """Intervals up to the last value that is not NaN."""
    n = len(curve)
    while n and math.isnan(curve[n - 1]):
        n -= 1
    return n


def lockstep(policy, curves, goal):
    """Interval at which each run is stopped, 0 for never; all report, then all are judged on the snapshot."""
    lengths = [length(curve) for curve in curves]
    stopped = [0] * len(curves)
    histories = {}
    ended = set()
    for k in range(1, max(lengths, default=0) + 1):
        living = [r for r in range(len(curves)) if r not in ended and lengths[r] >= k]
        for r in living:
            histories.setdefault(r, []).append(curves[r][k - 1])
        verdicts = {r: stops(policy, histories, ended, r, goal) for r in living}
        for r in living:
            if verdicts[r]:
                stopped[r] = k
            if verdicts[r] or lengths[r] == k:
                ended.add(r)
    return stopped


def asynchronous(policy, curves, goal, workers=None, durations=None):
    """Stops, intervals run and makespan when runs take turns in slots.

    No queue: of all live runs the one whose next report is due first (ties: the lower number) is looked up each time.
    """
    n = len(curves)
    lengths = [length(curve) for curve in curves]
    durations = [1.0] * n if durations is None else list(durations)
    workers = n if workers is None else workers
    waiting = [r for r in range(n) if lengths[r]]
    start, histories, ended, stopped = {}, {}, set(), [0] * n
    now = 0.0
    while True:
        while waiting and len(start) - len(ended) < workers:
            start[waiting.pop(0)] = now
        due = [(start[r] + (len(histories.get(r, [])) + 1) * durations[r], r) for r in start if r not in ended]
        if not due:
            break
        now, r = min(due)
        values = histories.setdefault(r, [])
        values.append(curves[r][len(values)])
        if stops(policy, histories, ended, r, goal):
            stopped[r] = len(values)
        if stopped[r] or len(values) == lengths[r]:
            ended.add(r)
    return stopped, histories, now


class SlowJudge:
    """The loops behind the protocol of a judge, as a third party would write it. Scores: larger is better."""

    def __init__(self, policy):
        self.policy = policy
        self.histories = {}
        self.ended = set()

    def report(self, run, score):
        self.histories.setdefault(run, []).append(score)
        return stops(self.policy, self.histories, self.ended, run, "maximize")

    def report_many(self, runs, scores):
        import numpy as np

        return np.array([self.report(int(r), float(s)) for r, s in zip(runs, scores, strict=True)], dtype=bool)

    def end(self, run):
        self.ended.add(run)


class SlowPolicy:
    """A third-party policy around `SlowJudge`."""

    def __init__(self, policy):
        self.policy = policy
        self.evaluation_interval = policy["interval"]
        self.delay_evaluation = policy["delay"]

    def judge(self):
        return SlowJudge(self.policy)

    def to_json(self):
        return {"name": "Slow", "properties": dict(self.policy)}
