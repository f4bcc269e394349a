"""Kernels of the Gaussian process: matrices, likelihood with gradient, fit.

Thin: arguments were validated by hdcore.gp.model; the work is in ext/gp_*.c and runs without the GIL.
"""

from libc.stddef cimport size_t
from libc.stdlib cimport free
from libc.math cimport exp


cdef extern from "stdlib.h" nogil:
    void* aligned_alloc(size_t alignment, size_t size)


cdef extern from "_linalg.h" nogil:
    int LA_PACK_SIZE
    int la_potrf(int n, double* a, long lda, double* pack)
    void la_trtri(int n, double* a, long lda, double* pack)
    void la_lauum(int n, double* a, long lda, double* pack)


cdef extern from "_gp.h" nogil:
    ctypedef struct gp_problem:
        int n
        int d
        long ld
        const double* u
        const double* clamp
        const double* y
        const double* v
        const double* e
        double dof
        double scatter
        const double* prior_mean
        const double* prior_sd
        const double* lower
        const double* upper
        double* z
        double* w2
        double* a
        double* kp
        long lda
        double* alpha
        double* vectors
        double* pack

    void gp_scale(int n, int d, long ld, const double* u, const double* clamp, const double* theta, double* z,
                  double* w2)
    void gp_kmat(int n, int d, const double* z, long ld, const double* w2, double sf2, const double* noise, double* k,
                 double* kp, long ldk)
    void gp_kcross(int n, int d, const double* z, long ld, const double* w2, double sf2, const double* xq, int c,
                   double* k, double* kp, long ldk)
    double gp_nll(const gp_problem* p, const double* theta, double* mu, double* grad)
    int gp_fit(const gp_problem* p, double* theta, int starts, int most, double tolerance, double* work, double* nll)
    int GP_FIT_WORK(int p)
    void gp_apply(int n, const double* ainv, long lda, const double* x, int count, double* out, long ldx)
    void gp_gram(int n, const double* a, int rows_a, long lda, const double* b, int rows_b, long ldb, double* out,
                 long ldo)
    int gp_condition(int told, int pending, double* c, const double* rho, int count, const double* e, double* shift,
                     double* value, double* cinv)


