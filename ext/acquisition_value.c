/* LogEI and its gradient for batches of points. */
#include "_acquisition.h"
#include "_gpmath.h"
#include "_math.h"

#include <stddef.h>

/* log h(z), h(z) = phi(z) + z Phi(z), and its slope Phi/h, for `count` values.
 *
 * Below -1, with a = -z, h = phi(z) R(a) and a^2 R(a) is smooth between 0.34 at a = 1 and 1 at infinity: one
 * Chebyshev series in (a - 5)/(a + 5), truncated at 5e-16, has no cancellation anywhere, unlike 1 - a m(a) with
 * Mills' ratio m; and m = (1 - R)/a comes for free. Both branches are always computed, so that the loop is SIMD. */
HD_CLONES static void log_h(int count, const double *z_of, double *value, double *slope)
{
    const double log_root_2pi = 0.91893853320467274178;
    for (int i = 0; i < count; i++) {
        double z = z_of[i], near = z > -1.0 ? z : -1.0, a = z > -1.0 ? 1.0 : -z;
        double cdf = hd_normal_cdf(near), h = hd_exp(-0.5 * near * near - log_root_2pi) + near * cdf;
        double x = 1.2 * ((a - 5.0) / (a + 5.0)) - 0.2, b1 = -0x1.fc79840fdf4a3p-53, b2 = 0.0, b0;
#define TERM(c) b0 = 2.0 * x * b1 - b2 + (c), b2 = b1, b1 = b0
        TERM(0x1.591459fc01268p-48);
        TERM(0x1.9da14f648fa0bp-49);
        TERM(-0x1.508f17fdc8da4p-43);
        TERM(0x1.f4dcbf36e4243p-44);
        TERM(0x1.47d4aae3e6a82p-38);
        TERM(-0x1.e2c3cff2a77b5p-37);
        TERM(-0x1.142f82b0f739fp-33);
        TERM(0x1.ea8cc34d1356ep-31);
        TERM(0x1.63b620d5f94b3p-30);
        TERM(-0x1.5d03eb4ee7f12p-25);
        TERM(0x1.6934651e19c0fp-23);
        TERM(0x1.55574ac0c6525p-21);
        TERM(-0x1.a1769167b9bf7p-17);
        TERM(0x1.6d85a830c104ap-14);
        TERM(-0x1.9a3140b9414b7p-12);
        TERM(0x1.32721ac1fd832p-10);
        TERM(-0x1.c1f64af524580p-10);
        TERM(-0x1.093b3bb8f9a41p-8);
        TERM(0x1.3234fecd4975ep-5);
        TERM(-0x1.1907e0d29593ep-3);
        TERM(0x1.2b9a54ef83b0fp-2);
#undef TERM
        double scaled = x * b1 - b2 + 0x1.9fd518221f7afp-1; /* a^2 R */
        double tail = -0.5 * a * a - log_root_2pi - 2.0 * hd_log(a), log_of = hd_log(z > -1.0 ? h : scaled);
        slope[i] = z > -1.0 ? cdf / h : a * (1.0 - scaled / (a * a)) / scaled;
        value[i] = z > -1.0 ? log_of : log_of + tail;
    }
}

double acq_log_h(double z, double *slope)
{
    double value;
    log_h(1, &z, &value, slope);
    return value;
}

HD_CLONES static void covariances(int n, int d, const double *z, long ld, const double *w2, double sf2, const double *q,
                                  double *k, double *kp)
{
    double r2[GP_CHUNK];
    for (int j0 = 0; j0 < n; j0 += GP_CHUNK) {
        int count = n - j0 < GP_CHUNK ? n - j0 : GP_CHUNK;
        gp_distances(count, d, z + j0, ld, q, 1, w2, r2);
        if (kp)
            gp_matern_slope(count, r2, sf2, k + j0, kp + j0);
        else
            gp_matern(count, r2, sf2, k + j0);
    }
}

/* V = A K for 8 right-hand sides, A by its lower triangle: each element of A is read once and used twice. Rows go by
 * eight, so that K and V, which do not fit into the first cache, are passed over n / 8 times only. */
