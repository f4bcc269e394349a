"""Judges of the built-in policies, lockstep evaluation and replay; the work is done in ``policies_*.c``."""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

import numpy as np

from hdcore.errors import PolicyError, ShapeError, StateError


cdef extern from "_policies.h" nogil:
    enum:
        HD_NONE
        HD_BANDIT
        HD_MEDIAN
        HD_TRUNCATION
        HD_SPREAD
        HD_OK
        HD_STOP
        HD_NO_MEMORY

    ctypedef struct hd_rule:
        int rule
        int64_t every
        int64_t first
        double slack
        int relative
        int percentage
        int reached_only
        int live_only

    ctypedef struct hd_run:
        int32_t count
        uint8_t ended

    ctypedef struct hd_judge:
        hd_rule rule
        hd_run *runs
        int64_t n_runs
        double bar

    ctypedef struct hd_curves:
        const void *data
        int single
        int64_t n_runs, n_intervals
        int64_t run_stride, interval_stride
        double sign

    hd_judge *hd_judge_new(const hd_rule *rule)
    void hd_judge_free(hd_judge *judge)
    int hd_judge_reserve(hd_judge *judge, int64_t runs)
    int hd_judge_report(hd_judge *judge, int64_t run, double score)
    int hd_judge_end(hd_judge *judge, int64_t run)
    size_t hd_judge_bytes(const hd_judge *judge)
    void hd_curve_lengths(const hd_curves *curves, int32_t *lengths)
    int hd_lockstep(const hd_rule *rule, const hd_curves *curves, const int32_t *lengths, int64_t *stopped)
    ctypedef struct hd_events:
        const int32_t *event_row
        const int32_t *event_interval
        int64_t n_events
        const int32_t *cut

    int hd_follow(const hd_rule *rule, const hd_curves *curves, const hd_events *events, int64_t *stopped)
    int hd_replay(const hd_rule *rule, const hd_curves *curves, const int32_t *lengths, int64_t workers,
                  const double *durations, int64_t *stopped, double *makespan, double *best)


cdef extern from "_study.h" nogil:
    ctypedef struct hd_item:
        pass

    ctypedef struct hd_ranking:
        const hd_item *items
        const int32_t *column
        const int64_t *column_start
        const int32_t *count_of
        const double *value
        int64_t size

    ctypedef struct hd_study:
        int64_t n_runs, n_intervals
        const int32_t *lengths
        const double *best
        hd_ranking means, bests

    ctypedef struct hd_schedule:
        const int32_t *order
        int64_t workers
        const double *durations
        const double *elapsed
        const int32_t *event_row
        const int32_t *event_interval
        int64_t n_events
        const int32_t *cut

    void hd_study_fold(const hd_curves *curves, const int32_t *lengths, double *best, double *mean)
    int hd_study_replay(const hd_study *study, const hd_rule *rules, int64_t n_rules, const hd_schedule *schedule,
                        int64_t *stopped, double *makespan)


NONE = HD_NONE
BANDIT = HD_BANDIT
MEDIAN = HD_MEDIAN
TRUNCATION = HD_TRUNCATION
SPREAD = HD_SPREAD

cdef int64_t LARGEST = 2147483646  # runs are numbered in 32 bits


