/* Candidates and local search of the acquisition. */
#include "_acquisition.h"

#include <math.h>
#include <string.h>

#include "_dispatch.h"

/* xoshiro256+, seeded by splitmix64: the candidates of one ask are a function of its seed alone. */
typedef struct {
    uint64_t s[4];
} rng_state;

static rng_state seeded(uint64_t seed)
{
    rng_state r;
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        r.s[i] = z ^ (z >> 31);
    }
    return r;
}

static double uniform(rng_state *r)
{
    uint64_t *s = r->s, result = s[0] + s[3], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return (double)(result >> 11) * 0x1p-53;
}

static double normal(rng_state *r)
{
    double a = uniform(r), b = uniform(r);
    return sqrt(-2.0 * log(1.0 - a)) * cos(6.283185307179586 * b);
}

static int below(rng_state *r, int n)
{
    int i = (int)(uniform(r) * n);
    return i < n ? i : n - 1;
}

/* The level whose cell holds u. */
static int level_of(const acq_space *s, int k, double u)
{
    const double *edge = s->edge + s->offset[k] + k;
    int low = 0, high = s->levels[k];
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (u >= edge[middle])
            low = middle;
        else
            high = middle;
    }
    return low;
}

static int is_active(const acq_space *s, const double *row, int k)
{
    int parent = s->parent[k];
    return parent < 0 || (row[parent] != INACTIVE && (int)row[parent] == s->parent_level[k]);
}

static double from_unit(const acq_space *s, int k, double u)
{
    if (s->kind[k] == CATEGORICAL) {
        int code = (int)(u * s->levels[k]);
        return code < s->levels[k] ? code : s->levels[k] - 1;
    }
    return s->levels[k] > 0 ? s->mid[s->offset[k] + level_of(s, k, u)] : u;
}

void acq_global(const acq_space *s, int count, uint64_t seed, double *x)
{
    rng_state r = seeded(seed);
    int d = s->d;
    double root = 2.0; /* of t^(d+1) = t + 1: powers of 1/root are the steps of a well-spread Kronecker lattice */
    for (int i = 0; i < 64; i++)
        root = pow(1.0 + root, 1.0 / (d + 1));
    double step = 1.0;
    for (int k = 0; k < d; k++) { /* parents stand before their children, and a column needs its parent's value */
        double u = uniform(&r);
        step /= root;
        for (int i = 0; i < count; i++) {
            u += step;
            u -= u >= 1.0;
            x[(long)i * d + k] = is_active(s, x + (long)i * d, k) ? from_unit(s, k, u) : INACTIVE;
        }
    }
}

static double reflect(double u)
{
    u = fabs(fmod(u, 2.0));
    return u > 1.0 ? 2.0 - u : u;
}

/* A different value of one column. */
static double moved(const acq_space *s, const acq_model *m, rng_state *r, int k, double u, double scale)
{
    int levels = s->levels[k];
    if (s->kind[k] == CATEGORICAL) {
        int code = levels > 1 ? below(r, levels - 1) : 0;
        return code + (code >= (int)u && levels > 1);
    }
    double length = 1.0 / m->rate[k], to = reflect(u + normal(r) * (scale * (length < 1.0 ? length : 1.0)));
    if (levels <= 0)
        return to;
    int old = level_of(s, k, u), new = level_of(s, k, to);
    if (new == old && levels > 1)
        new = old == 0 ? 1 : old == levels - 1 ? old - 1 : old + (uniform(r) < 0.5 ? -1 : 1);
    return s->mid[s->offset[k] + new];
}

void acq_local(const acq_space *s, const acq_model *m, int centres, const double *centre, int count, uint64_t seed,
               double *x)
{
    rng_state r = seeded(seed);
    int d = s->d;
    double chance = (0.4 * d > 2.0 ? 0.4 * d : 2.0) / d;
    for (int i = 0; i < count; i++) {
        const double *from = centre + (long)(2 * i < count ? 0 : 1 + i % (centres > 1 ? centres - 1 : 1)) * d;
        if (centres == 1)
            from = centre;
        double *row = x + (long)i * d, scale = pow(10.0, -2.3 + 2.0 * uniform(&r));
        int changed = 0;
        for (int tries = 0; tries < 8 && !changed; tries++) {
            int sure = below(&r, d);
            for (int k = 0; k < d; k++) {
                int change = uniform(&r) < chance || k == sure;
                if (!is_active(s, row, k)) {
                    row[k] = INACTIVE;
                } else if (from[k] == INACTIVE) { /* woken by a change of its parent */
                    row[k] = from_unit(s, k, uniform(&r));
                } else if (change) {
                    row[k] = moved(s, m, &r, k, from[k], scale);
                    changed |= row[k] != from[k];
                } else {
                    row[k] = from[k];
                }
            }
        }
    }
}