HD_CLONES static void symmetric_times_8(int n, const double *a, long lda, const v8 *k, v8 *v)
{
    int i = 0;
    for (int j = 0; j < n; j++)
        v[j] = (v8){0};
    for (; i + 7 < n; i += 8) {
        const double *r0 = a + i * lda, *r1 = r0 + lda, *r2 = r1 + lda, *r3 = r2 + lda, *r4 = r3 + lda, *r5 = r4 + lda,
                     *r6 = r5 + lda, *r7 = r6 + lda;
        v8 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0}, s4 = {0}, s5 = {0}, s6 = {0}, s7 = {0};
        v8 k0 = k[i], k1 = k[i + 1], k2 = k[i + 2], k3 = k[i + 3], k4 = k[i + 4], k5 = k[i + 5], k6 = k[i + 6],
           k7 = k[i + 7];
        for (int j = 0; j < i; j++) {
            v8 kj = k[j];
            s0 += r0[j] * kj;
            s1 += r1[j] * kj;
            s2 += r2[j] * kj;
            s3 += r3[j] * kj;
            s4 += r4[j] * kj;
            s5 += r5[j] * kj;
            s6 += r6[j] * kj;
            s7 += r7[j] * kj;
            v[j] += ((r0[j] * k0 + r1[j] * k1) + (r2[j] * k2 + r3[j] * k3)) +
                    ((r4[j] * k4 + r5[j] * k5) + (r6[j] * k6 + r7[j] * k7));
        }
        v8 own[8] = {s0, s1, s2, s3, s4, s5, s6, s7};
        for (int r = 0; r < 8; r++) {
            const double *row = a + (i + r) * lda + i;
            v8 kr = k[i + r], sum = own[r] + row[r] * kr;
            for (int c = 0; c < r; c++) {
                sum += row[c] * k[i + c];
                v[i + c] += row[c] * kr;
            }
            v[i + r] += sum;
        }
    }
    for (; i < n; i++) {
        const double *row = a + i * lda;
        v8 sum = {0}, ki = k[i];
        for (int j = 0; j < i; j++) {
            sum += row[j] * k[j];
            v[j] += row[j] * ki;
        }
        v[i] += sum + row[i] * ki;
    }
}

/* v = A k for one right-hand side, near the speed at which the triangle can be read; eight rows at a time are slower. */
HD_CLONES static void symmetric_times_1(int n, const double *a, long lda, const double *k, double *v)
{
    int i = 0;
    memset(v, 0, (size_t)n * sizeof(double));
    for (; i + 3 < n; i += 4) {
        const double *r0 = a + i * lda, *r1 = r0 + lda, *r2 = r1 + lda, *r3 = r2 + lda;
        double k0 = k[i], k1 = k[i + 1], k2 = k[i + 2], k3 = k[i + 3];
        double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0;
#pragma omp simd reduction(+ : s0, s1, s2, s3)
        for (int j = 0; j < i; j++) {
            s0 += r0[j] * k[j];
            s1 += r1[j] * k[j];
            s2 += r2[j] * k[j];
            s3 += r3[j] * k[j];
            v[j] += (r0[j] * k0 + r1[j] * k1) + (r2[j] * k2 + r3[j] * k3);
        }
        double own[4] = {s0, s1, s2, s3};
        for (int r = 0; r < 4; r++) {
            const double *row = a + (i + r) * lda + i;
            double sum = own[r] + row[r] * k[i + r];
            for (int c = 0; c < r; c++) {
                sum += row[c] * k[i + c];
                v[i + c] += row[c] * k[i + r];
            }
            v[i + r] += sum;
        }
    }
    for (; i < n; i++) {
        const double *row = a + i * lda;
        double sum = 0.0, ki = k[i];
#pragma omp simd reduction(+ : sum)
        for (int j = 0; j < i; j++) {
            sum += row[j] * k[j];
            v[j] += row[j] * ki;
        }
        v[i] += sum + row[i] * ki;
    }
}

/* out_r = B_r K for `rows` rows of B and 8 right-hand sides. */
HD_CLONES static void rows_times_8(int rows, int n, const double *b, long ldb, const v8 *k, v8 *out)
{
    int i = 0;
    for (; i + 3 < rows; i += 4) {
        const double *r0 = b + i * ldb, *r1 = r0 + ldb, *r2 = r1 + ldb, *r3 = r2 + ldb;
        v8 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
        for (int j = 0; j < n; j++) {
            v8 kj = k[j];
            s0 += r0[j] * kj;
            s1 += r1[j] * kj;
            s2 += r2[j] * kj;
            s3 += r3[j] * kj;
        }
        out[i] = s0, out[i + 1] = s1, out[i + 2] = s2, out[i + 3] = s3;
    }
    for (; i < rows; i++) {
        const double *row = b + i * ldb;
        v8 s0 = {0}, s1 = {0};
        int j = 0;
        for (; j + 1 < n; j += 2) {
            s0 += row[j] * k[j];
            s1 += row[j + 1] * k[j + 1];
        }
        for (; j < n; j++)
            s0 += row[j] * k[j];
        out[i] = s0 + s1;
    }
}

