/* Kernels of the Gaussian process; formulas and names as in hdcore/gp/model.py.
 *
 * Points are dimension-major: coordinate k of point j is u[k ld + j], and z = u / l. A column whose differences
 * count as "equal or not" (choices; inactive conditionals) has clamp 1: its squared difference is cut at 1/l^2.
 * Plain numeric columns have clamp infinity. Matrices are row-major lower triangles.
 */
#ifndef HDCORE_GP_H
#define HDCORE_GP_H

typedef struct {
    int n, d;
    long ld;             /* of u and z */
    const double *u;     /* (d, ld) */
    const double *clamp; /* (d,) */
    const double *y;     /* (n,) */
    const double *v;     /* (n,) noise variance of point i is sn2 v_i + e_i */
    const double *e;     /* (n,) */
    double dof;          /* merged duplicates: lost degrees of freedom and their sum of squares */
    double scatter;
    const double *prior_mean, *prior_sd, *lower, *upper; /* (d + 2,) of log l, log sf2, log sn2 */
    double *z;           /* (d, ld) scratch, as all below */
    double *w2;          /* (d,) */
    double *a, *kp;      /* (n, lda) */
    long lda;
    double *alpha;       /* (n,) */
    double *vectors;     /* (3, n) */
    double *pack;        /* LA_PACK_SIZE */
} gp_problem;

/* z := u / l and w2 := clamp / l^2. */
void gp_scale(int n, int d, long ld, const double *u, const double *clamp, const double *theta, double *z, double *w2);

/* Lower triangle of k(Z, Z) + diag(noise); the slopes go to kp unless it is NULL. */
void gp_kmat(int n, int d, const double *z, long ld, const double *w2, double sf2, const double *noise, double *k,
             double *kp, long ldk);

/* k(xq, Z) for c scaled rows; the slopes go to kp unless it is NULL. */
void gp_kcross(int n, int d, const double *z, long ld, const double *w2, double sf2, const double *xq, int c, double *k,
               double *kp, long ldk);

/* Negative log posterior of theta and, unless grad is NULL, its gradient; +inf where A is not positive definite.
 * Leaves A^-1 in the lower triangle of p->a if grad was wanted, alpha in p->alpha, the mean in *mu. */
double gp_nll(const gp_problem *p, const double *theta, double *mu, double *grad);

/* MAP fit by projected BFGS from each of `starts` rows of theta; the best goes to row 0. Returns evaluations. */
int gp_fit(const gp_problem *p, double *theta, int starts, int most, double tolerance, double *work, double *nll);
#define GP_FIT_WORK(p) ((p) * (p) + 8 * (p))

/* out = A^-1 x for `count` rows of x, from the lower triangle of A^-1. */
void gp_apply(int n, const double *ainv, long lda, const double *x, int count, double *out, long ldx);

/* out[i ldo + j] = a_i . b_j over rows of length n. */
void gp_gram(int n, const double *a, int rows_a, long lda, const double *b, int rows_b, long ldb, double *out, long ldo);

/* Conditions on `told` points with residuals rho (told,) and on `pending` ones with standard normal draws e (count,
 * pending), all beyond the factor; c is their joint covariance given the factor, lower, (p, p), and is overwritten.
 * shift (count, p) = C^-1 rho_s, value (count, p) = rho_s with the draws filled in, cinv (p, p) the whole inverse.
 * Returns 0, or 1 + the row that failed. */
int gp_condition(int told, int pending, double *c, const double *rho, int count, const double *e, double *shift,
                 double *value, double *cinv);

#endif
