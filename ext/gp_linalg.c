/* Cholesky factor and inverse by recursion on one packed matrix product (ext/_linalg.h).
 *
 * The product packs panels of A and B and hands full tiles to a micro-kernel that keeps MR x NR sums in registers;
 * one is compiled per instruction set and picked when the module is loaded. All else is recursion down to blocks
 * of 32, where plain loops do.
 */
#include "_linalg.h"

#include <math.h>
#include <string.h>

#include "_dispatch.h"

enum { KC = 192, MC = 96, NC = 256, BASE = 32 };

typedef void (*micro_fn)(int k, const double *a, const double *b, double alpha, double *c, long ldc);

/* W lanes a vector, NV vectors and MR rows a tile. */
#define MICRO(NAME, ATTRIBUTE, W, MR, NV)                                                                       \
    typedef double NAME##_v __attribute__((vector_size(8 * (W)), aligned(8), may_alias));                       \
    ATTRIBUTE static void NAME(int k, const double *a, const double *b, double alpha, double *c, long ldc)      \
    {                                                                                                           \
        NAME##_v sum[MR][NV];                                                                                   \
        for (int i = 0; i < (MR); i++)                                                                          \
            for (int j = 0; j < (NV); j++)                                                                      \
                sum[i][j] = (NAME##_v){0};                                                                      \
        for (int l = 0; l < k; l++, a += (MR), b += (NV) * (W)) {                                               \
            NAME##_v row[NV];                                                                                   \
            for (int j = 0; j < (NV); j++)                                                                      \
                row[j] = *(const NAME##_v *)(b + j * (W));                                                      \
            for (int i = 0; i < (MR); i++)                                                                      \
                for (int j = 0; j < (NV); j++)                                                                  \
                    sum[i][j] += a[i] * row[j];                                                                 \
        }                                                                                                       \
        for (int i = 0; i < (MR); i++)                                                                          \
            for (int j = 0; j < (NV); j++)                                                                      \
                *(NAME##_v *)(c + i * ldc + j * (W)) += alpha * sum[i][j];                                      \
    }

MICRO(micro_base, , 2, 4, 2)
#if defined(__x86_64__) && defined(__GNUC__) && !defined(HDCORE_DEBUG)
MICRO(micro_v3, __attribute__((target("avx2,fma"))), 4, 4, 3)
MICRO(micro_v4, __attribute__((target("avx512f,avx512dq,avx512vl,fma"))), 8, 8, 3)
#endif

static micro_fn micro = micro_base;
static int MR = 4, NR = 4;

__attribute__((constructor)) static void pick_micro(void)
{
#if defined(__x86_64__) && defined(__GNUC__) && !defined(HDCORE_DEBUG)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
        micro = micro_v4, MR = 8, NR = 24;
    } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        micro = micro_v3, MR = 4, NR = 12;
    }
#endif
}

/* Panels of `width` rows (stride rs), each stored as k groups of `width`; the last is filled up with zeros. */
static void pack_panels(int rows, int k, int width, const double *x, long rs, long cs, double *out)
{
    for (int i = 0; i < rows; i += width) {
        int full = rows - i < width ? rows - i : width;
        const double *panel = x + i * rs;
        if (full < width)
            memset(out, 0, (size_t)k * width * sizeof(double));
        if (rs == 1) {
            for (int l = 0; l < k; l++)
                memcpy(out + (long)l * width, panel + l * cs, (size_t)full * sizeof(double));
        } else {
            for (int r = 0; r < full; r++) {
                const double *row = panel + r * rs;
                for (int l = 0; l < k; l++)
                    out[(long)l * width + r] = row[l * cs];
            }
        }
        out += (long)k * width;
    }
}

void la_gemm(int m, int n, int k, double alpha, const double *a, long ras, long cas, const double *b, long rbs,
             long cbs, double *c, long ldc, double *pack)
{
    double *pa = pack, *pb = pa + KC * (MC + 12), *edge = pb + KC * (NC + 24);
    for (int l0 = 0; l0 < k; l0 += KC) {
        int kc = k - l0 < KC ? k - l0 : KC;
        for (int j0 = 0; j0 < n; j0 += NC) {
            int nc = n - j0 < NC ? n - j0 : NC;
            pack_panels(nc, kc, NR, b + l0 * rbs + j0 * cbs, cbs, rbs, pb);
            for (int i0 = 0; i0 < m; i0 += MC) {
                int mc = m - i0 < MC ? m - i0 : MC;
                pack_panels(mc, kc, MR, a + i0 * ras + l0 * cas, ras, cas, pa);
                for (int j = 0; j < nc; j += NR) {
                    int nr = nc - j < NR ? nc - j : NR;
                    for (int i = 0; i < mc; i += MR) {
                        int mr = mc - i < MR ? mc - i : MR;
                        double *tile = c + (i0 + i) * ldc + j0 + j;
                        if (mr == MR && nr == NR) {
                            micro(kc, pa + (long)i * kc, pb + (long)j * kc, alpha, tile, ldc);
                            continue;
                        }
                        memset(edge, 0, (size_t)MR * NR * sizeof(double));
                        micro(kc, pa + (long)i * kc, pb + (long)j * kc, alpha, edge, NR);
                        for (int r = 0; r < mr; r++)
                            for (int s = 0; s < nr; s++)
                                tile[r * ldc + s] += edge[r * NR + s];
                    }
                }
            }
        }
    }
}

/* Half of n, rounded so that the tiles of the micro-kernels stay full. */
static int half(int n)
{
    return (n / 2 + 23) / 24 * 24 < n ? (n / 2 + 23) / 24 * 24 : n / 2;
}

/* lower(C) += alpha A A^T, or with `transposed` alpha A^T A. */
static void syrk(int n, int k, double alpha, const double *a, long rs, long cs, double *c, long ldc, double *pack)
{
    if (n <= 96) {
        la_gemm(n, n, k, alpha, a, rs, cs, a, cs, rs, c, ldc, pack);
        return;
    }
    int h = half(n);
    syrk(h, k, alpha, a, rs, cs, c, ldc, pack);
    la_gemm(n - h, h, k, alpha, a + h * rs, rs, cs, a, cs, rs, c + h * ldc, ldc, pack);
    syrk(n - h, k, alpha, a + h * rs, rs, cs, c + h * ldc + h, ldc, pack);
}

/* B := B L^-T, B m by n, L n by n lower. */
static void trsm_right(int m, int n, const double *l, long ldl, double *b, long ldb, double *pack);

HD_CLONES static void trsm_base(int m, int n, const double *l, long ldl, double *b, long ldb)
{
    double column[BASE][64]; /* 64 rows of B, transposed, so that the rows are the lanes */
    for (int i0 = 0; i0 < m; i0 += 64) {
        int rows = m - i0 < 64 ? m - i0 : 64;
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < n; j++)
                column[j][r] = b[(i0 + r) * ldb + j];
        for (int r = rows; r < 64; r++)
            for (int j = 0; j < n; j++)
                column[j][r] = 0.0;
        for (int j = 0; j < n; j++) {
            for (int q = 0; q < j; q++) {
                double factor = l[j * ldl + q];
                for (int r = 0; r < 64; r++)
                    column[j][r] -= factor * column[q][r];
            }
            double scale = 1.0 / l[j * ldl + j];
            for (int r = 0; r < 64; r++)
                column[j][r] *= scale;
        }
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < n; j++)
                b[(i0 + r) * ldb + j] = column[j][r];
    }
}