/* out_j += sum_i w_i B_ij, lane by lane. */
HD_CLONES static void add_rows_8(int rows, int n, const double *b, long ldb, const v8 *w, v8 *out)
{
    int i = 0;
    for (; i + 3 < rows; i += 4) {
        const double *r0 = b + i * ldb, *r1 = r0 + ldb, *r2 = r1 + ldb, *r3 = r2 + ldb;
        v8 w0 = w[i], w1 = w[i + 1], w2 = w[i + 2], w3 = w[i + 3];
        for (int j = 0; j < n; j++)
            out[j] += (r0[j] * w0 + r1[j] * w1) + (r2[j] * w2 + r3[j] * w3);
    }
    for (; i < rows; i++) {
        const double *row = b + i * ldb;
        v8 wi = w[i];
        for (int j = 0; j < n; j++)
            out[j] += row[j] * wi;
    }
}

HD_CLONES static double dot(int n, const double *a, const double *b) { return gp_dot(n, a, b); }

HD_CLONES static void interleave(int n, const double *row, int lane, double *k8)
{
    for (int j = 0; j < n; j++)
        k8[(long)j * LANES + lane] = row[j];
}

HD_CLONES static void products_8(int n, const v8 *k, const v8 *v, double *out)
{
    v8 sum = {0};
    for (int j = 0; j < n; j++)
        sum += k[j] * v[j];
    memcpy(out, &sum, sizeof sum);
}

/* w_j := 2 kp_j (g_mu alpha_j - 2 g_var v_j - u_j); u comes from points beyond the factor, or is NULL. */
HD_CLONES static void weigh(int n, double g_mu, const double *alpha, double g_var, const double *v8row, const double *u,
                            int lane,
                            const double *kp, double *w)
{
    for (int j = 0; j < n; j++)
        w[j] = g_mu * alpha[j] - 2.0 * g_var * v8row[(long)j * LANES + lane];
    if (u)
        for (int j = 0; j < n; j++)
            w[j] -= u[(long)j * LANES + lane];
    for (int j = 0; j < n; j++)
        w[j] *= 2.0 * kp[j];
}

/* grad_k += rate_k sum_j w_j (q_k - z_kj), over pairs whose distance is not clamped. */
HD_CLONES static void pull(int n, int d, const double *z, long ld, const double *w2, const double *rate,
                           const double *q, const double *w, double *grad)
{
    for (int k = 0; k < d; k++) {
        const double *zk = z + k * ld;
        double qk = q[k], a = w2[k], sum = 0.0;
#pragma omp simd reduction(+ : sum)
        for (int j = 0; j < n; j++) {
            double t = qk - zk[j];
            sum += t * t < a ? w[j] * t : 0.0;
        }
        grad[k] += rate[k] * sum;
    }
}

static long padded(long n)
{
    return (n + 7) / 8 * 8;
}

static long extras(const acq_model *m) /* points besides those of the factor */
{
    long feasibility = m->failures ? m->succeeded + m->failures : 0;
    return m->pending + (feasibility > m->n ? feasibility - m->n : 0);
}

static int outcomes(const acq_model *m) /* posterior means a point has */
{
    return m->pending ? m->fantasies : 1;
}

/* Scratch: k8, v8, u8 (8 n each), kp (8 rows of n + extras), k and w (n + extras), q (8 d), c, cc, by_c (8 pending
 * each), means and three more (8 outcomes each); k8 and v8 of the subset; folded alphas (SCREENED n). */
long acq_work_size(const acq_model *m)
{
    long n = padded(m->n), all = padded(m->n + extras(m)), s = m->fantasies > 1 ? m->fantasies : 1;
    return 24 * n + 10 * all + 8 * padded(m->d) + 24L * m->pending + 32 * s + 16 * SUBSET + SCREENED * n + 64;
}