/* ---- local search ---- */

enum { RELAXED_ABOVE = 8, ALL_LEVELS = 17, OFFSETS = 10 };
/* Among so many points, a start that would need more than ten more of its last step's gains is given up after four. With
 * few points such starts do catch up, and cost little. */
enum { MANY = 200, TRUSTED = 4, BEHIND = 10 };

static int is_free(const acq_space *s, const double *row, int k)
{
    int smooth = s->kind[k] == CONTINUOUS || (s->kind[k] == ORDERED && (s->levels[k] <= 0 || s->levels[k] > RELAXED_ABOVE));
    return smooth && row[k] != INACTIVE;
}

long acq_search_size(int d, int B)
{
    return (long)B * ((long)d * d + 5 * d + 16) + (long)B * 32 * (d + 1) + 64;
}

/* Doubles of one start: H (d d), x is outside; g, trial, trial gradient, direction, y (d each). */
typedef struct {
    double *h, *g, *to, *g_to, *direction, *hy;
    double step, slope, gain;
    int phase, fresh, tries, steps; /* phase: 0 done, 1 a trial is to be evaluated */
} start_state;

static void reset(const acq_model *m, int d, start_state *t)
{
    memset(t->h, 0, (size_t)d * d * sizeof(double));
    for (int k = 0; k < d; k++) {
        double length = 1.0 / m->rate[k];
        length = length < 1.0 ? length : 1.0;
        t->h[(long)k * d + k] = length * length;
    }
    t->fresh = 1;
}

static int held(const acq_space *s, const double *x, const double *g, int k)
{
    return !is_free(s, x, k) || (x[k] <= 0.0 && g[k] < 0.0) || (x[k] >= 1.0 && g[k] > 0.0);
}

/* Sets direction, step and trial for the next evaluation; ends the start if there is nowhere to go. */
static void aim(const acq_space *s, const acq_model *m, int d, const double *x, start_state *t)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        double slope = 0.0, longest = 0.0;
        for (int i = 0; i < d; i++) {
            double sum = 0.0;
            if (!held(s, x, t->g, i))
                for (int j = 0; j < d; j++)
                    if (!held(s, x, t->g, j))
                        sum += t->h[(long)i * d + j] * t->g[j];
            t->direction[i] = sum;
            slope += sum * t->g[i];
            longest = fabs(sum) > longest ? fabs(sum) : longest;
        }
        if (!(slope > 1e-14) || !isfinite(slope)) {
            if (t->fresh)
                break;
            reset(m, d, t);
            continue;
        }
        double cap = t->fresh ? 0.1 : 0.3; /* an untested metric gets a shorter first step */
        t->step = longest > cap ? cap / longest : 1.0;
        t->slope = slope;
        t->tries = 0;
        t->phase = 1;
        return;
    }
    t->phase = 0;
}

static void place(int d, const double *x, start_state *t)
{
    for (int k = 0; k < d; k++) {
        double to = x[k] + (t->direction[k] != 0.0 ? t->step * t->direction[k] : 0.0);
        t->to[k] = t->direction[k] == 0.0 ? x[k] : to < 0.0 ? 0.0 : to > 1.0 ? 1.0 : to;
    }
}