static void trsm_right(int m, int n, const double *l, long ldl, double *b, long ldb, double *pack)
{
    if (n <= BASE) {
        trsm_base(m, n, l, ldl, b, ldb);
        return;
    }
    int h = half(n);
    trsm_right(m, h, l, ldl, b, ldb, pack);
    la_gemm(m, n - h, h, -1.0, b, ldb, 1, l + h * ldl, 1, ldl, b + h, ldb, pack);
    trsm_right(m, n - h, l + h * ldl + h, ldl, b + h, ldb, pack);
}

HD_CLONES static int potrf_base(int n, double *a, long lda)
{
    double work[BASE][BASE] __attribute__((aligned(64))); /* columns of L are rows here */
    for (int j = 0; j < BASE; j++)
        for (int i = 0; i < BASE; i++)
            work[j][i] = i < n && j < n && j <= i ? a[i * lda + j] : 0.0;
    for (int j = 0; j < n; j++) {
        double pivot = work[j][j];
        if (!(pivot > 0.0) || pivot > 1e300)
            return j + 1;
        double root = sqrt(pivot), scale = 1.0 / root;
        for (int i = 0; i < BASE; i++)
            work[j][i] *= scale;
        work[j][j] = root;
        for (int q = j + 1; q < n; q++) {
            double factor = work[j][q];
            for (int i = 0; i < BASE; i++)
                work[q][i] -= factor * work[j][i];
        }
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j <= i; j++)
            a[i * lda + j] = work[j][i];
    return 0;
}

