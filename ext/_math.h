/* exp, log, the normal distribution function and its inverse, for loops that a compiler can vectorise.
 *
 * Every function is straight-line code: regions are chosen by selects, so a loop over any of them becomes SIMD in
 * an HD_CLONES function. Only IEEE operations without contraction are used; a scalar call, AVX2 and AVX-512 give the
 * same bits. Polynomials: tools/fit_math.py; the inverse: Wichura, "Algorithm AS 241", 1988.
 *
 * Largest errors against mpmath in tests/sampling/test_math.py: exp 0.9, log 0.9, cdf 4, inverse 5.5 ulp.
 */
#ifndef HDCORE_MATH_H
#define HDCORE_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "_dispatch.h"

#define HD_ROUNDER 0x1.8p52 /* adding it leaves a small whole number in the low bits */
#define HD_LN2_HIGH 0x1.62e42feep-1
#define HD_LN2_LOW 0x1.a39ef35793c76p-33

HD_INLINE uint64_t hd_bits(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

HD_INLINE double hd_double(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 2**k for a whole k in [-1022, 1023]. */
HD_INLINE double hd_power_of_two(double k)
{
    return hd_double((hd_bits(k + HD_ROUNDER) << 52) + ((uint64_t)1023 << 52));
}

/* Nearest whole number, half to even; |x| < 2**51. */
HD_INLINE double hd_round_small(double x) { return (x + HD_ROUNDER) - HD_ROUNDER; }

/* exp(x + small) where |small| is far below 1; overflows to inf, underflows through the subnormals to 0. */
HD_INLINE double hd_exp_sum(double x, double small)
{
    double within = x < -800.0 ? -800.0 : x;
    within = within > 800.0 ? 800.0 : within;
    double k = hd_round_small(within * 0x1.71547652b82fep+0);
    double high = within - k * HD_LN2_HIGH; /* exact: HD_LN2_HIGH ends in zeros */
    double low = small - k * HD_LN2_LOW;
    double r = high + low;
    double p = 1.0 / 6227020800.0;
    p = p * r + 1.0 / 479001600.0;
    p = p * r + 1.0 / 39916800.0;
    p = p * r + 1.0 / 3628800.0;
    p = p * r + 1.0 / 362880.0;
    p = p * r + 1.0 / 40320.0;
    p = p * r + 1.0 / 5040.0;
    p = p * r + 1.0 / 720.0;
    p = p * r + 1.0 / 120.0;
    p = p * r + 1.0 / 24.0;
    p = p * r + 1.0 / 6.0;
    p = p * r + 0.5;
    double y = 1.0 + (high + (r * r * p + low));
    double half = hd_round_small(k * 0.5); /* two factors, since 2**k alone may be no normal number */
    return y * hd_power_of_two(half) * hd_power_of_two(k - half);
}

HD_INLINE double hd_exp(double x) { return hd_exp_sum(x, 0.0); }

HD_INLINE double hd_log(double x)
{
    double tiny = x < 0x1p-1022 ? 0x1p54 : 1.0;
    double shift = x < 0x1p-1022 ? 54.0 : 0.0;
    /* x = 2**k * m with m in [sqrt(1/2), sqrt(2)) */
    uint64_t bits = hd_bits(x * tiny) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
    double k = hd_double((bits >> 52) | 0x4330000000000000u) - (0x1p52 + 1023.0) - shift;
    double m = hd_double((bits & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu);
    double f = m - 1.0;
    double s = f / (2.0 + f);
    double z = s * s;
    double p = 0.1310072138350349;
    p = p * z + 0.13267418596474884;
    p = p * z + 0.15386290534658992;
    p = p * z + 0.181817947008978;
    p = p * z + 0.2222222240054776;
    p = p * z + 0.2857142857076445;
    p = p * z + 0.4000000000000094;
    p = p * z + 0.6666666666666666;
    double half = 0.5 * f * f;
    /* log(1 + f) = 2 atanh(s) = f - f**2 / 2 + s (f**2 / 2 + z p(z)) */
    double y = k * HD_LN2_HIGH - ((half - (s * (half + z * p) + k * HD_LN2_LOW)) - f);
    y = x == 0.0 ? -INFINITY : y;
    y = x == INFINITY ? INFINITY : y;
    return x >= 0.0 ? y : NAN;
}

/* Phi(x), accurate relatively in the lower tail. */
HD_INLINE double hd_normal_cdf(double x)
{
    double t = fabs(x);
    t = t > 40.0 ? 40.0 : t;
    double y = (t - 4.0) / (t + 4.0);
    double p = -7.211179846255809e-10;
    p = p * y + -2.5064092327060245e-09;
    p = p * y + 1.91704657169936e-09;
    p = p * y + 1.9572634363629615e-08;
    p = p * y + 1.3252768349590029e-08;
    p = p * y + -8.535108764876556e-08;
    p = p * y + -1.549103550354694e-07;
    p = p * y + 2.717688394422627e-07;
    p = p * y + 1.0215052506669676e-06;
    p = p * y + -6.296856296466017e-07;
    p = p * y + -5.9201482127588715e-06;
    p = p * y + 7.166656932237928e-07;
    p = p * y + 3.514467813587957e-05;
    p = p * y + -1.908259109652203e-06;
    p = p * y + -0.00023109493363328756;
    p = p * y + 0.00013334431261448766;
    p = p * y + 0.0016308184574118302;
    p = p * y + -0.0034796923674206446;
    p = p * y + -0.00754018896671571;
    p = p * y + 0.060396574890938165;
    p = p * y + -0.18652185795965756;
    p = p * y + 0.38713740074221453;
    p = p * y + -0.6078966419718921;
    p = p * y + 0.7552851304157515;
    /* t**2 in two parts: the high one is exact, so that exp gets an exact argument and a small rest */
    double high = hd_double(hd_bits(t) & 0xfffffffff8000000u);
    double tail = hd_exp_sum(-0.5 * high * high, -0.5 * (t - high) * (t + high)) * (p / (t + 4.0));
    double y_full = x < 0.0 ? tail : 1.0 - tail;
    return x == x ? y_full : x;
}

/* Phi^-1(p) for p in [0, 1]: -inf at 0, inf at 1. */
HD_INLINE double hd_normal_inverse(double p)
{
    double q = p - 0.5;
    double r = 0.180625 - q * q;
    double top = 2509.0809287301226727;
    top = top * r + 33430.575583588128105;
    top = top * r + 67265.770927008700853;
    top = top * r + 45921.953931549871457;
    top = top * r + 13731.693765509461125;
    top = top * r + 1971.5909503065514427;
    top = top * r + 133.14166789178437745;
    top = top * r + 3.3871328727963666080;
    double bottom = 5226.4952788528545610;
    bottom = bottom * r + 28729.085735721942674;
    bottom = bottom * r + 39307.895800092710610;
    bottom = bottom * r + 21213.794301586595867;
    bottom = bottom * r + 5394.1960214247511077;
    bottom = bottom * r + 687.18700749205790830;
    bottom = bottom * r + 42.313330701600911252;
    bottom = bottom * r + 1.0;
    double middle = q * top / bottom;

    double smaller = q < 0.0 ? p : 1.0 - p; /* exact */
    double root = sqrt(-hd_log(smaller));
    int far = root > 5.0; /* p below 1.4e-11 */
    double s = far ? root - 5.0 : root - 1.6;
    top = far ? 2.01033439929228813265e-7 : 7.74545014278341407640e-4;
    top = top * s + (far ? 2.71155556874348757815e-5 : 2.27238449892691845833e-2);
    top = top * s + (far ? 1.24266094738807843860e-3 : 2.41780725177450611770e-1);
    top = top * s + (far ? 2.65321895265761230930e-2 : 1.27045825245236838258);
    top = top * s + (far ? 2.96560571828504891230e-1 : 3.64784832476320460504);
    top = top * s + (far ? 1.78482653991729133580 : 5.76949722146069140550);
    top = top * s + (far ? 5.46378491116411436990 : 4.63033784615654529590);
    top = top * s + (far ? 6.65790464350110377720 : 1.42343711074968357734);
    bottom = far ? 2.04426310338993978564e-15 : 1.05075007164441684324e-9;
    bottom = bottom * s + (far ? 1.42151175831644588870e-7 : 5.47593808499534494600e-4);
    bottom = bottom * s + (far ? 1.84631831751005468180e-5 : 1.51986665636164571966e-2);
    bottom = bottom * s + (far ? 7.86869131145613259100e-4 : 1.48103976427480074590e-1);
    bottom = bottom * s + (far ? 1.48753612908506148525e-2 : 6.89767334985100004550e-1);
    bottom = bottom * s + (far ? 1.36929880922735805310e-1 : 1.67638483018380384940);
    bottom = bottom * s + (far ? 5.99832206555887937690e-1 : 2.05319162663775882187);
    bottom = bottom * s + 1.0;
    double outer = top / bottom;
    outer = smaller == 0.0 ? INFINITY : outer;
    outer = q < 0.0 ? -outer : outer;
    return fabs(q) <= 0.425 ? middle : outer;
}

#endif