@cython.final
cdef class RuleJudge:
    """Judge of a built-in policy; see `hdcore.policies.base.Judge` and the stub."""

    cdef hd_judge *state
    cdef bint busy

    def __cinit__(self, int rule, object evaluation_interval, object delay_evaluation, *, double slack=0.0,
                  bint relative=False, int percentage=50, bint reached_only=False, bint live_only=False):
        cdef hd_rule settings
        if not NONE <= rule <= SPREAD or not 1 <= percentage <= 99 or evaluation_interval < 1:
            raise PolicyError(f"no such rule: {rule}, every {evaluation_interval}, {percentage} percent")
        # Beyond 2**62 the policy is never applied: no run reports that often.
        settings.every = min(evaluation_interval, 1 << 62)
        settings.first = min(-(-max(delay_evaluation, 1) // evaluation_interval) * evaluation_interval, 1 << 62)
        settings.rule = rule
        settings.slack = slack
        settings.relative = relative
        settings.percentage = percentage if rule == HD_TRUNCATION else 50
        settings.reached_only = reached_only
        settings.live_only = live_only and rule == HD_TRUNCATION
        self.state = hd_judge_new(&settings)
        if self.state is NULL:
            raise MemoryError

    def __dealloc__(self):
        hd_judge_free(self.state)

    def __reduce__(self):
        raise TypeError("a judge cannot be copied or pickled; make a fresh one from its policy")

    def report(self, int64_t run, double score):
        cdef int verdict
        if self.busy:
            raise StateError("this judge is at work in another thread; use it from one thread at a time")
        if run < 0 or run > LARGEST:
            raise ShapeError(f"run number {run} is out of range; runs are numbered from 0 to {LARGEST}")
        if run >= self.state.n_runs and hd_judge_reserve(self.state, run + 1) == HD_NO_MEMORY:
            raise MemoryError
        if self.state.runs[run].ended:
            raise StateError(f"run {run} has ended and cannot report; make a fresh judge to start it again")
        verdict = hd_judge_report(self.state, run, score)
        if verdict == HD_NO_MEMORY:
            raise MemoryError
        return verdict == HD_STOP

    def report_many(self, runs, scores):
        runs, scores = np.asarray(runs), np.asarray(scores)
        if runs.ndim != 1 or runs.shape != scores.shape or (runs.size and runs.dtype.kind not in "iu"):
            raise ShapeError(
                f"runs has shape {runs.shape} and type {runs.dtype}, scores has shape {scores.shape}; "
                "give whole run numbers and scores, one after the other, equally many"
            )
        cdef const int64_t[::1] run = np.ascontiguousarray(runs, np.int64)
        cdef const double[::1] score = np.ascontiguousarray(scores, np.float64)
        out = np.empty(len(run), np.bool_)
        cdef uint8_t[::1] verdicts = out.view(np.uint8)
        cdef int64_t m = run.shape[0], i, top = -1, bad = -1
        cdef int verdict = HD_OK
        if self.busy:
            raise StateError("this judge is at work in another thread; use it from one thread at a time")
        self.busy = True
        try:
            with nogil:
                for i in range(m):  # all or nothing: whatever is wrong is found before the first report is taken
                    if run[i] < 0 or run[i] > LARGEST or (
                        run[i] < self.state.n_runs and self.state.runs[run[i]].ended
                    ):
                        bad = i
                        break
                    if run[i] > top:
                        top = run[i]
                if bad < 0:
                    if top >= self.state.n_runs:
                        verdict = hd_judge_reserve(self.state, top + 1)
                    for i in range(m):
                        if verdict == HD_NO_MEMORY:
                            break
                        verdict = hd_judge_report(self.state, run[i], score[i])
                        verdicts[i] = verdict == HD_STOP
        finally:
            self.busy = False
        if bad >= 0:
            if run[bad] < 0 or run[bad] > LARGEST:
                raise ShapeError(f"run number {run[bad]} is out of range; runs are numbered from 0 to {LARGEST}")
            raise StateError(f"run {run[bad]} has ended and cannot report; make a fresh judge to start it again")
        if verdict == HD_NO_MEMORY:
            raise MemoryError
        return out

    def end(self, int64_t run):
        if self.busy:
            raise StateError("this judge is at work in another thread; use it from one thread at a time")
        if hd_judge_end(self.state, run) == HD_NO_MEMORY:
            raise MemoryError

    @property
    def last_bar(self):
        return self.state.bar

    @property
    def is_ranked(self):
        return not self.state.rule.live_only and self.state.rule.rule != HD_SPREAD

    @property
    def nbytes(self):
        return hd_judge_bytes(self.state)


cdef int check_events(const int32_t[:, ::1] events, const int32_t[::1] cut, const int32_t[::1] lengths,
                  int64_t runs) except -1:
    """Each run reports its intervals in order and each once, then ends once."""
    cdef int64_t i
    cdef int32_t row, k
    if events.shape[0] != 2 or cut is None or cut.shape[0] != runs:
        raise ShapeError(f"events has {events.shape[0]} rows; give runs and intervals, and a cut for each run")
    cdef int32_t[::1] at = np.zeros(max(runs, 1), np.int32)
    for i in range(events.shape[1]):
        row, k = events[0, i], events[1, i]
        if row < 0 or row >= runs or at[row] < 0 or k not in (0, at[row] + 1) or (
            k > lengths[row]
        ):
            raise ShapeError(f"event {i}: run {row} cannot report interval {k}; give reports in order, then 0")
        at[row] = k if k else -1
    return 0


cdef class Curves:
    """Recorded curves, float32 or float64 of any strides, read in place; NaN after a run's end."""

    cdef object array
    cdef hd_curves view
    cdef readonly object lengths
    cdef int32_t[::1] _lengths

    def __cinit__(self, array not None, double sign):
        cdef size_t address = array.ctypes.data
        if array.ndim != 2 or array.dtype not in (np.float32, np.float64):
            raise ShapeError(f"curves has shape {array.shape} and type {array.dtype}; give a matrix of floats")
        if max(array.shape) > LARGEST or any(stride % array.itemsize for stride in array.strides):
            raise ShapeError("curves is too large or lies unaligned in memory; give a plain copy of it")
        self.array = array  # keeps the memory alive
        self.view.data = <const void *>address
        self.view.single = array.dtype == np.float32
        self.view.n_runs, self.view.n_intervals = array.shape
        self.view.run_stride = array.strides[0] // array.itemsize
        self.view.interval_stride = array.strides[1] // array.itemsize
        self.view.sign = sign
        self.lengths = np.zeros(max(len(array), 1), np.int32)
        self._lengths = self.lengths
        with nogil:
            hd_curve_lengths(&self.view, &self._lengths[0])
        self.lengths = self.lengths[: len(array)]
        self.lengths.flags.writeable = False

    def lockstep(self, RuleJudge judge not None, int64_t[::1] stopped not None):
        cdef int done = HD_OK
        if stopped.shape[0] != self.view.n_runs:
            raise ShapeError(f"stopped has {stopped.shape[0]} items for {self.view.n_runs} runs")
        if self.view.n_runs:
            with nogil:
                done = hd_lockstep(&judge.state.rule, &self.view, &self._lengths[0], &stopped[0])
        if done == HD_NO_MEMORY:
            raise MemoryError

    def replay(self, RuleJudge judge not None, int64_t workers, const double[::1] durations,
               int64_t[::1] stopped not None):
        cdef int done = HD_OK
        cdef double makespan = 0.0, best = -np.inf
        cdef const double *steps = NULL
        if workers < 1 or stopped.shape[0] != self.view.n_runs:
            raise ShapeError(f"{workers} workers and {stopped.shape[0]} items for {self.view.n_runs} runs")
        if durations is not None:
            if durations.shape[0] != self.view.n_runs:
                raise ShapeError(f"{durations.shape[0]} durations for {self.view.n_runs} runs")
            if self.view.n_runs:
                steps = &durations[0]
        if self.view.n_runs:
            with nogil:
                done = hd_replay(&judge.state.rule, &self.view, &self._lengths[0], workers, steps, &stopped[0],
                                 &makespan, &best)
        if done == HD_NO_MEMORY:
            raise MemoryError
        return makespan, best

    def follow(self, RuleJudge judge not None, const int32_t[:, ::1] events not None, const int32_t[::1] cut not None,
               int64_t[::1] stopped not None):
        cdef int done = HD_OK
        cdef hd_events told
        if stopped.shape[0] != self.view.n_runs:
            raise ShapeError(f"stopped has {stopped.shape[0]} items for {self.view.n_runs} runs")
        check_events(events, cut, self._lengths, self.view.n_runs)
        if self.view.n_runs and events.shape[1]:
            told.event_row, told.event_interval, told.cut = &events[0, 0], &events[1, 0], &cut[0]
            told.n_events = events.shape[1]
            with nogil:
                done = hd_follow(&judge.state.rule, &self.view, &told, &stopped[0])
        if done == HD_NO_MEMORY:
            raise MemoryError


cdef class Study:
    """One record, ranked once, to be replayed under many settings."""

    cdef hd_study view
    cdef list arrays
    cdef readonly object best, lengths
    cdef const int32_t[::1] _lengths
    cdef const double[:, ::1] _best

    def __cinit__(self, Curves curves not None):
        cdef int64_t n = curves.view.n_runs, t = curves.view.n_intervals
        if n * t > LARGEST:
            raise ShapeError(f"{n} runs of {t} intervals are too many to rank; there may be {LARGEST} reports")
        best, mean = np.full((max(n, 1), max(t, 1)), -np.inf), np.full((max(n, 1), max(t, 1)), -np.inf)
        cdef double[:, ::1] b = best, a = mean
        self.lengths = curves.lengths
        lengths = np.zeros(max(n, 1), np.int32)
        lengths[:n] = curves.lengths
        self._lengths = lengths
        if n and t:
            with nogil:
                hd_study_fold(&curves.view, &self._lengths[0], &b[0, 0], &a[0, 0])
        self.arrays = [best, mean, lengths]
        self.best, self._best = best[:n, :t], best
        self.view.n_runs, self.view.n_intervals = n, t
        self.view.lengths, self.view.best = &self._lengths[0], &self._best[0, 0]
        reported = np.arange(t) < curves.lengths[:, None]
        items = np.flatnonzero(reported)
        bests, means = best[:n, :t][reported], mean[:n, :t][reported]
        by_best, by_mean = np.argsort(bests, kind="stable"), np.argsort(means, kind="stable")
        self._rank(&self.view.bests, items, by_best, bests[by_best], by_best, bests[by_best])
        self._rank(&self.view.means, items, by_mean, means[by_mean], by_best, bests[by_best])

    cdef int _rank(self, hd_ranking *into, items, by_key, keys, by_best, bests) except -1:
        """Fill a ranking. `items`: row * intervals + k - 1 of each report; `by_key`, `by_best`: the orders of them."""
        cdef int64_t t = max(self.view.n_intervals, 1), size = len(items)
        table = np.zeros((max(self.view.n_runs, 1) * t, 4), np.int32)
        table[items[by_key], 0] = np.arange(size, dtype=np.int32)
        table[items[by_best], 1] = np.searchsorted(keys, bests, side="right")
        interval = (items[by_key] % t).astype(np.int32)
        column = np.argsort(interval, kind="stable").astype(np.int32)
        start = np.concatenate([[0], np.cumsum(np.bincount(interval, minlength=t))]).astype(np.int64)
        table[items[by_key[column]], 2] = np.arange(size) - start[interval[column]]
        column, counts, values = np.append(column, 0), np.append(interval + 1, 0), np.append(keys, np.inf)  # not empty
        cdef int32_t[:, ::1] of_table = table
        cdef int32_t[::1] of_column = column.astype(np.int32), of_counts = counts.astype(np.int32)
        cdef int64_t[::1] of_start = start
        cdef double[::1] of_values = values
        into.items, into.column, into.column_start = <const hd_item *>&of_table[0, 0], &of_column[0], &of_start[0]
        into.count_of, into.value, into.size = &of_counts[0], &of_values[0], size
        self.arrays += [table, of_column, of_counts, of_start, values]
        return 0

    def replay(self, judges, *, const int32_t[::1] order=None, int64_t workers=1, const double[::1] durations=None,
               const double[:, ::1] elapsed=None, const int32_t[:, ::1] events=None, const int32_t[::1] cut=None):
        cdef int64_t n = self.view.n_runs, m = len(judges), i
        cdef int done = HD_OK
        cdef hd_schedule schedule
        cdef RuleJudge judge
        places = np.arange(max(n, 1), dtype=np.int32)
        cdef const int32_t[::1] natural = places
        memset(&schedule, 0, sizeof(schedule))
        if order is not None and (order.shape[0] != n or not np.array_equal(np.sort(order), places[:n])):
            raise ShapeError(f"order has {order.shape[0]} items and has to hold each of {n} runs once")
        if workers < 1 or (durations is not None and durations.shape[0] != n):
            raise ShapeError(f"{workers} workers and durations of another length than {n} runs")
        if elapsed is not None and (elapsed.shape[0] != n or elapsed.shape[1] != self.view.n_intervals):
            raise ShapeError(f"elapsed is no matrix of {n} runs and {self.view.n_intervals} intervals")
        if events is not None:
            check_events(events, cut, self._lengths, n)
        stopped, makespan = np.zeros((m, n), np.int64), np.zeros(m)
        if n == 0 or m == 0 or self.view.n_intervals == 0:
            return stopped, makespan
        schedule.order = &natural[0] if order is None else &order[0]
        schedule.workers = min(workers, n)
        if durations is not None:
            schedule.durations = &durations[0]
        if elapsed is not None:
            schedule.elapsed = &elapsed[0, 0]
        if events is not None:
            schedule.n_events = events.shape[1]
            if schedule.n_events == 0:
                return stopped, makespan
            schedule.event_row, schedule.event_interval, schedule.cut = &events[0, 0], &events[1, 0], &cut[0]
        cdef int64_t[:, ::1] stops = stopped
        cdef double[::1] spans = makespan
        cdef hd_rule *rules = <hd_rule *>malloc(m * sizeof(hd_rule))
        if rules is NULL:
            raise MemoryError
        try:
            for i in range(m):
                judge = judges[i]
                if not judge.is_ranked:
                    raise PolicyError("this policy does not look at ranks only; use Curves.replay or Curves.follow")
                rules[i] = judge.state.rule
            with nogil:
                done = hd_study_replay(&self.view, rules, m, &schedule, &stops[0, 0], &spans[0])
        finally:
            free(rules)
        if done == HD_NO_MEMORY:
            raise MemoryError
        return stopped, makespan