/* LogEI of 8 points from their means given each outcome of the pending runs and their variances; and its slopes: by the
 * variance, by each mean (means are overwritten). each: 3 x outcomes of scratch. */
HD_CLONES static void expected_improvement(const acq_model *m, v8 *means, const v8 *variance, v8 *value, v8 *by_var,
                                           v8 *each)
{
    int count = outcomes(m);
    double floor = 1e-12 * m->sf2, *z = (double *)each, *log_of = z + (long)LANES * count,
           *slope = log_of + (long)LANES * count, *mean = (double *)means, *out = (double *)value,
           *out_var = (double *)by_var;
    double v[LANES], inverse[LANES], largest[LANES], sum[LANES], total[LANES];
    for (int b = 0; b < LANES; b++) {
        double var = (*variance)[b];
        v[b] = var < floor ? floor : var;
        inverse[b] = 1.0 / sqrt(v[b]);
        largest[b] = -INFINITY;
        sum[b] = total[b] = 0.0;
    }
    for (int i = 0; i < count; i++) {
        double best = m->pending ? m->incumbent[i] : m->best;
        for (int b = 0; b < LANES; b++)
            z[i * LANES + b] = (best - mean[i * LANES + b]) * inverse[b];
    }
    log_h(count * LANES, z, log_of, slope);
    for (int i = 0; i < count; i++)
        for (int b = 0; b < LANES; b++)
            largest[b] = log_of[i * LANES + b] > largest[b] ? log_of[i * LANES + b] : largest[b];
    for (int i = 0; i < count; i++)
        for (int b = 0; b < LANES; b++) {
            double share = hd_exp(log_of[i * LANES + b] - largest[b]);
            sum[b] += share;
            mean[i * LANES + b] = -share * slope[i * LANES + b] * inverse[b];
            total[b] += share * (1.0 - slope[i * LANES + b] * z[i * LANES + b]);
        }
    for (int b = 0; b < LANES; b++) {
        double scale = 1.0 / sum[b];
        for (int i = 0; i < count; i++)
            mean[i * LANES + b] *= scale;
        out[b] = largest[b] + hd_log(sum[b] / count) + 0.5 * hd_log(v[b]);
        out_var[b] = 0.5 * total[b] * scale / v[b];
        if (m->noise > 0.0) { /* augmented EI: times 1 - sd of the noise / sd of a result, what one more result tells */
            double r = v[b] / m->noise, root = sqrt(1.0 + r), share = r / (root * (root + 1.0));
            out[b] += hd_log(share);
            out_var[b] += 0.5 / (m->noise * (1.0 + r) * root * share);
        }
        if ((*variance)[b] < floor)
            out_var[b] = 0.0;
    }
}

/* Penalty of failures: weight (1 + B) log(ok / (ok + bad)), by correlations k with each point: B = sum k over failed ones,
 * bad = sum k^3 over failed ones, ok = 0.01 + sum k^3 over told ones.
 *
 * The cube compares nearest neighbours (plain sums call everything feasible once there are many told points), and
 * the factor makes each failure near x count again: LogEI differs by tens between a region that the model dreams of
 * and one that it knows, so a probability alone fails there for ever.
 * Adds its gradient to grad unless that is NULL; q, k, kp, w are scratch. */
HD_CLONES static double feasibility(const acq_model *m, const double *x, double *grad, double *q, double *k, double *kp,
                                    double *w)
{
    int told = m->succeeded, points = told + m->failures, d = m->d;
    for (int i = 0; i < d; i++)
        q[i] = x[i] * m->rate_f[i];
    covariances(points, d, m->zf, m->ldf, m->clamp_f, 1.0, q, k, grad ? kp : NULL);
    double ok = 0.01, bad = 0.0, mass = m->weight_f;
    for (int j = 0; j < told; j++)
        ok += k[j] * k[j] * k[j];
    for (int j = told; j < points; j++) {
        bad += k[j] * k[j] * k[j];
        mass += m->weight_f * k[j];
    }
    double log_share = log(ok / (ok + bad));
    if (grad) {
        double by_ok = mass * (1.0 / ok - 1.0 / (ok + bad)), by_bad = -mass / (ok + bad);
        for (int j = 0; j < points; j++)
            w[j] = 2.0 * kp[j] * (j < told ? by_ok * 3.0 * k[j] * k[j] : by_bad * 3.0 * k[j] * k[j] + m->weight_f * log_share);
        pull(points, d, m->zf, m->ldf, m->clamp_f, m->rate_f, q, w, grad);
    }
    return mass * log_share;
}

