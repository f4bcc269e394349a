/* LogEI and its gradient for batches of points. */
#include "_acquisition.h"
#include "_gpmath.h"

#include <stddef.h>

typedef double v8 __attribute__((vector_size(64), aligned(64)));

/* log h(z), h(z) = phi(z) + z Phi(z), and its slope Phi/h.
 *
 * Below -1, with a = -z, h = phi(z) R(a) and a^2 R(a) is smooth between 0.34 at a = 1 and 1 at infinity: one
 * Chebyshev series in (a - 5)/(a + 5), truncated at 5e-16, has no cancellation anywhere, unlike 1 - a m(a) with
 * Mills' ratio m; and m = (1 - R)/a comes for free. */
double acq_log_h(double z, double *slope)
{
    static const double series[23] = {
        0x1.9fd518221f7afp-1,  0x1.2b9a54ef83b0fp-2,  -0x1.1907e0d29593ep-3, 0x1.3234fecd4975ep-5,
        -0x1.093b3bb8f9a41p-8, -0x1.c1f64af524580p-10, 0x1.32721ac1fd832p-10, -0x1.9a3140b9414b7p-12,
        0x1.6d85a830c104ap-14, -0x1.a1769167b9bf7p-17, 0x1.55574ac0c6525p-21, 0x1.6934651e19c0fp-23,
        -0x1.5d03eb4ee7f12p-25, 0x1.63b620d5f94b3p-30, 0x1.ea8cc34d1356ep-31, -0x1.142f82b0f739fp-33,
        -0x1.e2c3cff2a77b5p-37, 0x1.47d4aae3e6a82p-38, 0x1.f4dcbf36e4243p-44, -0x1.508f17fdc8da4p-43,
        0x1.9da14f648fa0bp-49, 0x1.591459fc01268p-48, -0x1.fc79840fdf4a3p-53};
    const double log_root_2pi = 0.91893853320467274178;
    if (z > -1.0) {
        double cdf = 0.5 * erfc(-0.70710678118654752440 * z);
        double h = exp(-0.5 * z * z - log_root_2pi) + z * cdf;
        *slope = cdf / h;
        return log(h);
    }
    double a = -z, x = 1.2 * ((a - 5.0) / (a + 5.0)) - 0.2, b1 = 0.0, b2 = 0.0;
    for (int i = 22; i > 0; i--) {
        double b0 = 2.0 * x * b1 - b2 + series[i];
        b2 = b1;
        b1 = b0;
    }
    double scaled = x * b1 - b2 + series[0]; /* a^2 R */
    *slope = a * (1.0 - scaled / (a * a)) / scaled;
    return -0.5 * z * z - log_root_2pi + log(scaled) - 2.0 * log(a);
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

/* V = A K for 8 right-hand sides, A by its lower triangle: each element of A is read once and used twice. */
HD_CLONES static void symmetric_times_8(int n, const double *a, long lda, const v8 *k, v8 *v)
{
    int i = 0;
    for (int j = 0; j < n; j++)
        v[j] = (v8){0};
    for (; i + 3 < n; i += 4) {
        const double *r0 = a + i * lda, *r1 = r0 + lda, *r2 = r1 + lda, *r3 = r2 + lda;
        v8 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
        v8 k0 = k[i], k1 = k[i + 1], k2 = k[i + 2], k3 = k[i + 3];
        for (int j = 0; j < i; j++) {
            v8 kj = k[j];
            s0 += r0[j] * kj;
            s1 += r1[j] * kj;
            s2 += r2[j] * kj;
            s3 += r3[j] * kj;
            v[j] += (r0[j] * k0 + r1[j] * k1) + (r2[j] * k2 + r3[j] * k3);
        }
        r0 += i, r1 += i, r2 += i, r3 += i;
        v[i] += s0 + r0[0] * k0 + r1[0] * k1 + r2[0] * k2 + r3[0] * k3;
        v[i + 1] += s1 + r1[0] * k0 + r1[1] * k1 + r2[1] * k2 + r3[1] * k3;
        v[i + 2] += s2 + r2[0] * k0 + r2[1] * k1 + r2[2] * k2 + r3[2] * k3;
        v[i + 3] += s3 + r3[0] * k0 + r3[1] * k1 + r3[2] * k2 + r3[3] * k3;
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

HD_CLONES static double dot(int n, const double *a, const double *b)
{
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (int j = 0; j < n; j++)
        sum += a[j] * b[j];
    return sum;
}

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

/* w_j := 2 kp_j (g_mu alpha_j - 2 g_var v_j + extra) */
HD_CLONES static void weigh(int n, double g_mu, const double *alpha, double g_var, const double *v8row, int lane,
                            const double *kp, double *w)
{
    for (int j = 0; j < n; j++)
        w[j] = 2.0 * kp[j] * (g_mu * alpha[j] - 2.0 * g_var * v8row[(long)j * LANES + lane]);
}

HD_CLONES static void add_weights(int n, double factor, const double *row, const double *kp, double *w)
{
    for (int j = 0; j < n; j++)
        w[j] += factor * row[j] * kp[j];
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

/* Scratch: k8, v8 (8 n each), kp (8 rows of n + extras), k (n + extras), w (n + extras), q (d), c (2 pending),
 * per-fantasy weights. */
long acq_work_size(const acq_model *m)
{
    long n = padded(m->n), all = padded(m->n + extras(m));
    return 16 * n + 10 * all + 8 * padded(m->d) + 3 * padded(m->pending) + 2 * padded(m->fantasies) +
           16 * SUBSET + SUBSET + 64;
}

/* LogEI for one point from mean, variance and the covariances c with the pending points; with weights for the
 * gradient: value's slopes by mean and variance, and by each c. */
static double expected_improvement(const acq_model *m, double mean, double var, double *c, double *cc, double *by_c,
                                   double *by_mean, double *by_var, double *each, double *each_slope)
{
    int p = m->pending, count = m->fantasies;
    double floor = 1e-12 * m->sf2, slope;
    double conditioned = var;
    for (int q = 0; q < p; q++) {
        cc[q] = dot(p, m->cinv + (long)q * p, c);
        conditioned -= cc[q] * c[q];
    }
    int clamped = conditioned < floor;
    double v = clamped ? floor : conditioned, s = sqrt(v);
    if (p == 0) {
        double zed = (m->best - mean) / s;
        double value = acq_log_h(zed, &slope) + 0.5 * log(v);
        *by_mean = -slope / s;
        *by_var = clamped ? 0.0 : 0.5 * (1.0 - slope * zed) / v;
        return value;
    }
    double largest = -INFINITY, sum = 0.0;
    for (int i = 0; i < count; i++) {
        double zed = (m->incumbent[i] - mean - dot(p, m->shift + (long)i * p, c)) / s;
        each[i] = acq_log_h(zed, &slope);
        each_slope[i] = slope;
        largest = each[i] > largest ? each[i] : largest;
    }
    for (int i = 0; i < count; i++) {
        each[i] = exp(each[i] - largest);
        sum += each[i];
    }
    double g_mean = 0.0, g_var = 0.0;
    for (int q = 0; q < p; q++)
        by_c[q] = 0.0;
    for (int i = 0; i < count; i++) {
        double share = each[i] / sum;
        double zed = (m->incumbent[i] - mean - dot(p, m->shift + (long)i * p, c)) / s;
        double pull_mean = -share * each_slope[i] / s;
        g_mean += pull_mean;
        g_var += share * 0.5 * (1.0 - each_slope[i] * zed) / v;
        for (int q = 0; q < p; q++)
            by_c[q] += pull_mean * m->shift[(long)i * p + q];
    }
    if (clamped)
        g_var = 0.0;
    for (int q = 0; q < p; q++)
        by_c[q] -= 2.0 * g_var * cc[q];
    *by_mean = g_mean;
    *by_var = g_var;
    return largest + log(sum / count) + 0.5 * log(v);
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
    int n = m->n, d = m->d, p = m->pending;
    long wide = padded(n), all = padded(n + extras(m));
    double *k8 = work, *v8s = k8 + 8 * wide, *kp = v8s + 8 * wide, *k = kp + 8 * all, *w = k + all, *q = w + all;
    double *c = q + 8 * padded(d), *cc = c + padded(p), *by_c = cc + padded(p), *each = by_c + padded(p),
           *each_slope = each + padded(m->fantasies);
    for (int start = 0; start < count; start += LANES) {
        int lanes = count - start < LANES ? count - start : LANES;
        double mean[LANES], reduction[LANES];
        if (lanes < LANES)
            memset(k8, 0, (size_t)wide * LANES * sizeof(double));
        for (int b = 0; b < lanes; b++) {
            double *qb = q + b * padded(d);
            for (int i = 0; i < d; i++)
                qb[i] = x[(long)(start + b) * d + i] * m->rate[i];
            covariances(n, d, m->z, m->ld, m->w2, m->sf2, qb, k, grad ? kp + b * all : NULL);
            mean[b] = m->mu + dot(n, m->alpha, k);
            interleave(n, k, b, k8);
        }
        symmetric_times_8(n, m->ainv, m->lda, (const v8 *)k8, (v8 *)v8s);
        products_8(n, (const v8 *)k8, (const v8 *)v8s, reduction);
        for (int b = 0; b < lanes; b++) {
            double *qb = q + b * padded(d), *kpb = kp + b * all, by_mean, by_var;
            const double *xb = x + (long)(start + b) * d;
            if (p) {
                for (int j = 0; j < n; j++) /* the batch kept only the interleaved form */
                    k[j] = k8[(long)j * LANES + b];
                covariances(p, d, m->zp, m->ldp, m->w2, m->sf2, qb, c, grad ? kpb + n : NULL);
                for (int i = 0; i < p; i++)
                    c[i] -= dot(n, m->vp + i * m->lda, k);
            }
            value[start + b] = expected_improvement(m, mean[b], m->sf2 - reduction[b], c, cc, by_c, &by_mean, &by_var,
                                                    each, each_slope);
            if (!grad) {
                if (m->failures)
                    value[start + b] += feasibility(m, xb, NULL, qb, k, kpb, w);
                continue;
            }
            double *g = grad + (long)(start + b) * d;
            weigh(n, by_mean, m->alpha, by_var, v8s, b, kpb, w);
            for (int i = 0; i < p; i++)
                add_weights(n, -2.0 * by_c[i], m->vp + i * m->lda, kpb, w);
            for (int i = 0; i < d; i++)
                g[i] = 0.0;
            pull(n, d, m->z, m->ld, m->w2, m->rate, qb, w, g);
            if (p) {
                for (int i = 0; i < p; i++)
                    w[i] = 2.0 * by_c[i] * kpb[n + i];
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

void acq_project(const acq_model *m, int count, const double *x, double *v, double *k_out, long ldv, double *work)
{
    int n = m->n, d = m->d;
    long wide = padded(n);
    double *k8 = work, *v8s = k8 + 8 * wide, *k = v8s + 8 * wide, *q = k + wide;
    for (int start = 0; start < count; start += LANES) {
        int lanes = count - start < LANES ? count - start : LANES;
        memset(k8, 0, (size_t)wide * LANES * sizeof(double));
        for (int b = 0; b < lanes; b++) {
            for (int i = 0; i < d; i++)
                q[i] = x[(long)(start + b) * d + i] * m->rate[i];
            covariances(n, d, m->z, m->ld, m->w2, m->sf2, q, k, NULL);
            if (k_out)
                memcpy(k_out + (start + b) * ldv, k, (size_t)n * sizeof(double));
            interleave(n, k, b, k8);
        }
        symmetric_times_8(n, m->ainv, m->lda, (const v8 *)k8, (v8 *)v8s);
        for (int b = 0; b < lanes; b++)
            for (int j = 0; j < n; j++)
                v[(start + b) * ldv + j] = v8s[(long)j * LANES + b];
    }
}

/* An upper bound of each value: exact mean, variance given the subset only (conditioning on fewer points can only
 * raise it, and EI rises with the variance). */
static void bounds(const acq_model *m, int count, const double *x, double *bound, double *work)
{
    int n = m->n, d = m->d, p = m->pending, members = m->members, tail = m->tail;
    long wide = padded(n), all = padded(n + extras(m));
    double *rows = work; /* k of each lane: the interleaved forms of acq_values are not needed here */
    double *near = work + 16 * wide, *q = near + 10 * all, *c = q + 8 * padded(d), *cc = c + padded(p),
           *by_c = cc + padded(p), *each = by_c + padded(p), *each_slope = each + padded(m->fantasies);
    double *k8 = (double *)(((uintptr_t)(each_slope + padded(m->fantasies)) + 63) / 64 * 64), *v8s = k8 + 8 * SUBSET;
    for (int start = 0; start < count; start += LANES) {
        int lanes = count - start < LANES ? count - start : LANES;
        double mean[LANES], reduction[LANES];
        memset(k8, 0, (size_t)SUBSET * LANES * sizeof(double));
        for (int b = 0; b < lanes; b++) {
            double *qb = q + b * padded(d), *k = rows + b * wide, *kp = near + b * all;
            for (int i = 0; i < d; i++)
                qb[i] = x[(long)(start + b) * d + i] * m->rate[i];
            covariances(n, d, m->z, m->ld, m->w2, m->sf2, qb, k, NULL);
            mean[b] = m->mu + dot(n, m->alpha, k);
            for (int j = 0; j < members; j++)
                k8[(long)j * LANES + b] = k[m->subset[j]];
            if (p)
                covariances(p, d, m->zp, m->ldp, m->w2, m->sf2, qb, kp, NULL);
            for (int j = 0; j < tail; j++)
                k8[(long)(members + j) * LANES + b] = kp[p - tail + j];
        }
        symmetric_times_8(members + tail, m->sinv, SUBSET, (const v8 *)k8, (v8 *)v8s);
        products_8(members + tail, (const v8 *)k8, (const v8 *)v8s, reduction);
        for (int b = 0; b < lanes; b++) {
            /* rounding of the subset's inverse must not make the bound too low */
            double var = m->sf2 * (1.0 + 1e-9) - reduction[b], by_mean, by_var;
            double *qb = q + b * padded(d), *k = rows + b * wide, *kp = near + b * all;
            for (int i = 0; i < p; i++)
                c[i] = kp[i] - dot(n, m->vp + i * m->lda, k);
            for (int i = 0; i < p; i++) /* expected_improvement takes this off again */
                var += c[i] * dot(p, m->cinv + (long)i * p, c);
            bound[start + b] = expected_improvement(m, mean[b], var, c, cc, by_c, &by_mean, &by_var, each, each_slope);
            if (m->failures)
                bound[start + b] += feasibility(m, x + (long)(start + b) * d, NULL, qb, near + 8 * all, kp, kp);
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
