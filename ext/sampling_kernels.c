/* Between encoded columns and values, one column of a block at a time. NaN (inactive) passes through. */
#include "_dispatch.h"
#include "_math.h"
#include "_sampling.h"

#define LOWEST 0x1p-54            /* the normal family keeps off 0 and 1, where its inverse is infinite */
#define HIGHEST (1.0 - 0x1p-53)

HD_INLINE double clamp(double x, double low, double high)
{
    x = x < low ? low : x;
    return x > high ? high : x;
}

/* The continuous draw at u, before rounding. */
HD_INLINE double draw(const hd_column *c, int op, double u)
{
    switch (op) {
    case HD_UNIFORM:
    case HD_QUNIFORM: {
        double x = c->a + c->r * clamp(u, 0.0, 1.0);
        return x > c->top ? c->top : x; /* a + (b - a) may round to above b */
    }
    case HD_LOGUNIFORM: { /* exp(log(bound)) may lie some ulps outside */
        double x = clamp(hd_exp(c->a + c->r * clamp(u, 0.0, 1.0)), c->first, c->last);
        x = u <= 0.0 ? c->first : x;
        return u >= 1.0 ? c->last : x;
    }
    case HD_QLOGUNIFORM:
        return hd_exp(c->a + c->r * clamp(u, 0.0, 1.0));
    case HD_NORMAL:
    case HD_QNORMAL:
        return c->a + c->r * hd_normal_inverse(clamp(u, LOWEST, HIGHEST));
    case HD_LOGNORMAL:
    case HD_QLOGNORMAL:
        return hd_exp(c->a + c->r * hd_normal_inverse(clamp(u, LOWEST, HIGHEST)));
    default:
        return u;
    }
}

/* Level at u: the multiple of q, or the index of an option. */
HD_INLINE double level(const hd_column *c, int op, double u)
{
    if (op == HD_LEVELS)
        return clamp(floor(u * (c->last + 1.0)), 0.0, c->last);
    return clamp(rint(draw(c, op, u) / c->q), c->first, c->last) + 0.0; /* + 0.0: no negative zero */
}

HD_INLINE double decode(const hd_column *c, int op, double u)
{
    if (op < HD_QUNIFORM)
        return draw(c, op, u);
    return op == HD_LEVELS ? level(c, op, u) : level(c, op, u) * c->q;
}

/* Distribution function of the unrounded draw. */
HD_INLINE double cdf(const hd_column *c, int op, double x)
{
    switch (op) {
    case HD_UNIFORM:
    case HD_QUNIFORM:
        return clamp((x - c->a) / c->r, 0.0, 1.0);
    case HD_LOGUNIFORM:
    case HD_QLOGUNIFORM: {
        double u = clamp((hd_log(x) - c->a) / c->r, 0.0, 1.0);
        return x > 0.0 ? u : 0.0;
    }
    case HD_NORMAL:
    case HD_QNORMAL:
        return hd_normal_cdf((x - c->a) / c->r);
    default: {
        double u = hd_normal_cdf((hd_log(x) - c->a) / c->r);
        return x > 0.0 ? u : 0.0;
    }
    }
}

/* Encoded value of a level: the middle of its cell. */
HD_INLINE double middle(const hd_column *c, int op, double k)
{
    if (op == HD_LEVELS)
        return (k + 0.5) / (c->last + 1.0);
    double u;
    if (op == HD_QUNIFORM) {
        double low = (k - 0.5) * c->q, high = (k + 0.5) * c->q;
        low = low < c->a ? c->a : low;
        high = high > c->top ? c->top : high;
        u = (0.5 * low + 0.5 * high - c->a) / c->r;
    } else {
        u = 0.5 * (cdf(c, op, (k - 0.5) * c->q) + cdf(c, op, (k + 0.5) * c->q));
    }
    return clamp(u, LOWEST, HIGHEST);
}

double hd_decode_one(const hd_column *c, double u) { return decode(c, c->op, u); }

