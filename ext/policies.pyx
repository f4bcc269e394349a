"""Judges of the built-in policies, lockstep evaluation and replay; the work is done in ``policies_*.c``."""

cimport cython
from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

from hdcore.errors import PolicyError, ShapeError, StateError


cdef extern from "_policies.h" nogil:
    enum:
        HD_NONE
        HD_BANDIT
        HD_MEDIAN
        HD_TRUNCATION
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
    int hd_replay(const hd_rule *rule, const hd_curves *curves, const int32_t *lengths, int64_t workers,
                  const double *durations, int64_t *stopped, double *makespan, double *best)


NONE = HD_NONE
BANDIT = HD_BANDIT
MEDIAN = HD_MEDIAN
TRUNCATION = HD_TRUNCATION

cdef int64_t LARGEST = 2147483646  # runs are numbered in 32 bits


@cython.final
cdef class RuleJudge:
    """Judge of a built-in policy; see `hdcore.policies.base.Judge` and the stub."""

    cdef hd_judge *state
    cdef bint busy

    def __cinit__(self, int rule, object evaluation_interval, object delay_evaluation, *, double slack=0.0,
                  bint relative=False, int percentage=50, bint reached_only=False, bint live_only=False):
        cdef hd_rule settings
        if not NONE <= rule <= TRUNCATION or not 1 <= percentage <= 99 or evaluation_interval < 1:
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
    def nbytes(self):
        return hd_judge_bytes(self.state)


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
