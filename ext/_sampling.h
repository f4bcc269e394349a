/* Kernels of ext/sampling.pyx. See the .c files for what each promises. */
#ifndef HDCORE_SAMPLING_H
#define HDCORE_SAMPLING_H

#include <stdint.h>

enum { HD_BLOCK = 256 }; /* rows that are worked on together: a block of ten columns fits the first cache */

enum {
    HD_UNIFORM,     /* a + r u                      numbers: a, r, top */
    HD_LOGUNIFORM,  /* exp(a + r u) */
    HD_NORMAL,      /* a + r Phi^-1(u)              numbers: mu, sigma */
    HD_LOGNORMAL,   /* exp(a + r Phi^-1(u)) */
    HD_QUNIFORM,    /* round(… / q) q of the same four */
    HD_QLOGUNIFORM,
    HD_QNORMAL,
    HD_QLOGNORMAL,
    HD_LEVELS       /* floor(u K), K = last + 1 */
};

typedef struct {
    int op;
    int single;       /* one value only: its encoded value is 1/2 */
    int parent;       /* column of the choice that this one depends on, or -1 */
    int parent_level; /* level of the parent at which this column is active */
    double a, r, top, q;
    double first, last;       /* outermost multiples of q, infinite where unbounded; of HD_LOGUNIFORM the bounds */
    const int32_t *canonical; /* level -> first level with the same value, or NULL */
} hd_column;

/* Streams: row i of (seed,) is Generator(Philox(SeedSequence(seed, spawn_key=(i,)))).random(...) */
typedef struct {
    uint32_t pool[4];
    uint32_t hash_constant;
} hd_seed;

void hd_seed_init(hd_seed *seed, const uint32_t *words, int64_t count);
/* out[row * row_step + column * column_step], `rows` <= HD_BLOCK, drawing doubles skip … skip + columns - 1. */
void hd_stream_block(const hd_seed *seed, uint64_t start, uint64_t skip, int64_t rows, int64_t columns, double *out,
                     int64_t row_step, int64_t column_step);

/* Sobol points start … start + rows - 1, rows <= HD_BLOCK, row-major; `keys` NULL: not scrambled. */
int hd_sobol_dimensions(void);
void hd_sobol_directions(int dimensions, uint32_t *out);
void hd_sobol_block(const uint32_t *directions, const uint64_t *keys, uint64_t start, int64_t rows, int64_t columns,
                    double *out);

/* One column of a block. */
void hd_decode_block(const hd_column *column, const double *u, double *value, int64_t rows);
void hd_level_block(const hd_column *column, const double *u, int64_t *level, int64_t rows);
/* out[i] = the level's item of a table, `size` bytes each. */
void hd_gather_block(const hd_column *column, const double *u, const uint8_t *table, int64_t size, uint8_t *out,
                     int64_t rows);
void hd_snap_block(const hd_column *column, double *u, int64_t rows);
double hd_decode_one(const hd_column *column, double u);
double hd_encode_one(const hd_column *column, double value);

void hd_math_block(int which, const double *x, double *y, int64_t n);

#endif
