/* Dense linear algebra of the Gaussian-process kernels: row-major, lower triangles, one thread.
 *
 * Own code instead of a BLAS because the answer must not depend on a thread count or on the library that happens
 * to be installed, and because loading one costs more time than a first proposal may take. Sums run in a fixed
 * order, so the same processor gives the same bits.
 */
#ifndef HDCORE_LINALG_H
#define HDCORE_LINALG_H

/* Doubles of scratch that every function below wants as `pack`; 64-byte alignment makes it faster, not different. */
#define LA_PACK_SIZE (192 * (96 + 12) + 192 * (256 + 24) + 32 * 24)

/* C += alpha op(A) op(B); element (i, l) of op(A) is a[i ras + l cas], likewise op(B); C is row-major, m by n. */
void la_gemm(int m, int n, int k, double alpha, const double *a, long ras, long cas, const double *b, long rbs,
             long cbs, double *c, long ldc, double *pack);

/* A := L with L L^T = A. Returns 0, or 1 + the row whose pivot is not positive. Elements above the diagonal are scratch. */
int la_potrf(int n, double *a, long lda, double *pack);

/* L := L^-1 (lower). */
void la_trtri(int n, double *a, long lda, double *pack);

/* lower(M) := lower(M^T M), M lower: with M = L^-1 this is the inverse of L L^T. */
void la_lauum(int n, double *a, long lda, double *pack);

#endif