static void update(int d, const double *x, start_state *t)
{
    double sy = 0.0, yy = 0.0, yhy = 0.0; /* ascent: y = g - g_to makes the curvature positive */
    double *hy = t->hy;
    for (int k = 0; k < d; k++) {
        double step = t->to[k] - x[k], y = t->direction[k] != 0.0 ? t->g[k] - t->g_to[k] : 0.0;
        sy += step * y;
        yy += y * y;
    }
    if (!(sy > 1e-12 * yy) || !(yy > 0.0))
        return;
    for (int i = 0; i < d; i++) {
        double sum = 0.0;
        for (int j = 0; j < d; j++)
            if (t->direction[j] != 0.0)
                sum += t->h[(long)i * d + j] * (t->g[j] - t->g_to[j]);
        hy[i] = sum;
        yhy += t->direction[i] != 0.0 ? sum * (t->g[i] - t->g_to[i]) : 0.0;
    }
    if (t->fresh && yhy > 0.0) { /* the first pair sets the scale of the metric */
        double factor = sy / yhy;
        for (long i = 0; i < (long)d * d; i++)
            t->h[i] *= factor;
        for (int i = 0; i < d; i++)
            hy[i] *= factor;
        yhy = sy;
    }
    double a = (1.0 + yhy / sy) / sy, b = 1.0 / sy;
    for (int i = 0; i < d; i++)
        for (int j = 0; j < d; j++) {
            double si = t->to[i] - x[i], sj = t->to[j] - x[j];
            t->h[(long)i * d + j] += a * si * sj - b * (hy[i] * sj + si * hy[j]);
        }
    t->fresh = 0;
}

static int climb(const acq_model *m, const acq_space *s, int B, double *x, double *value, start_state *state,
                 int iterations, double *batch, double *work)
{
    int d = m->d, evaluations = 0, who[64];
    double *rows = batch, *grads = rows + (long)B * d, *values = grads + (long)B * d;
    int any = 0;
    for (int k = 0; k < d; k++)
        for (int b = 0; b < B; b++)
            any |= is_free(s, x + (long)b * d, k);
    if (!any)
        return 0;
    acq_values(m, B, x, value, grads, work);
    evaluations++;
    for (int b = 0; b < B; b++) {
        start_state *t = state + b;
        memcpy(t->g, grads + (long)b * d, (size_t)d * sizeof(double));
        reset(m, d, t);
        t->steps = 0;
        aim(s, m, d, x + (long)b * d, t);
    }
    for (int round = 0; round < 3 * iterations; round++) {
        int active = 0;
        for (int b = 0; b < B; b++)
            if (state[b].phase) {
                place(d, x + (long)b * d, state + b);
                memcpy(rows + (long)active * d, state[b].to, (size_t)d * sizeof(double));
                who[active++] = b;
            }
        if (active == 0)
            break;
        acq_values(m, active, rows, values, grads, work);
        evaluations++;
        for (int i = 0; i < active; i++) {
            int b = who[i];
            start_state *t = state + b;
            double *xb = x + (long)b * d, expected = 0.0;
            for (int k = 0; k < d; k++)
                expected += t->g[k] * (t->to[k] - xb[k]);
            double gain = values[i] - value[b];
            if (gain >= 1e-4 * expected && isfinite(values[i])) {
                memcpy(t->g_to, grads + (long)i * d, (size_t)d * sizeof(double));
                update(d, xb, t);
                memcpy(xb, t->to, (size_t)d * sizeof(double));
                memcpy(t->g, t->g_to, (size_t)d * sizeof(double));
                value[b] = values[i];
                if (gain < 1e-5 || ++t->steps >= iterations)
                    t->phase = 0;
                else
                    aim(s, m, d, xb, t);
                t->gain = gain;
            } else if (++t->tries >= 8) {
                if (t->fresh) {
                    t->phase = 0;
                } else {
                    reset(m, d, t);
                    aim(s, m, d, xb, t);
                }
            } else {
                double fraction = isfinite(gain) ? -0.5 * expected / (gain - expected) : 0.1;
                t->step *= fraction < 0.1 ? 0.1 : fraction > 0.5 ? 0.5 : fraction;
            }
        }
        if (m->n < MANY)
            continue;
        double best = -INFINITY; /* a start that falls behind costs as much as all together */
        for (int b = 0; b < B; b++)
            best = value[b] > best ? value[b] : best;
        for (int b = 0; b < B; b++)
            if (state[b].phase && state[b].steps >= TRUSTED && value[b] + BEHIND * state[b].gain < best)
                state[b].phase = 0;
    }
    return evaluations;
}