/* Position of u in what decoding orders by: the value itself, or the level. */
static double key_at(const hd_column *c, double u)
{
    return c->op < HD_QUNIFORM ? draw(c, c->op, u) : level(c, c->op, u);
}

/* A u with key_at(u) == key near `guess`, or `guess` where no double has that key. Doubles in [0, 1] are ordered as
 * their bits; decoding is monotone but for a few ulps, hence the last scan. */
static double settle(const hd_column *c, double guess, double key)
{
    if (key_at(c, guess) == key)
        return guess;
    const int64_t one = (int64_t)hd_bits(1.0);
    int64_t centre = (int64_t)hd_bits(guess), low = centre, high = centre;
    for (int64_t step = 1; low > 0 && key_at(c, hd_double((uint64_t)low)) >= key; step *= 2)
        low = low - step < 0 ? 0 : low - step;
    for (int64_t step = 1; high < one && key_at(c, hd_double((uint64_t)high)) < key; step *= 2)
        high = high + step > one ? one : high + step;
    while (high - low > 1) { /* key(low) < key <= key(high) */
        int64_t mid = low + (high - low) / 2;
        if (key_at(c, hd_double((uint64_t)mid)) < key)
            low = mid;
        else
            high = mid;
    }
    /* The errors of a few ulps make decoding not quite monotone: look on while values are that close. In the tails of
     * the normal family a hundred neighbouring doubles decode to one value, elsewhere this ends after some steps. */
    const double close = 32.0 * 0x1p-52 * fabs(key) + 0x1p-1070;
    for (int direction = -1; direction <= 1; direction += 2)
        for (int64_t away = 0; away <= 4096; away++) {
            int64_t at = high + direction * away;
            if (at < 0 || at > one)
                break;
            double off = key_at(c, hd_double((uint64_t)at)) - key;
            if (off == 0.0)
                return hd_double((uint64_t)at);
            if (fabs(off) > close && away > 1)
                break;
        }
    return guess;
}

/* Encoded value of a value; decodes to the same value whenever any encoded value does. LEVELS take the level. */
double hd_encode_one(const hd_column *c, double value)
{
    if (value != value)
        return value;
    if (c->single)
        return 0.5;
    if (c->op < HD_QUNIFORM) {
        double u = cdf(c, c->op, value);
        if (c->op >= HD_NORMAL)
            u = clamp(u, LOWEST, HIGHEST);
        return settle(c, u, value);
    }
    double k = c->op == HD_LEVELS ? value : clamp(rint(value / c->q), c->first, c->last) + 0.0;
    if (c->op != HD_LEVELS && fabs(k) > 0x1p50 && k * c->q != value) /* k q / q may round to a neighbour of k */
        k = nextafter(k, INFINITY) * c->q == value    ? nextafter(k, INFINITY)
            : nextafter(k, -INFINITY) * c->q == value ? nextafter(k, -INFINITY)
                                                      : k;
    if (c->canonical)
        k = c->canonical[(int64_t)k];
    return settle(c, middle(c, c->op, k), k);
}

#define EVERY_OP(BODY)                                                                                                 \
    switch (c->op) {                                                                                                   \
    case HD_UNIFORM: BODY(HD_UNIFORM) break;                                                                           \
    case HD_LOGUNIFORM: BODY(HD_LOGUNIFORM) break;                                                                     \
    case HD_NORMAL: BODY(HD_NORMAL) break;                                                                             \
    case HD_LOGNORMAL: BODY(HD_LOGNORMAL) break;                                                                       \
    case HD_QUNIFORM: BODY(HD_QUNIFORM) break;                                                                         \
    case HD_QLOGUNIFORM: BODY(HD_QLOGUNIFORM) break;                                                                   \
    case HD_QNORMAL: BODY(HD_QNORMAL) break;                                                                           \
    case HD_QLOGNORMAL: BODY(HD_QLOGNORMAL) break;                                                                     \
    default: BODY(HD_LEVELS) break;                                                                                    \
    }