cdef double* _allocate(size_t count) except NULL:
    """Aligned doubles; the pages are touched on first use only."""
    cdef void* memory = aligned_alloc(64, (count * 8 + 63) // 64 * 64)
    if memory == NULL:
        raise MemoryError
    return <double*>memory


cdef class Workspace:
    """Scratch of the fit for up to `n` points of `d` columns; grown by doubling and reused by every call."""

    cdef gp_problem p
    cdef int n, d
    cdef double* memory
    cdef double* fit

    def __cinit__(self, int n, int d):
        cdef long ld = (n + 7) // 8 * 8 + 8  # never a power of two: rows would share cache sets
        cdef size_t size = (2 * <size_t>n * ld + <size_t>d * ld + d + 8 + 4 * ld + LA_PACK_SIZE + GP_FIT_WORK(d + 2) + 64)
        self.memory = _allocate(size)
        self.n = n
        self.d = d
        self.p.pack = self.memory
        self.p.a = self.p.pack + (LA_PACK_SIZE + 7) // 8 * 8
        self.p.kp = self.p.a + n * ld
        self.p.z = self.p.kp + n * ld
        self.p.alpha = self.p.z + d * ld
        self.p.vectors = self.p.alpha + ld
        self.p.w2 = self.p.vectors + 3 * ld
        self.fit = self.p.w2 + d
        self.p.lda = ld

    def __dealloc__(self):
        free(self.memory)

    @property
    def capacity(self):
        """Points it serves."""
        return self.n


cdef void _fill(Workspace work, int n, const double[:, ::1] u, const double[::1] clamp, const double[::1] y,
                const double[::1] v, const double[::1] e, double dof, double scatter,
                const double[:, ::1] prior) noexcept:
    work.p.n = n
    work.p.d = <int>u.shape[0]
    work.p.ld = u.shape[1]
    work.p.u = &u[0, 0]
    work.p.clamp = &clamp[0]
    work.p.y = &y[0]
    work.p.v = &v[0]
    work.p.e = &e[0]
    work.p.dof = dof
    work.p.scatter = scatter
    work.p.prior_mean = &prior[0, 0]
    work.p.prior_sd = &prior[1, 0]
    work.p.lower = &prior[2, 0]
    work.p.upper = &prior[3, 0]


def scale(int n, const double[:, ::1] u not None, const double[::1] clamp not None, const double[::1] theta not None,
          double[:, ::1] z not None, double[::1] w2 not None):
    """z := u / l, w2 := clamp / l^2."""
    with nogil:
        gp_scale(n, <int>u.shape[0], u.shape[1], &u[0, 0], &clamp[0], &theta[0], &z[0, 0], &w2[0])


def kmat(int n, const double[:, ::1] z not None, const double[::1] w2 not None, double sf2,
         const double[::1] noise not None, double[:, ::1] k not None, double[:, ::1] kp=None):
    """Lower triangle of k(Z, Z) + diag(noise), and its slopes."""
    cdef double* slopes = NULL if kp is None else &kp[0, 0]
    with nogil:
        gp_kmat(n, <int>z.shape[0], &z[0, 0], z.shape[1], &w2[0], sf2, &noise[0], &k[0, 0], slopes, k.shape[1])


def kcross(int n, const double[:, ::1] z not None, const double[::1] w2 not None, double sf2,
           const double[:, ::1] xq not None, double[:, ::1] k not None, double[:, ::1] kp=None):
    """k(xq, Z) for scaled query rows, and its slopes."""
    cdef double* slopes = NULL if kp is None else &kp[0, 0]
    with nogil:
        gp_kcross(n, <int>z.shape[0], &z[0, 0], z.shape[1], &w2[0], sf2, &xq[0, 0], <int>xq.shape[0], &k[0, 0], slopes,
                  k.shape[1])


def nll_grad(Workspace work not None, int n, const double[:, ::1] u not None, const double[::1] clamp not None,
             const double[::1] theta not None, const double[::1] y not None, const double[::1] v not None,
             const double[::1] e not None, double dof, double scatter, const double[:, ::1] prior not None,
             double[::1] grad=None):
    """Negative log posterior; fills `grad`, shape (d + 2,), unless it is None."""
    cdef double mu = 0.0, value
    cdef double* out = NULL if grad is None else &grad[0]
    _fill(work, n, u, clamp, y, v, e, dof, scatter, prior)
    with nogil:
        value = gp_nll(&work.p, &theta[0], &mu, out)
    return value


def fit(Workspace work not None, int n, const double[:, ::1] u not None, const double[::1] clamp not None,
        double[:, ::1] theta not None, const double[::1] y not None, const double[::1] v not None,
        const double[::1] e not None, double dof, double scatter, const double[:, ::1] prior not None, int most,
        double tolerance):
    """MAP fit from each row of `theta`; the best ends in row 0. Returns (NLL, evaluations)."""
    cdef double nll = 0.0
    cdef int evaluations
    _fill(work, n, u, clamp, y, v, e, dof, scatter, prior)
    with nogil:
        evaluations = gp_fit(&work.p, &theta[0, 0], <int>theta.shape[0], most, tolerance, work.fit, &nll)
    return nll, evaluations


def factorise(Workspace work not None, int n, const double[:, ::1] u not None, const double[::1] clamp not None,
              const double[::1] theta not None, const double[::1] y not None, const double[::1] v not None,
              const double[::1] e not None, double jitter, double[:, ::1] z not None, double[::1] w2 not None,
              double[:, ::1] ainv not None):
    """Scale the points and put A^-1 into the lower triangle of `ainv`; 0, or 1 + the row that failed."""
    cdef int info, i, d = <int>u.shape[0]
    cdef double sf2 = exp(theta[d]), sn2 = exp(theta[d + 1])
    cdef double* noise = work.p.vectors
    cdef long lda = ainv.shape[1]
    with nogil:
        gp_scale(n, d, u.shape[1], &u[0, 0], &clamp[0], &theta[0], &z[0, 0], &w2[0])
        for i in range(n):
            noise[i] = sn2 * v[i] + e[i] + jitter
        gp_kmat(n, d, &z[0, 0], z.shape[1], &w2[0], sf2, noise, &ainv[0, 0], NULL, lda)
        info = la_potrf(n, &ainv[0, 0], lda, work.p.pack)
        if info == 0:
            la_trtri(n, &ainv[0, 0], lda, work.p.pack)
            la_lauum(n, &ainv[0, 0], lda, work.p.pack)
    return info


def inverse(Workspace work not None, int n, double[:, ::1] a not None):
    """lower(A) := lower(A^-1); 0, or 1 + the row that failed."""
    cdef int info
    with nogil:
        info = la_potrf(n, &a[0, 0], a.shape[1], work.p.pack)
        if info == 0:
            la_trtri(n, &a[0, 0], a.shape[1], work.p.pack)
            la_lauum(n, &a[0, 0], a.shape[1], work.p.pack)
    return info


def cholesky(Workspace work not None, int n, double[:, ::1] a not None):
    """lower(A) := L; 0, or 1 + the row that failed."""
    cdef int info
    with nogil:
        info = la_potrf(n, &a[0, 0], a.shape[1], work.p.pack)
    return info


def apply(int n, const double[:, ::1] ainv not None, const double[:, ::1] x not None, double[:, ::1] out not None):
    """Rows out = A^-1 x, A^-1 by its lower triangle."""
    with nogil:
        gp_apply(n, &ainv[0, 0], ainv.shape[1], &x[0, 0], <int>x.shape[0], &out[0, 0], x.shape[1])


def gram(int n, const double[:, ::1] a not None, const double[:, ::1] b not None, double[:, ::1] out not None):
    """out[i, j] = a_i . b_j over the first n columns."""
    with nogil:
        gp_gram(n, &a[0, 0], <int>a.shape[0], a.shape[1], &b[0, 0], <int>b.shape[0], b.shape[1], &out[0, 0],
                out.shape[1])


def condition(int told, double[:, ::1] c not None, const double[::1] rho not None, const double[:, ::1] draws not None,
              double[:, ::1] shift not None, double[:, ::1] value not None, double[:, ::1] cinv not None):
    """Condition on points beyond the factor, see _gp.h; 0, or 1 + the row that failed. `rho` needs a spare element."""
    cdef int info, p = <int>c.shape[0]
    with nogil:
        info = gp_condition(told, p - told, &c[0, 0], &rho[0], <int>shift.shape[0], &draws[0, 0], &shift[0, 0],
                            &value[0, 0], &cinv[0, 0])
    return info