void acq_values(const acq_model *m, int count, const double *x, double *value, double *grad, double *work)
{
    int n = m->n, d = m->d, p = m->pending, s = outcomes(m);
    long wide = padded(n), all = padded(n + extras(m));
    double *k8 = work, *v8s = k8 + 8 * wide, *u8s = v8s + 8 * wide, *kp = u8s + 8 * wide, *k = kp + 8 * all, *w = k + all,
           *q = w + all;
    v8 *c = (v8 *)(q + 8 * padded(d)), *cc = c + p, *by_c = cc + p, *means = by_c + p, *each = means + s;
    for (int start = 0; start < count; start += LANES) {
        int lanes = count - start < LANES ? count - start : LANES;
        v8 mean = {0}, variance, found, by_var, by_mean = {0};
        if (lanes < LANES)
            memset(k8, 0, (size_t)wide * LANES * sizeof(double));
        for (int i = 0; i < p; i++)
            c[i] = (v8){0};
        for (int b = 0; b < lanes; b++) {
            double *qb = q + b * padded(d), *kpb = kp + b * all;
            for (int i = 0; i < d; i++)
                qb[i] = x[(long)(start + b) * d + i] * m->rate[i];
            covariances(n, d, m->z, m->ld, m->w2, m->sf2, qb, k, grad ? kpb : NULL);
            mean[b] = m->mu + dot(n, m->alpha, k);
            interleave(n, k, b, k8);
            if (p) {
                covariances(p, d, m->zp, m->ldp, m->w2, m->sf2, qb, k, grad ? kpb + n : NULL);
                interleave(p, k, b, (double *)c);
            }
        }
        symmetric_times_8(n, m->ainv, m->lda, (const v8 *)k8, (v8 *)v8s);
        products_8(n, (const v8 *)k8, (const v8 *)v8s, (double *)&variance);
        variance = m->sf2 - variance;
        means[0] = mean;
        if (p) {
            rows_times_8(p, n, m->vp, m->lda, (const v8 *)k8, cc);
            for (int i = 0; i < p; i++)
                c[i] -= cc[i];
            rows_times_8(p, p, m->cinv, p, c, cc);
            rows_times_8(s, p, m->shift, p, c, means);
            for (int i = 0; i < p; i++)
                variance -= cc[i] * c[i];
            for (int i = 0; i < s; i++)
                means[i] += mean;
        }
        expected_improvement(m, means, &variance, &found, &by_var, each);
        if (grad) {
            for (int i = 0; i < s; i++)
                by_mean += means[i];
            if (p) { /* u = V^T (slopes by c) */
                for (int i = 0; i < p; i++)
                    by_c[i] = -2.0 * by_var * cc[i];
                add_rows_8(s, p, m->shift, p, means, by_c);
                memset(u8s, 0, (size_t)wide * LANES * sizeof(double));
                add_rows_8(p, n, m->vp, m->lda, by_c, (v8 *)u8s);
            }
        }
        for (int b = 0; b < lanes; b++) {
            double *qb = q + b * padded(d), *kpb = kp + b * all;
            const double *xb = x + (long)(start + b) * d;
            value[start + b] = found[b];
            if (!grad) {
                if (m->failures)
                    value[start + b] += feasibility(m, xb, NULL, qb, k, kpb, w);
                continue;
            }
            double *g = grad + (long)(start + b) * d;
            weigh(n, by_mean[b], m->alpha, by_var[b], v8s, p ? u8s : NULL, b, kpb, w);
            for (int i = 0; i < d; i++)
                g[i] = 0.0;
            pull(n, d, m->z, m->ld, m->w2, m->rate, qb, w, g);
            if (p) {
                for (int i = 0; i < p; i++)
                    w[i] = 2.0 * by_c[i][b] * kpb[n + i];
                pull(p, d, m->zp, m->ldp, m->w2, m->rate, qb, w, g);
            }
            if (m->failures)
                value[start + b] += feasibility(m, xb, g, qb, k, kpb, w);
        }
    }
}

