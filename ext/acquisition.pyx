"""Acquisition: LogEI, its screening and its local search. The work is in ext/acquisition_*.c, without the GIL.

`Acquisition` borrows the arrays of one model (it keeps them alive) and owns the scratch.
"""

from libc.stddef cimport size_t
from libc.stdint cimport uint64_t
from libc.stdlib cimport free
from libc.string cimport memset


cdef extern from "stdlib.h" nogil:
    void* aligned_alloc(size_t alignment, size_t size)


cdef extern from "_acquisition.h" nogil:
    int SUBSET

    ctypedef struct acq_model:
        int n
        int d
        long ld
        long lda
        const double* z
        const double* w2
        const double* rate
        const double* alpha
        const double* ainv
        double sf2
        double mu
        double best
        double noise
        int pending
        int fantasies
        long ldp
        const double* zp
        const double* vp
        const double* cinv
        const double* shift
        const double* incumbent
        int succeeded
        int failures
        long ldf
        const double* zf
        const double* rate_f
        const double* clamp_f
        double weight_f
        int members
        int tail
        const int* subset
        const double* sinv

    ctypedef struct acq_space:
        int d
        const int* kind
        const int* levels
        const int* offset
        const double* mid
        const double* edge
        const int* parent
        const int* parent_level

    double acq_log_h(double z, double* slope)
    long acq_work_size(const acq_model* m)
    void acq_values(const acq_model* m, int count, const double* x, double* value, double* grad, double* work)
    void acq_posterior(const acq_model* m, int count, const double* x, double* mean, double* var, double* work)
    void acq_project(const acq_model* m, int count, const double* x, double* v, double* k, long ldv, double* work)
    int acq_screen(const acq_model* m, int count, const double* x, int top, int limit, int* index, double* value,
                   double* scratch, int* order, double* work)
    void acq_global(const acq_space* s, int count, uint64_t seed, double* x)
    void acq_local(const acq_space* s, const acq_model* m, int centres, const double* centre, int count, uint64_t seed,
                   double* x)
    int acq_search(const acq_model* m, const acq_space* s, int B, double* x, double* value, const double* fill,
                   int iterations, int rounds, double* search, double* work)
    long acq_search_size(int d, int B)


def log_h(double z):
    """(log h, slope) with h(z) = phi(z) + z Phi(z)."""
    cdef double slope = 0.0
    cdef double value = acq_log_h(z, &slope)
    return value, slope


cdef class Space:
    """Columns of a search space as the candidates and the search need them."""

    cdef acq_space s
    cdef tuple kept

    def __init__(self, const int[::1] kind not None, const int[::1] levels not None, const int[::1] offset not None,
                 const double[::1] mid not None, const double[::1] edge not None, const int[::1] parent not None,
                 const int[::1] parent_level not None):
        self.kept = (kind, levels, offset, mid, edge, parent, parent_level)
        self.s.d = <int>kind.shape[0]
        self.s.kind = &kind[0]
        self.s.levels = &levels[0]
        self.s.offset = &offset[0]
        self.s.mid = &mid[0]
        self.s.edge = &edge[0]
        self.s.parent = &parent[0]
        self.s.parent_level = &parent_level[0]

    def spread(self, uint64_t seed, double[:, ::1] x not None):
        """Fill `x` with rows from the prior, spread evenly."""
        with nogil:
            acq_global(&self.s, <int>x.shape[0], seed, &x[0, 0])


