/* Kernel matrices and the likelihood with its gradient. */
#include "_gp.h"
#include "_gpmath.h"
#include "_linalg.h"

#include <stddef.h>

void gp_scale(int n, int d, long ld, const double *u, const double *clamp, const double *theta, double *z, double *w2)
{
    for (int k = 0; k < d; k++) {
        double inverse = exp(-theta[k]);
        w2[k] = clamp[k] * inverse * inverse;
        for (int j = 0; j < n; j++)
            z[k * ld + j] = u[k * ld + j] * inverse;
    }
}

HD_CLONES static void kernel_row(int n, int d, const double *z, long ld, const double *w2, double sf2, const double *q,
                                 long qs, double *k, double *kp)
{
    double r2[GP_CHUNK];
    for (int j0 = 0; j0 < n; j0 += GP_CHUNK) {
        int count = n - j0 < GP_CHUNK ? n - j0 : GP_CHUNK;
        gp_distances(count, d, z + j0, ld, q, qs, w2, r2);
        if (kp)
            gp_matern_slope(count, r2, sf2, k + j0, kp + j0);
        else
            gp_matern(count, r2, sf2, k + j0);
    }
}

void gp_kmat(int n, int d, const double *z, long ld, const double *w2, double sf2, const double *noise, double *k,
             double *kp, long ldk)
{
    for (int i = 0; i < n; i++) {
        kernel_row(i + 1, d, z, ld, w2, sf2, z + i, ld, k + i * ldk, kp ? kp + i * ldk : NULL);
        k[i * ldk + i] = sf2 + noise[i];
    }
}

void gp_kcross(int n, int d, const double *z, long ld, const double *w2, double sf2, const double *xq, int c, double *k,
               double *kp, long ldk)
{
    for (int i = 0; i < c; i++)
        kernel_row(n, d, z, ld, w2, sf2, xq + (long)i * d, 1, k + i * ldk, kp ? kp + i * ldk : NULL);
}

HD_CLONES static double dot(int n, const double *a, const double *b) { return gp_dot(n, a, b); }

/* With M = L^-1: p = M y, q = M 1. */
HD_CLONES static void solve_lower(int n, const double *m, long lda, const double *y, double *p, double *q)
{
    for (int i = 0; i < n; i++) {
        const double *row = m + i * lda;
        double a = 0.0, b = 0.0;
#pragma omp simd reduction(+ : a, b)
        for (int j = 0; j <= i; j++) {
            a += row[j] * y[j];
            b += row[j];
        }
        p[i] = a;
        q[i] = b;
    }
}

/* alpha = M^T r */
HD_CLONES static void solve_upper(int n, const double *m, long lda, const double *r, double *alpha)
{
    for (int j = 0; j < n; j++)
        alpha[j] = 0.0;
    for (int i = 0; i < n; i++) {
        const double *row = m + i * lda;
        double factor = r[i];
        for (int j = 0; j <= i; j++)
            alpha[j] += factor * row[j];
    }
}

/* grad_k += sum_{j < i} (Ainv_ij - alpha_i alpha_j) kp_ij min((z_ik - z_jk)^2, w2_k) for one row i. */
HD_CLONES static void gradient_row(int i, int d, const double *z, long ld, const double *w2, const double *ainv,
                                   const double *kp, const double *alpha, double *grad)
{
    double weight[GP_CHUNK];
    double own = alpha[i];
    for (int j0 = 0; j0 < i; j0 += GP_CHUNK) {
        int count = i - j0 < GP_CHUNK ? i - j0 : GP_CHUNK;
        for (int j = 0; j < count; j++)
            weight[j] = (ainv[j0 + j] - own * alpha[j0 + j]) * kp[j0 + j];
        int k = 0;
        for (; k + 1 < d; k += 2) {
            const double *z0 = z + k * ld + j0, *z1 = z0 + ld;
            double q0 = z[k * ld + i], q1 = z[(k + 1) * ld + i], a0 = w2[k], a1 = w2[k + 1], s0 = 0.0, s1 = 0.0;
#pragma omp simd reduction(+ : s0, s1)
            for (int j = 0; j < count; j++) {
                double t0 = q0 - z0[j], t1 = q1 - z1[j];
                t0 *= t0, t1 *= t1;
                s0 += weight[j] * (t0 < a0 ? t0 : a0);
                s1 += weight[j] * (t1 < a1 ? t1 : a1);
            }
            grad[k] += s0;
            grad[k + 1] += s1;
        }
        for (; k < d; k++) {
            const double *zk = z + k * ld + j0;
            double q = z[k * ld + i], a = w2[k], s = 0.0;
#pragma omp simd reduction(+ : s)
            for (int j = 0; j < count; j++) {
                double t = q - zk[j];
                t *= t;
                s += weight[j] * (t < a ? t : a);
            }
            grad[k] += s;
        }
    }
}