void acq_posterior(const acq_model *m, int count, const double *x, double *mean, double *var, double *work)
{
    int n = m->n, d = m->d;
    long wide = padded(n);
    double *k8 = work, *v8s = k8 + 8 * wide, *k = v8s + 8 * wide, *q = k + wide;
    for (int start = 0; start < count; start += LANES) {
        int lanes = count - start < LANES ? count - start : LANES;
        double reduction[LANES];
        memset(k8, 0, (size_t)wide * LANES * sizeof(double));
        for (int b = 0; b < lanes; b++) {
            for (int i = 0; i < d; i++)
                q[i] = x[(long)(start + b) * d + i] * m->rate[i];
            covariances(n, d, m->z, m->ld, m->w2, m->sf2, q, k, NULL);
            mean[start + b] = m->mu + dot(n, m->alpha, k);
            interleave(n, k, b, k8);
        }
        if (!var)
            continue;
        symmetric_times_8(n, m->ainv, m->lda, (const v8 *)k8, (v8 *)v8s);
        products_8(n, (const v8 *)k8, (const v8 *)v8s, reduction);
        for (int b = 0; b < lanes; b++)
            var[start + b] = m->sf2 - reduction[b];
    }
}

/* Points go one by one, also when there are many: the bits must not depend on how many come together, since a sweep
 * that is reloaded conditions at once on what came in one after the other. */
void acq_project(const acq_model *m, int count, const double *x, double *v, double *k_out, long ldv, double *work)
{
    int n = m->n, d = m->d;
    double *k = work, *q = k + padded(n);
    for (int b = 0; b < count; b++) {
        double *row = k_out ? k_out + b * ldv : k;
        for (int i = 0; i < d; i++)
            q[i] = x[(long)b * d + i] * m->rate[i];
        covariances(n, d, m->z, m->ld, m->w2, m->sf2, q, row, NULL);
        symmetric_times_1(n, m->ainv, m->lda, row, v + b * ldv);
    }
}

/* alpha given each outcome: mean_s(x) = mu + k(x) . alpha_s + k_P(x) . shift_s, without the covariances c(x). */
HD_CLONES static void fold(const acq_model *m, double *alphas, long ld)
{
    int n = m->n, p = m->pending;
    for (int s = 0; s < outcomes(m); s++) {
        double *out = alphas + s * ld;
        memcpy(out, m->alpha, (size_t)n * sizeof(double));
        for (int i = 0; i < p; i++) {
            double factor = m->shift[(long)s * p + i];
            const double *row = m->vp + i * m->lda;
            for (int j = 0; j < n; j++)
                out[j] -= factor * row[j];
        }
    }
}

/* Dot products of four rows with one: each element of k is read once. */
HD_CLONES static void dots_4(int n, const double *a, long lda, const double *k, double *out)
{
    v8 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    int j = 0;
    for (; j + 7 < n; j += 8) {
        u8 kj = *(const u8 *)(k + j);
        s0 += *(const u8 *)(a + j) * kj;
        s1 += *(const u8 *)(a + lda + j) * kj;
        s2 += *(const u8 *)(a + 2 * lda + j) * kj;
        s3 += *(const u8 *)(a + 3 * lda + j) * kj;
    }
    for (int r = 0; r < 4; r++) {
        v8 s = r == 0 ? s0 : r == 1 ? s1 : r == 2 ? s2 : s3;
        double sum = ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
        for (int i = j; i < n; i++)
            sum += a[r * lda + i] * k[i];
        out[r] = sum;
    }
}

/* An upper bound of each value: exact mean, variance given the subset only (conditioning on fewer points can only
 * raise it, and EI rises with the variance). */