cdef class Acquisition:
    """LogEI of one model, to be maximised."""

    cdef acq_model m
    cdef double* work
    cdef long size
    cdef dict kept

    def __cinit__(self):
        memset(&self.m, 0, sizeof(acq_model))
        self.work = NULL
        self.size = 0
        self.kept = {}

    def __dealloc__(self):
        free(self.work)

    cdef int reserve(self) except -1:
        cdef long size = acq_work_size(&self.m)
        if size > self.size:
            free(self.work)
            self.size = 0
            self.work = <double*>aligned_alloc(64, (<size_t>size * 8 + 63) // 64 * 64)
            if self.work == NULL:
                raise MemoryError
            self.size = size
        return 0

    def model(self, int n, const double[:, ::1] z not None, const double[::1] w2 not None,
              const double[::1] rate not None, const double[::1] alpha not None, const double[:, ::1] ainv not None,
              double sf2, double mu, double best, double noise=0.0):
        """Take a factorised model; forgets pending points, failures and the subset. noise: 0 for plain LogEI."""
        self.kept = {"model": (z, w2, rate, alpha, ainv)}
        self.m.n = n
        self.m.d = <int>z.shape[0]
        self.m.ld = z.shape[1]
        self.m.lda = ainv.shape[1]
        self.m.z = &z[0, 0]
        self.m.w2 = &w2[0]
        self.m.rate = &rate[0]
        self.m.alpha = &alpha[0]
        self.m.ainv = &ainv[0, 0]
        self.m.sf2 = sf2
        self.m.mu = mu
        self.m.best = best
        self.m.noise = noise
        self.m.pending = self.m.fantasies = self.m.failures = self.m.members = 0
        self.m.tail = 0
        self.reserve()

    def subset(self, const int[::1] members not None, int tail, const double[:, ::1] sinv not None):
        """Points of the variance bound: members, then the last `tail` pending ones; their inverse, lower, ld 96."""
        self.kept["subset"] = (members, sinv)
        self.m.members = <int>members.shape[0]
        self.m.tail = tail
        self.m.subset = &members[0]
        self.m.sinv = &sinv[0, 0]

    def pending(self, const double[:, ::1] zp not None, int p, const double[:, ::1] vp not None,
                const double[:, ::1] cinv not None, const double[:, ::1] shift not None,
                const double[::1] incumbent not None):
        """Condition on `p` pending points; p = 0 takes them away."""
        self.kept["pending"] = (zp, vp, cinv, shift, incumbent)
        self.m.pending = p
        self.m.fantasies = <int>shift.shape[0]
        self.m.ldp = zp.shape[1]
        self.m.zp = &zp[0, 0]
        self.m.vp = &vp[0, 0]
        self.m.cinv = &cinv[0, 0]
        self.m.shift = &shift[0, 0]
        self.m.incumbent = &incumbent[0]
        self.reserve()

    def failures(self, const double[:, ::1] zf not None, int succeeded, int failed, const double[::1] rate not None,
                 const double[::1] clamp not None, double weight):
        """Penalise failures: zf holds the told points, then the failed ones, scaled by `rate` = 1 / l; clamp / l^2."""
        self.kept["failures"] = (zf, rate, clamp)
        self.m.succeeded = succeeded
        self.m.failures = failed
        self.m.ldf = zf.shape[1]
        self.m.zf = &zf[0, 0]
        self.m.rate_f = &rate[0]
        self.m.clamp_f = &clamp[0]
        self.m.weight_f = weight
        self.reserve()

    def values(self, const double[:, ::1] x not None, double[::1] value not None, double[:, ::1] grad=None):
        """Acquisition and, unless `grad` is None, its gradient."""
        cdef double* out = NULL if grad is None else &grad[0, 0]
        with nogil:
            acq_values(&self.m, <int>x.shape[0], &x[0, 0], &value[0], out, self.work)

    def posterior(self, const double[:, ::1] x not None, double[::1] mean not None, double[::1] var not None):
        """Posterior mean and variance of f, told points only."""
        with nogil:
            acq_posterior(&self.m, <int>x.shape[0], &x[0, 0], &mean[0], &var[0], self.work)

    def project(self, const double[:, ::1] x not None, double[:, ::1] v not None, double[:, ::1] k=None):
        """Rows A^-1 k(Z, x) and k(Z, x)."""
        cdef double* out = NULL if k is None else &k[0, 0]
        with nogil:
            acq_project(&self.m, <int>x.shape[0], &x[0, 0], &v[0, 0], out, v.shape[1], self.work)

    def screen(self, const double[:, ::1] x not None, int[::1] index not None, double[::1] value not None,
               double[::1] scratch not None, int[::1] order not None, int limit=1 << 30):
        """The best len(index) rows of `x`, best first; -1 where there are fewer. Returns exact evaluations."""
        cdef int evaluations
        with nogil:
            evaluations = acq_screen(&self.m, <int>x.shape[0], &x[0, 0], <int>index.shape[0], limit, &index[0], &value[0],
                                     &scratch[0], &order[0], self.work)
        return evaluations

    def nearby(self, Space space not None, const double[:, ::1] centres not None, uint64_t seed,
               double[:, ::1] x not None):
        """Fill `x` with rows around the centres; the first gets half of them."""
        with nogil:
            acq_local(&space.s, &self.m, <int>centres.shape[0], &centres[0, 0], <int>x.shape[0], seed, &x[0, 0])

    def search(self, Space space not None, double[:, ::1] x not None, double[::1] value not None,
               const double[::1] fill not None, int iterations, int rounds, double[::1] scratch not None):
        """Local ascent of up to 64 rows in place; returns batched evaluations."""
        cdef int evaluations
        with nogil:
            evaluations = acq_search(&self.m, &space.s, <int>x.shape[0], &x[0, 0], &value[0], &fill[0], iterations,
                                     rounds, &scratch[0], self.work)
        return evaluations


def search_size(int d, int starts):
    """Doubles of scratch that `Acquisition.search` wants."""
    return acq_search_size(d, starts)
