/* Acquisition: LogEI of a Gaussian process given pending points and failures, its screening and its local search.
 *
 * Points are rows in model coordinates: numeric columns in [0, 1], choices as their integer code, inactive
 * conditionals INACTIVE. `z` arrays are dimension-major and divided by l, as in _gp.h.
 */
#ifndef HDCORE_ACQUISITION_H
#define HDCORE_ACQUISITION_H

#include <stdint.h>

#define INACTIVE (-2.0)
enum { LANES = 8 }; /* points a batch: one AVX-512 register */
enum { SCREENED = 8 }; /* fantasies that candidates are screened with: starts need no more */
enum { SUBSET = 96 }; /* points of the variance bound */
enum { CONTINUOUS = 0, ORDERED = 1, CATEGORICAL = 2 };

typedef struct {
    int n, d;
    long ld, lda;
    const double *z;     /* (d, ld) */
    const double *w2;    /* (d,) clamp / l^2 */
    const double *rate;  /* (d,) 1 / l */
    const double *alpha; /* (n,) */
    const double *ainv;  /* (n, lda) lower */
    double sf2, mu, best; /* best: the incumbent, to be improved downwards */
    double noise; /* of one result, where LogEI is to be discounted by it, or 0 */
    /* Points beyond the factor, told since (with their value) or pending (with fantasies of it): c(x) = k_P(x) - V k(x)
     * is their posterior covariance with f(x). */
    int pending, fantasies;
    long ldp;
    const double *zp;        /* (d, ldp) */
    const double *vp;        /* (pending, lda): A^-1 k(Z, p) */
    const double *cinv;      /* (pending, pending), whole inverse of their posterior covariance with noise */
    const double *shift;     /* (fantasies, pending): mean_s = mean + c . shift_s */
    const double *incumbent; /* (fantasies,) */
    /* Feasibility, with length scales of its own: the told points, then the failed ones. */
    int succeeded, failures;
    long ldf;
    const double *zf;               /* (d, ldf) */
    const double *rate_f, *clamp_f; /* (d,) 1 / l and clamp / l^2 */
    double weight_f;
    /* Variance bound: points `subset` and the last `tail` pending ones, with the inverse of their kernel matrix. */
    int members, tail;
    const int *subset;
    const double *sinv; /* (members + tail, SUBSET) lower */
} acq_model;

typedef struct {
    int d;
    const int *kind, *levels; /* levels: 0 continuous, K with a table, -1 a grid that is rounded by the caller */
    const int *offset;        /* start of the column's levels in mid; its edges start at offset + column */
    const double *mid, *edge;
    const int *parent, *parent_level;
} acq_space;

double acq_log_h(double z, double *slope);

/* Doubles of scratch for the functions below. */
long acq_work_size(const acq_model *m);

/* LogEI + the penalty of failures for `count` rows; gradient rows unless grad is NULL. */
void acq_values(const acq_model *m, int count, const double *x, double *value, double *grad, double *work);

/* Posterior mean and variance of `count` rows (pending points are not conditioned on). */
void acq_posterior(const acq_model *m, int count, const double *x, double *mean, double *var, double *work);

/* v_b = A^-1 k(Z, x_b) into rows of v (count, ldv), and k itself into k unless NULL. */
void acq_project(const acq_model *m, int count, const double *x, double *v, double *k, long ldv, double *work);

/* Best `top` of `count` rows, best first: indices and exact values; they are the exact best unless more than `limit`
 * rows had to be looked at, in order of their bounds. Returns the exact evaluations it took.
 * `scratch` holds count + 8 d doubles, `order` count ints. */
int acq_screen(const acq_model *m, int count, const double *x, int top, int limit, int *index, double *value,
               double *scratch, int *order, double *work);

/* Rows from the prior: a Kronecker lattice with a random shift. */
void acq_global(const acq_space *s, int count, uint64_t seed, double *x);

/* Rows around `centres` rows (the first gets half of them). */
void acq_local(const acq_space *s, const acq_model *m, int centres, const double *centre, int count, uint64_t seed,
               double *x);

/* Lockstep ascent of B rows in place: projected BFGS on the numeric columns, then the best level of each discrete
 * column in turn, up to `rounds` times. Returns batched evaluations. */
int acq_search(const acq_model *m, const acq_space *s, int B, double *x, double *value, const double *fill,
               int iterations, int rounds, double *search, double *work);
long acq_search_size(int d, int B);

#endif