double gp_nll(const gp_problem *p, const double *theta, double *mu, double *grad)
{
    int n = p->n, d = p->d;
    long lda = p->lda;
    double sf2 = exp(theta[d]), sn2 = exp(theta[d + 1]);
    double *noise = p->vectors, *py = noise + n, *p1 = py + n;
    for (int i = 0; i < n; i++)
        noise[i] = sn2 * p->v[i] + p->e[i];
    gp_scale(n, d, p->ld, p->u, p->clamp, theta, p->z, p->w2);
    gp_kmat(n, d, p->z, p->ld, p->w2, sf2, noise, p->a, grad ? p->kp : NULL, lda);
    if (la_potrf(n, p->a, lda, p->pack))
        return INFINITY;
    double value = 0.5 * n * 1.8378770664093454836; /* log(2 pi) */
    for (int i = 0; i < n; i++)
        value += log(p->a[i * lda + i]);
    la_trtri(n, p->a, lda, p->pack);
    solve_lower(n, p->a, lda, p->y, py, p1);
    double yy = dot(n, py, py), y1 = dot(n, py, p1), one = dot(n, p1, p1);
    double mean = y1 / (1.0 + one); /* MAP under a N(0, 1) prior */
    *mu = mean;
    value += 0.5 * (yy - 2.0 * mean * y1 + mean * mean * (one + 1.0));
    for (int i = 0; i < n; i++)
        py[i] -= mean * p1[i];
    solve_upper(n, p->a, lda, py, p->alpha);
    value += 0.5 * (p->dof * theta[d + 1] + p->scatter / sn2);
    for (int k = 0; k < d + 2; k++) {
        double t = (theta[k] - p->prior_mean[k]) / p->prior_sd[k];
        value += 0.5 * t * t;
    }
    if (!isfinite(value))
        return INFINITY;
    if (!grad)
        return value;
    la_lauum(n, p->a, lda, p->pack);
    for (int k = 0; k < d + 2; k++)
        grad[k] = 0.0;
    double fit = 0.0, trace = 0.0, by_noise = 0.0;
    for (int i = 0; i < n; i++) {
        double alpha = p->alpha[i], excess = p->a[i * lda + i] - alpha * alpha;
        gradient_row(i, d, p->z, p->ld, p->w2, p->a + i * lda, p->kp + i * lda, p->alpha, grad);
        fit += alpha * (p->y[i] - mean);
        trace += noise[i] * excess;
        by_noise += p->v[i] * excess;
    }
    for (int k = 0; k < d; k++)
        grad[k] *= -2.0;
    grad[d] = 0.5 * (n - fit - trace);
    grad[d + 1] = 0.5 * (sn2 * by_noise + p->dof - p->scatter / sn2);
    for (int k = 0; k < d + 2; k++)
        grad[k] += (theta[k] - p->prior_mean[k]) / (p->prior_sd[k] * p->prior_sd[k]);
    return value;
}

HD_CLONES static void symmetric_times(int n, const double *a, long lda, const double *x, double *out)
{
    for (int i = 0; i < n; i++) {
        const double *row = a + i * lda;
        double sum = 0.0, own = x[i];
#pragma omp simd reduction(+ : sum)
        for (int j = 0; j < i; j++) {
            sum += row[j] * x[j];
            out[j] += row[j] * own;
        }
        out[i] = sum + row[i] * own;
    }
}

void gp_apply(int n, const double *ainv, long lda, const double *x, int count, double *out, long ldx)
{
    for (int i = 0; i < count; i++)
        symmetric_times(n, ainv, lda, x + i * ldx, out + i * ldx);
}

void gp_gram(int n, const double *a, int rows_a, long lda, const double *b, int rows_b, long ldb, double *out, long ldo)
{
    for (int i = 0; i < rows_a; i++)
        for (int j = 0; j < rows_b; j++)
            out[i * ldo + j] = dot(n, a + i * lda, b + j * ldb);
}

/* With C = L L^T and M = L^-1, the draws are rho = L [M_tt rho_t; e] and C^-1 rho = M^T [M_tt rho_t; e]: one factor
 * serves the told points, the conditional draws and the inverse. p is at most a few hundred. */
HD_CLONES int gp_condition(int told, int pending, double *c, const double *rho, int count, const double *e,
                           double *shift, double *value, double *cinv)
{
    int p = told + pending;
    for (int i = 0; i < p; i++) {
        for (int j = 0; j <= i; j++) {
            double sum = c[(long)i * p + j] - gp_dot(j, c + (long)i * p, c + (long)j * p);
            if (i != j)
                c[(long)i * p + j] = sum / c[(long)j * p + j];
            else if (sum > 0.0)
                c[(long)i * p + i] = sqrt(sum);
            else
                return i + 1;
        }
    }
    for (int s = 0; s < count; s++) { /* `shift` holds the standard draws first */
        double *w = shift + (long)s * p, *out = value + (long)s * p;
        for (int i = 0; i < p; i++) {
            double sum = gp_dot(i, c + (long)i * p, w);
            w[i] = i < told ? (rho[i] - sum) / c[(long)i * p + i] : e[(long)s * pending + i - told];
            out[i] = sum + c[(long)i * p + i] * w[i];
        }
    }
    for (int s = 0; s < count; s++) { /* w := L^-T w */
        double *w = shift + (long)s * p;
        for (int i = p - 1; i >= 0; i--) {
            w[i] /= c[(long)i * p + i];
            for (int l = 0; l < i; l++)
                w[l] -= c[(long)i * p + l] * w[i];
        }
    }
    for (int j = 0; j < p; j++) { /* column j of the inverse, as a row */
        double *w = cinv + (long)j * p;
        for (int i = 0; i < p; i++) {
            double sum = i > j ? -gp_dot(i - j, c + (long)i * p + j, w + j) : 1.0;
            w[i] = i < j ? 0.0 : sum / c[(long)i * p + i];
        }
        for (int i = p - 1; i >= 0; i--) {
            w[i] /= c[(long)i * p + i];
            for (int l = 0; l < i; l++)
                w[l] -= c[(long)i * p + l] * w[i];
        }
    }
    return 0;
}