HD_CLONES void hd_decode_block(const hd_column *column, const double *restrict u, double *restrict value, int64_t rows)
{
    const hd_column copy = *column, *c = &copy; /* a local copy: the compiler sees that `value` cannot change it */
#define BODY(OP)                                                                                                       \
    for (int64_t i = 0; i < rows; i++)                                                                                 \
        value[i] = decode(c, OP, u[i]);
    EVERY_OP(BODY)
#undef BODY
}

HD_CLONES void hd_level_block(const hd_column *column, const double *restrict u, int64_t *restrict out, int64_t rows)
{
    const hd_column copy = *column, *c = &copy;
    for (int64_t i = 0; i < rows; i++)
        out[i] = (int64_t)level(c, HD_LEVELS, u[i]);
}

#define GATHER(SIZE)                                                                                                   \
    for (int64_t i = 0; i < rows; i++)                                                                                 \
        memcpy(out + i * (SIZE), table + levels[i] * (SIZE), (size_t)(SIZE));

void hd_gather_block(const hd_column *column, const double *restrict u, const uint8_t *restrict table, int64_t size,
                     uint8_t *restrict out, int64_t rows)
{
    int64_t levels[HD_BLOCK];
    hd_level_block(column, u, levels, rows);
    switch (size) { /* a constant size makes memcpy one move */
    case 8: GATHER(8) break;
    case 16: GATHER(16) break;
    default: GATHER(size)
    }
}

HD_CLONES void hd_middle_block(const hd_column *column, double *restrict u, double *restrict levels, int64_t rows)
{
    const hd_column copy = *column, *c = &copy;
#define BODY(OP)                                                                                                       \
    for (int64_t i = 0; i < rows; i++) {                                                                               \
        double k = level(c, OP, u[i]);                                                                                 \
        levels[i] = k;                                                                                                 \
        u[i] = middle(c, OP, k);                                                                                       \
    }                                                                                                                  \
    for (int64_t i = 0; i < rows; i++)                                                                                 \
        levels[i] -= level(c, OP, u[i]);
    EVERY_OP(BODY)
#undef BODY
}

/* Move encoded values to the point that stands for what they decode to. */
void hd_snap_block(const hd_column *c, double *u, int64_t rows)
{
    double low = c->op >= HD_NORMAL ? LOWEST : 0.0, high = c->op >= HD_NORMAL ? HIGHEST : 1.0;
    if (c->single) {
        for (int64_t i = 0; i < rows; i++)
            u[i] = u[i] == u[i] ? 0.5 : u[i];
    } else if (c->op < HD_QUNIFORM) {
        for (int64_t i = 0; i < rows; i++)
            u[i] = clamp(u[i], low, high);
    } else if (c->op == HD_LEVELS) {
        for (int64_t i = 0; i < rows; i++) {
            double k = level(c, HD_LEVELS, u[i]);
            if (c->canonical && k == k)
                k = c->canonical[(int64_t)k];
            u[i] = middle(c, HD_LEVELS, k);
        }
    } else {
        double given[HD_BLOCK], missed[HD_BLOCK];
        memcpy(given, u, (size_t)rows * sizeof *u);
        hd_middle_block(c, u, missed, rows);
        for (int64_t i = 0; i < rows; i++)
            if (missed[i] != 0.0 && missed[i] == missed[i]) /* a cell too thin for its middle: in the far tails */
                u[i] = settle(c, u[i], level(c, c->op, given[i]));
    }
}

HD_CLONES void hd_math_block(int which, const double *restrict x, double *restrict y, int64_t n)
{
    switch (which) {
    case 0:
        for (int64_t i = 0; i < n; i++)
            y[i] = hd_exp(x[i]);
        break;
    case 1:
        for (int64_t i = 0; i < n; i++)
            y[i] = hd_log(x[i]);
        break;
    case 2:
        for (int64_t i = 0; i < n; i++)
            y[i] = hd_normal_cdf(x[i]);
        break;
    default:
        for (int64_t i = 0; i < n; i++)
            y[i] = hd_normal_inverse(x[i]);
    }
}