/* Sets column k of a row and wakes or silences what hangs on it. */
static void assign(const acq_space *s, double *row, int k, double to, const double *fill)
{
    row[k] = to;
    if (s->kind[k] != CATEGORICAL)
        return;
    for (int j = k + 1; j < s->d; j++) {
        if (s->parent[j] < 0)
            continue;
        if (!is_active(s, row, j))
            row[j] = INACTIVE;
        else if (row[j] == INACTIVE)
            row[j] = fill[j];
    }
}

static double level_value(const acq_space *s, int k, int level)
{
    return s->kind[k] == CATEGORICAL ? level : s->mid[s->offset[k] + level];
}

/* One pass over the discrete columns: the best level of each, the others fixed. Returns whether anything changed. */
static int sweep(const acq_model *m, const acq_space *s, int B, double *x, double *value, const double *fill,
                 double *rows, double *work, int *evaluations)
{
    static const int offsets[OFFSETS] = {1, -1, 2, -2, 4, -4, 8, -8, 16, -16};
    int d = m->d, changed = 0, owner[64 * 32];
    double *values = rows + (long)B * 32 * d;
    for (int k = 0; k < d; k++) {
        int levels = s->levels[k], count = 0;
        if (s->kind[k] == CONTINUOUS || levels < 2)
            continue;
        for (int b = 0; b < B; b++) {
            const double *xb = x + (long)b * d;
            if (xb[k] == INACTIVE)
                continue;
            int now = s->kind[k] == CATEGORICAL ? (int)xb[k] : level_of(s, k, xb[k]);
            int tries = levels <= ALL_LEVELS ? levels : OFFSETS;
            for (int i = 0; i < tries; i++) {
                int level = levels <= ALL_LEVELS ? i : now + offsets[i];
                if (levels > ALL_LEVELS && s->kind[k] == CATEGORICAL)
                    level = (level + levels) % levels;
                if (level < 0 || level >= levels || level == now)
                    continue;
                double *row = rows + (long)count * d;
                memcpy(row, xb, (size_t)d * sizeof(double));
                assign(s, row, k, level_value(s, k, level), fill);
                owner[count++] = b;
            }
        }
        if (count == 0)
            continue;
        acq_values(m, count, rows, values, NULL, work);
        ++*evaluations;
        for (int i = 0; i < count; i++) {
            int b = owner[i];
            if (values[i] > value[b] + 1e-9) {
                value[b] = values[i];
                memcpy(x + (long)b * d, rows + (long)i * d, (size_t)d * sizeof(double));
                changed = 1;
            }
        }
    }
    return changed;
}

int acq_search(const acq_model *m, const acq_space *s, int B, double *x, double *value, const double *fill,
               int iterations, int rounds, double *search, double *work)
{
    int d = m->d, evaluations = 0, discrete = 0, relaxed = 0;
    start_state state[64];
    double *at = search;
    for (int b = 0; b < B; b++) {
        start_state *t = state + b;
        t->h = at, at += (long)d * d;
        t->g = at, at += d;
        t->to = at, at += d;
        t->g_to = at, at += d;
        t->direction = at, at += d;
        t->hy = at, at += d;
    }
    for (int k = 0; k < d; k++) {
        discrete |= s->kind[k] != CONTINUOUS && s->levels[k] > 1;
        relaxed |= s->kind[k] == ORDERED && s->levels[k] > RELAXED_ABOVE;
    }
    for (int round = 0; round < rounds; round++) {
        evaluations += climb(m, s, B, x, value, state, round ? 8 : iterations, at, work);
        if (!discrete)
            break;
        if (relaxed)
            for (int b = 0; b < B; b++)
                for (int k = 0; k < d; k++) {
                    double *u = x + (long)b * d + k;
                    if (s->kind[k] == ORDERED && s->levels[k] > RELAXED_ABOVE && *u != INACTIVE)
                        *u = s->mid[s->offset[k] + level_of(s, k, *u)];
                }
        acq_values(m, B, x, value, NULL, work);
        evaluations++;
        if (!sweep(m, s, B, x, value, fill, at, work, &evaluations))
            break;
    }
    return evaluations;
}