static void bounds(const acq_model *m, int count, const double *x, double *bound, double *work)
{
    int n = m->n, d = m->d, p = m->pending, members = m->members, tail = m->tail, s = outcomes(m);
    long wide = padded(n), all = padded(n + extras(m));
    double *k = work, *near = k + all, *w = near + all, *kp = w + all, *q = work + 24 * wide + 10 * all;
    v8 *means = (v8 *)(q + 8 * padded(d)), *each = means + s, *k8 = each + 3 * s, *v8s = k8 + SUBSET;
    double *alphas = (double *)(v8s + SUBSET);
    fold(m, alphas, wide);
    for (int start = 0; start < count; start += LANES) {
        int lanes = count - start < LANES ? count - start : LANES;
        v8 variance, found, by_var;
        for (int i = 0; i < s; i++)
            means[i] = (v8){0};
        memset(k8, 0, (size_t)SUBSET * sizeof(v8));
        for (int b = 0; b < lanes; b++) {
            double *qb = q + b * padded(d);
            for (int i = 0; i < d; i++)
                qb[i] = x[(long)(start + b) * d + i] * m->rate[i];
            covariances(n, d, m->z, m->ld, m->w2, m->sf2, qb, k, NULL);
            for (int j = 0; j < members; j++)
                k8[j][b] = k[m->subset[j]];
            if (p)
                covariances(p, d, m->zp, m->ldp, m->w2, m->sf2, qb, near, NULL);
            for (int j = 0; j < tail; j++)
                k8[members + j][b] = near[p - tail + j];
            for (int i = 0; i < s; i += 4) {
                double four[4];
                int rows = s - i < 4 ? s - i : 4;
                if (rows == 4)
                    dots_4(n, alphas + i * wide, wide, k, four);
                for (int r = 0; r < rows; r++) {
                    double dotted = rows == 4 ? four[r] : dot(n, alphas + (i + r) * wide, k);
                    means[i + r][b] = m->mu + dotted + (p ? dot(p, m->shift + (long)(i + r) * p, near) : 0.0);
                }
            }
        }
        symmetric_times_8(members + tail, m->sinv, SUBSET, k8, v8s);
        products_8(members + tail, k8, v8s, (double *)&variance);
        variance = m->sf2 * (1.0 + 1e-9) - variance; /* rounding of the inverse must not make the bound too low */
        expected_improvement(m, means, &variance, &found, &by_var, each);
        for (int b = 0; b < lanes; b++) {
            bound[start + b] = found[b];
            if (m->failures)
                bound[start + b] += feasibility(m, x + (long)(start + b) * d, NULL, q + b * padded(d), near, kp, w);
        }
    }
}

static void sift(const double *key, int *heap, int size, int at) /* max-heap by key, ties by lower index */
{
    int moving = heap[at];
    for (int child = 2 * at + 1; child < size; child = 2 * at + 1) {
        if (child + 1 < size && (key[heap[child + 1]] > key[heap[child]] ||
                                 (key[heap[child + 1]] == key[heap[child]] && heap[child + 1] < heap[child])))
            child++;
        if (key[heap[child]] < key[moving] || (key[heap[child]] == key[moving] && heap[child] > moving))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = moving;
}

int acq_screen(const acq_model *model, int count, const double *x, int top, int limit, int *index, double *value,
               double *scratch, int *order, double *work)
{
    acq_model few = *model, *m = &few;
    double *bound = scratch, *rows = scratch + count; /* rows: LANES x d, gathered */
    double exact[LANES];
    int held = 0, left = count, evaluations = 0, batch[LANES];
    few.fantasies = few.fantasies < SCREENED ? few.fantasies : SCREENED;
    if (m->members > 0) {
        bounds(m, count, x, bound, work);
    } else {
        acq_values(m, count, x, bound, NULL, work); /* few points: exact at once */
    }
    for (int i = 0; i < count; i++) {
        order[i] = i;
        if (isnan(bound[i]))
            bound[i] = -INFINITY;
    }
    for (int i = count / 2 - 1; i >= 0; i--)
        sift(bound, order, count, i);
    while (left > 0 && (held < top || (bound[order[0]] > value[held - 1] && evaluations < limit))) {
        int lanes = 0;
        while (lanes < LANES && left > 0) {
            batch[lanes++] = order[0];
            order[0] = order[--left];
            if (left > 0)
                sift(bound, order, left, 0);
        }
        if (m->members > 0) {
            for (int b = 0; b < lanes; b++)
                memcpy(rows + (long)b * m->d, x + (long)batch[b] * m->d, (size_t)m->d * sizeof(double));
            acq_values(m, lanes, rows, exact, NULL, work);
            evaluations += lanes;
        } else {
            for (int b = 0; b < lanes; b++)
                exact[b] = bound[batch[b]];
        }
        for (int b = 0; b < lanes; b++) { /* insertion into the sorted best */
            int at = held < top ? held : top - 1;
            if (held == top && !(exact[b] > value[top - 1]))
                continue;
            while (at > 0 && value[at - 1] < exact[b]) {
                value[at] = value[at - 1];
                index[at] = index[at - 1];
                at--;
            }
            value[at] = exact[b];
            index[at] = batch[b];
            if (held < top)
                held++;
        }
    }
    for (; held < top; held++) {
        index[held] = -1;
        value[held] = -INFINITY;
    }
    return evaluations;
}