int la_potrf(int n, double *a, long lda, double *pack)
{
    if (n <= BASE)
        return potrf_base(n, a, lda);
    int h = half(n);
    int info = la_potrf(h, a, lda, pack);
    if (info)
        return info;
    trsm_right(n - h, h, a, lda, a + h * lda, lda, pack);
    syrk(n - h, h, -1.0, a + h * lda, lda, 1, a + h * lda + h, lda, pack);
    info = la_potrf(n - h, a + h * lda + h, lda, pack);
    return info ? info + h : 0;
}

/* B := B T, B m by n, T n by n lower. */
HD_CLONES static void trmm_right_base(int m, int n, const double *t, long ldt, double *b, long ldb)
{
    double square[BASE][BASE], row[BASE];
    for (int l = 0; l < n; l++)
        for (int j = 0; j < BASE; j++)
            square[l][j] = j <= l ? t[l * ldt + j] : 0.0;
    for (int i = 0; i < m; i++) {
        double *out = b + i * ldb;
        for (int j = 0; j < BASE; j++)
            row[j] = 0.0;
        for (int l = 0; l < n; l++)
            for (int j = 0; j < BASE; j++)
                row[j] += out[l] * square[l][j];
        memcpy(out, row, (size_t)n * sizeof(double));
    }
}

static void trmm_right(int m, int n, const double *t, long ldt, double *b, long ldb, double *pack)
{
    if (n <= BASE) {
        trmm_right_base(m, n, t, ldt, b, ldb);
        return;
    }
    int h = half(n);
    trmm_right(m, h, t, ldt, b, ldb, pack);
    la_gemm(m, h, n - h, 1.0, b + h, ldb, 1, t + h * ldt, ldt, 1, b, ldb, pack);
    trmm_right(m, n - h, t + h * ldt + h, ldt, b + h, ldb, pack);
}

/* B := alpha T B, T m by m lower, B m by n; row i needs the rows above it, so it goes from the last row up. */
HD_CLONES static void trmm_left_base(int m, int n, double alpha, const double *t, long ldt, double *b, long ldb)
{
    for (int i = m - 1; i >= 0; i--) {
        double *out = b + i * ldb;
        double diagonal = alpha * t[i * ldt + i];
        for (int j = 0; j < n; j++)
            out[j] *= diagonal;
        for (int l = 0; l < i; l++) {
            double factor = alpha * t[i * ldt + l];
            const double *row = b + l * ldb;
            for (int j = 0; j < n; j++)
                out[j] += factor * row[j];
        }
    }
}

