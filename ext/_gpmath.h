/* Scalar and vector helpers that the GP kernels and the acquisition share; all inline, so that each clone of a
 * caller (_dispatch.h) gets them in its own instruction set. Branch-free where they stand in loops over points.
 */
#ifndef HDCORE_GPMATH_H
#define HDCORE_GPMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "_dispatch.h"

enum { GP_CHUNK = 256 }; /* points a pass; the distances of a chunk stay in L1 */

typedef double v8 __attribute__((vector_size(64), aligned(64)));
typedef double u8 __attribute__((vector_size(64), aligned(8), may_alias)); /* anywhere */

/* One accumulator would wait for its own sums. */
HD_INLINE double gp_dot(int n, const double *a, const double *b)
{
    v8 s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    int j = 0;
    for (; j + 31 < n; j += 32) {
        const u8 *x = (const u8 *)(a + j), *y = (const u8 *)(b + j);
        s0 += x[0] * y[0];
        s1 += x[1] * y[1];
        s2 += x[2] * y[2];
        s3 += x[3] * y[3];
    }
    for (; j + 7 < n; j += 8)
        s0 += *(const u8 *)(a + j) * *(const u8 *)(b + j);
    s0 = (s0 + s1) + (s2 + s3);
    double sum = ((s0[0] + s0[4]) + (s0[1] + s0[5])) + ((s0[2] + s0[6]) + (s0[3] + s0[7]));
    for (; j < n; j++)
        sum += a[j] * b[j];
    return sum;
}

/* exp(x) for -700 <= x <= 700, relative error below 4e-16: x = k log 2 + r, Taylor to degree 12 in |r| <= 0.347. */
HD_INLINE double gp_exp(double x)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: the sum's low bits are the rounded integer */
    double shifted = x * 1.4426950408889634074 + magic;
    double k = shifted - magic;
    double r = (x - k * 0x1.62e42fee00000p-1) - k * 0x1.a39ef35793c76p-33;
    double p = 1.0 / 479001600;
    p = p * r + 1.0 / 39916800;
    p = p * r + 1.0 / 3628800;
    p = p * r + 1.0 / 362880;
    p = p * r + 1.0 / 40320;
    p = p * r + 1.0 / 5040;
    p = p * r + 1.0 / 720;
    p = p * r + 1.0 / 120;
    p = p * r + 1.0 / 24;
    p = p * r + 1.0 / 6;
    p = p * r + 0.5;
    p = p * r + 1.0;
    p = p * r + 1.0;
    int64_t bits, scale;
    memcpy(&bits, &p, 8);
    memcpy(&scale, &shifted, 8);
    bits += (int64_t)((uint64_t)scale << 52);
    memcpy(&p, &bits, 8);
    return p;
}

/* r2[j] = sum_k min((q_k - z_kj)^2, w2_k) for `count` points of the dimension-major z. */
HD_INLINE void gp_distances(int count, int d, const double *z, long ldz, const double *q, long qs, const double *w2,
                            double *r2)
{
    int k = 0;
    for (int j = 0; j < count; j++)
        r2[j] = 0.0;
    for (; k + 3 < d; k += 4) { /* four dimensions a pass: a quarter of the traffic of r2 */
        const double *z0 = z + k * ldz, *z1 = z0 + ldz, *z2 = z1 + ldz, *z3 = z2 + ldz;
        double q0 = q[k * qs], q1 = q[(k + 1) * qs], q2 = q[(k + 2) * qs], q3 = q[(k + 3) * qs];
        double a0 = w2[k], a1 = w2[k + 1], a2 = w2[k + 2], a3 = w2[k + 3];
        for (int j = 0; j < count; j++) {
            double t0 = q0 - z0[j], t1 = q1 - z1[j], t2 = q2 - z2[j], t3 = q3 - z3[j];
            t0 *= t0, t1 *= t1, t2 *= t2, t3 *= t3;
            t0 = t0 < a0 ? t0 : a0, t1 = t1 < a1 ? t1 : a1, t2 = t2 < a2 ? t2 : a2, t3 = t3 < a3 ? t3 : a3;
            r2[j] += (t0 + t1) + (t2 + t3);
        }
    }
    for (; k < d; k++) {
        const double *zk = z + k * ldz;
        double qk = q[k * qs], a = w2[k];
        for (int j = 0; j < count; j++) {
            double t = qk - zk[j];
            t *= t;
            r2[j] += t < a ? t : a;
        }
    }
}

/* Matern-5/2 of squared distances: k = sf2 (1 + s + s^2/3) e^-s, s^2 = 5 r2. */
HD_INLINE void gp_matern(int count, const double *r2, double sf2, double *k)
{
    for (int j = 0; j < count; j++) {
        double s2 = 5.0 * r2[j];
        double s = sqrt(s2);
        s = s < 690.0 ? s : 690.0;
        double e = sf2 * gp_exp(-s); /* as below, bit for bit */
        k[j] = (1.0 + s + s2 * (1.0 / 3.0)) * e;
    }
}

/* The same with kp = dk/d(r2) = -5/6 sf2 (1 + s) e^-s, which is finite at 0. */
HD_INLINE void gp_matern_slope(int count, const double *r2, double sf2, double *k, double *kp)
{
    for (int j = 0; j < count; j++) {
        double s2 = 5.0 * r2[j];
        double s = sqrt(s2);
        s = s < 690.0 ? s : 690.0;
        double e = sf2 * gp_exp(-s);
        k[j] = (1.0 + s + s2 * (1.0 / 3.0)) * e;
        kp[j] = (-5.0 / 6.0) * (1.0 + s) * e;
    }
}

#endif