static void trmm_left(int m, int n, double alpha, const double *t, long ldt, double *b, long ldb, double *pack)
{
    if (m <= BASE) {
        trmm_left_base(m, n, alpha, t, ldt, b, ldb);
        return;
    }
    int h = half(m);
    trmm_left(m - h, n, alpha, t + h * ldt + h, ldt, b + h * ldb, ldb, pack);
    la_gemm(m - h, n, h, alpha, t + h * ldt, ldt, 1, b, ldb, 1, b + h * ldb, ldb, pack);
    trmm_left(h, n, alpha, t, ldt, b, ldb, pack);
}

/* B := T^T B, T m by m lower; row i needs the rows below it. */
HD_CLONES static void trmm_left_t_base(int m, int n, const double *t, long ldt, double *b, long ldb)
{
    for (int i = 0; i < m; i++) {
        double *out = b + i * ldb;
        double diagonal = t[i * ldt + i];
        for (int j = 0; j < n; j++)
            out[j] *= diagonal;
        for (int l = i + 1; l < m; l++) {
            double factor = t[l * ldt + i];
            const double *row = b + l * ldb;
            for (int j = 0; j < n; j++)
                out[j] += factor * row[j];
        }
    }
}

static void trmm_left_t(int m, int n, const double *t, long ldt, double *b, long ldb, double *pack)
{
    if (m <= BASE) {
        trmm_left_t_base(m, n, t, ldt, b, ldb);
        return;
    }
    int h = half(m);
    trmm_left_t(h, n, t, ldt, b, ldb, pack);
    la_gemm(h, n, m - h, 1.0, t + h * ldt, 1, ldt, b + h * ldb, ldb, 1, b, ldb, pack);
    trmm_left_t(m - h, n, t + h * ldt + h, ldt, b + h * ldb, ldb, pack);
}

HD_CLONES static void trtri_base(int n, double *a, long lda)
{
    double inverse[BASE][BASE];
    for (int i = 0; i < n; i++) {
        double scale = 1.0 / a[i * lda + i];
        double row[BASE] = {0};
        for (int l = 0; l < i; l++) {
            double factor = -scale * a[i * lda + l];
            for (int j = 0; j < BASE; j++)
                row[j] += factor * inverse[l][j];
        }
        row[i] = scale;
        memcpy(inverse[i], row, sizeof row);
    }
    for (int i = 0; i < n; i++)
        memcpy(a + i * lda, inverse[i], (size_t)(i + 1) * sizeof(double));
}

void la_trtri(int n, double *a, long lda, double *pack)
{
    if (n <= BASE) {
        trtri_base(n, a, lda);
        return;
    }
    int h = half(n);
    la_trtri(h, a, lda, pack);
    la_trtri(n - h, a + h * lda + h, lda, pack);
    trmm_right(n - h, h, a, lda, a + h * lda, lda, pack);
    trmm_left(n - h, h, -1.0, a + h * lda + h, lda, a + h * lda, lda, pack);
}

HD_CLONES static void lauum_base(int n, double *a, long lda)
{
    double sum[BASE][BASE] = {{0}};
    for (int l = 0; l < n; l++) {
        double row[BASE] = {0};
        memcpy(row, a + l * lda, (size_t)(l + 1) * sizeof(double));
        for (int i = 0; i <= l; i++)
            for (int j = 0; j < BASE; j++)
                sum[i][j] += row[i] * row[j];
    }
    for (int i = 0; i < n; i++)
        memcpy(a + i * lda, sum[i], (size_t)(i + 1) * sizeof(double));
}

void la_lauum(int n, double *a, long lda, double *pack)
{
    if (n <= BASE) {
        lauum_base(n, a, lda);
        return;
    }
    int h = half(n);
    la_lauum(h, a, lda, pack);
    syrk(h, n - h, 1.0, a + h * lda, 1, lda, a, lda, pack);
    trmm_left_t(n - h, h, a + h * lda + h, lda, a + h * lda, lda, pack);
    la_lauum(n - h, a + h * lda + h, lda, pack);
}
