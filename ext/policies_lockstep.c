/* Lockstep evaluation: at interval k every living run reports, then all are judged on that one snapshot.
 *
 * The living are taken a few intervals at a time: b and a are folded along each run's curve while it is in a register,
 * and written transposed, so that each interval is one contiguous row of b and one of keys (what the population is
 * ordered by: a for the median, else b). A run that ends puts its key among those of the ended and NaN into what is
 * left of its rows: NaN is neither less nor greater than anything, so no later pass sees it. */
#include "_policies.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "_dispatch.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(HDCORE_DEBUG)
#include <immintrin.h>
#define HD_AVX512
#endif

enum { BLOCK = 8, LANES = 8, AHEAD = 4, SAMPLE = 1024 };

static int compare(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Bring v[rank] to its place in sorted order, with nothing greater before it. */
static void select_rank(double *v, int64_t n, int64_t rank)
{
    int64_t low = 0, high = n - 1;
    for (int rounds = 0; low < high; rounds++) {
        if (rounds == 64) { /* an unlucky order: sort what is left */
            qsort(v + low, (size_t)(high - low + 1), sizeof(double), compare);
            return;
        }
        double x = v[low], y = v[low + (high - low) / 2], z = v[high];
        double pivot = x < y ? (y < z ? y : (x < z ? z : x)) : (x < z ? x : (y < z ? z : y));
        int64_t i = low, j = high;
        while (i <= j) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i <= j) {
                double swapped = v[i];
                v[i++] = v[j];
                v[j--] = swapped;
            }
        }
        if (rank <= j)
            high = j;
        else if (rank >= i)
            low = i;
        else
            return;
    }
}

/* Collect what lies in [low, high]; count what lies below. NaN does neither. */
static void collect_any(const double *v, int64_t n, double low, double high, double *out, int64_t *found,
                        int64_t *below)
{
    int64_t at = *found, less = *below;
    for (int64_t i = 0; i < n; i++) {
        double x = v[i];
        out[at] = x;
        at += (x >= low) & (x <= high);
        less += x < low;
    }
    *found = at;
    *below = less;
}

#ifdef HD_AVX512
/* Eight at a time; compilers do not make this of the loop above. */
__attribute__((target("avx512f,popcnt"))) static void collect_avx512(const double *v, int64_t n, double low,
                                                                     double high, double *out, int64_t *found,
                                                                     int64_t *below)
{
    int64_t at = *found, less = *below, i = 0;
    __m512d lows = _mm512_set1_pd(low), highs = _mm512_set1_pd(high);
    for (; i + 8 <= n; i += 8) {
        __m512d x = _mm512_loadu_pd(v + i);
        __mmask8 in = _mm512_cmp_pd_mask(x, lows, _CMP_GE_OQ) & _mm512_cmp_pd_mask(x, highs, _CMP_LE_OQ);
        less += __builtin_popcount(_mm512_cmp_pd_mask(x, lows, _CMP_LT_OQ));
        _mm512_storeu_pd(out + at, _mm512_maskz_compress_pd(in, x));
        at += __builtin_popcount(in);
    }
    *found = at;
    *below = less;
    collect_any(v + i, n - i, low, high, out, found, below);
}
#endif

static void collect(const double *v, int64_t n, double low, double high, double *out, int64_t *found, int64_t *below)
{
#ifdef HD_AVX512
    if (__builtin_cpu_supports("avx512f")) {
        collect_avx512(v, n, low, high, out, found, below);
        return;
    }
#endif
    collect_any(v, n, low, high, out, found, below);
}

/* Collect a window around `rank` of x without its NaN, together with y: `all` values. True if it holds both `rank` and
 * the rank before. A regular sample of `size` values, at most SAMPLE, gives the window, 3.5 standard deviations each
 * way. `out` may be x. */
static int collect_window(const double *x, int64_t n, const double *y, int64_t m, int64_t all, int64_t rank,
                          int64_t size, double *out, int64_t *found, int64_t *below)
{
    double sample[SAMPLE], low = -INFINITY, high = INFINITY;
    int64_t kept = 0;
    for (int64_t i = 0; i < size; i++) {
        int64_t from = i * (n + m) / size;
        sample[kept] = from < n ? x[from] : y[from - n];
        kept += sample[kept] == sample[kept];
    }
    int64_t centre = rank * kept / all, spread = (int64_t)(1.75 * sqrt((double)size));
    if (centre - spread > 0) {
        select_rank(sample, kept, centre - spread);
        low = sample[centre - spread];
    }
    if (centre + spread < kept) {
        select_rank(sample, kept, centre + spread);
        high = sample[centre + spread];
    }
    *found = *below = 0;
    collect(x, n, low, high, out, found, below);
    collect(y, m, low, high, out, found, below);
    return *below <= (rank > 0 ? rank - 1 : 0) && rank < *below + *found;
}

/* Values at `rank` and `rank - 1` (-inf for rank 0) of x without its NaN, together with y, in sorted order.
 *
 * `all` counts the values; `scratch` holds n + m + LANES. Two windows, one in the other, leave little to search;
 * where one of them misses, everything is. */
static void order_statistics(const double *x, int64_t n, const double *y, int64_t m, int64_t all, int64_t rank,
                             double *scratch, double *at, double *before)
{
    int64_t found = 0, below = 0, inner = 0;
    int hit = all > 4 * SAMPLE && collect_window(x, n, y, m, all, rank, SAMPLE, scratch, &found, &below);
    if (hit && found > SAMPLE) {
        int64_t outer = below;
        hit = collect_window(scratch, found, NULL, 0, found, rank - outer, SAMPLE / 8, scratch, &inner, &below);
        found = inner;
        below += outer;
    }
    if (!hit) {
        found = below = 0;
        collect(x, n, -INFINITY, INFINITY, scratch, &found, &below);
        collect(y, m, -INFINITY, INFINITY, scratch, &found, &below);
    }
    rank -= below;
    select_rank(scratch, found, rank);
    *at = scratch[rank];
    *before = -INFINITY;
    for (int64_t i = 0; i < rank; i++)
        if (scratch[i] > *before)
            *before = scratch[i];
}

/* The runs that have not ended, in order; arrays are padded to whole groups of LANES. */
typedef struct {
    int64_t m, gone; /* runs at the start of the block; of these, ended since */
    int64_t room;    /* padded length of the arrays below */
    int32_t *id;
    uint8_t *alive;
    double *best, *total, *finite;
    double *row_best, *row_key; /* BLOCK rows each; row_key is row_best but for the median */
    double *ended;              /* keys of runs that ended */
    int64_t n_ended;
    double ended_top;
    double *scratch;
    int32_t shortest; /* length of the shortest of the runs */
} living;

/* x[w][lane]: metric at interval k + w of the runs id[0 … lanes - 1]; NaN in the lanes beyond. */
HD_INLINE void load_tile(const hd_curves *c, const int32_t *id, int64_t lanes, int64_t k, int width,
                         double x[BLOCK][LANES])
{
    for (int64_t lane = 0; lane < lanes; lane++) {
        int64_t from = id[lane] * c->run_stride + k * c->interval_stride;
        if (c->single) {
            const float *row = (const float *)c->data + from;
            for (int w = 0; w < width; w++)
                x[w][lane] = (double)row[w * c->interval_stride];
        } else {
            const double *row = (const double *)c->data + from;
            for (int w = 0; w < width; w++)
                x[w][lane] = row[w * c->interval_stride];
        }
    }
    for (int64_t lane = lanes; lane < LANES; lane++)
        for (int w = 0; w < width; w++)
            x[w][lane] = NAN;
}

/* The same for whole groups of runs whose intervals are neighbours in memory, as nearly all are. */
HD_INLINE void load_whole_tile(const double *data, int64_t stride, const int32_t *id, double x[BLOCK][LANES])
{
    for (int lane = 0; lane < LANES; lane++) {
        const double *row = data + id[lane] * stride;
        for (int w = 0; w < BLOCK; w++)
            x[w][lane] = row[w];
    }
}

/* A few items of each curve are read, far apart: without a word ahead every run costs the latency of the memory. */
HD_INLINE void prefetch(const hd_curves *c, const int32_t *id, int64_t k, int width)
{
    size_t size = c->single ? sizeof(float) : sizeof(double);
    for (int lane = 0; lane < LANES; lane++) {
        const char *from = (const char *)c->data + (id[lane] * c->run_stride + k * c->interval_stride) * (int64_t)size;
        __builtin_prefetch(from);
        __builtin_prefetch(from + (width - 1) * c->interval_stride * (int64_t)size);
    }
}

/* LANES runs side by side, as the compiler's vectors: it makes one instruction of each line for every instruction set. */
typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(sizeof(double))));
typedef int64_t masks __attribute__((vector_size(LANES * sizeof(int64_t)), aligned(sizeof(int64_t))));
#define PICK(mask, yes, no) ((lanes)(((mask) & (masks)(yes)) | (~(mask) & (masks)(no))))

/* Take `width` reports of each run; write the rows of the intervals in `applied` (a bit each). */
HD_CLONES
static void fold(const hd_curves *c, const living *l, int64_t k, int width, unsigned applied, int median)
{
    double x[BLOCK][LANES];
    lanes none = (lanes){0} - INFINITY, one = (lanes){0} + 1.0;
    int whole = width == BLOCK && !c->single && c->interval_stride == 1;
    for (int64_t i = 0; i < l->m; i += LANES) {
        if (i + (AHEAD + 1) * LANES <= l->m)
            prefetch(c, l->id + i + AHEAD * LANES, k, width);
        if (whole && i + LANES <= l->m)
            load_whole_tile((const double *)c->data + k, c->run_stride, l->id + i, x);
        else
            load_tile(c, l->id + i, l->m - i < LANES ? l->m - i : LANES, k, width, x);
        lanes best = *(lanes *)(l->best + i), total = *(lanes *)(l->total + i), finite = *(lanes *)(l->finite + i);
        for (int w = 0; w < width; w++) {
            lanes metric = *(lanes *)x[w], score = c->sign * metric;
            masks counts = metric - metric == 0.0;
            lanes counted = PICK(counts, score, none);
            best = PICK(counted > best, counted, best);
            if (median) {
                total += (lanes)(counts & (masks)score);
                finite += (lanes)(counts & (masks)one);
            }
            if (!(applied >> w & 1))
                continue;
            *(lanes *)(l->row_best + w * l->room + i) = best;
            if (median) { /* as hd_mean */
                lanes mean = total / finite;
                *(lanes *)(l->row_key + w * l->room + i) = PICK(mean < best, mean, best);
            }
        }
        *(lanes *)(l->best + i) = best;
        *(lanes *)(l->total + i) = total;
        *(lanes *)(l->finite + i) = finite;
    }
}

HD_CLONES
static double greatest(const double *v, int64_t m, double top)
{
    double tops[LANES];
    for (int lane = 0; lane < LANES; lane++)
        tops[lane] = top;
    int64_t i = 0;
    for (; i + LANES <= m; i += LANES)
        for (int lane = 0; lane < LANES; lane++)
            tops[lane] = v[i + lane] > tops[lane] ? v[i + lane] : tops[lane];
    for (; i < m; i++)
        tops[0] = v[i] > tops[0] ? v[i] : tops[0];
    for (int lane = 1; lane < LANES; lane++)
        tops[0] = tops[lane] > tops[0] ? tops[lane] : tops[0];
    return tops[0];
}

/* First group of LANES from i on that has a value below the edge; m if there is none. */
HD_CLONES
static int64_t next_below(const double *v, int64_t i, int64_t m, double edge)
{
    for (; i + LANES <= m; i += LANES) {
        int any = 0;
        for (int lane = 0; lane < LANES; lane++)
            any |= v[i + lane] < edge;
        if (any)
            return i;
    }
    return i < m ? i : m;
}

/* Run i of the block ends at row w with this key. */
static void leave(living *l, int64_t i, int w, int width, double key)
{
    l->alive[i] = 0;
    l->gone++;
    l->ended[l->n_ended++] = key;
    l->ended_top = key > l->ended_top ? key : l->ended_top; /* for the bandit, whose key is b */
    for (int later = w + 1; later < width; later++)
        l->row_best[later * l->room + i] = l->row_key[later * l->room + i] = NAN;
}

/* Key of a run that ends by itself within the block: what follows its last report is NaN and moved nothing. */
static double final_key(const living *l, int64_t i, int median)
{
    return median ? hd_mean(l->total[i], l->finite[i], l->best[i]) : l->best[i];
}

/* Runs below this value are ended at this interval. */
static double edge_of(const hd_rule *rule, const living *l, int w)
{
    int present_only = rule->reached_only || rule->live_only;
    const double *key = l->row_key + w * l->room;
    int64_t ended = present_only ? 0 : l->n_ended, all = l->m - l->gone + ended;
    double at, before;
    if (rule->rule == HD_BANDIT)
        return hd_bandit_allowed(rule, greatest(key, l->m, present_only ? -INFINITY : l->ended_top));
    if (all == 0)
        return -INFINITY;
    if (rule->rule == HD_SPREAD) {
        double low, high, top = greatest(key, l->m, greatest(l->ended, ended, -INFINITY));
        order_statistics(key, l->m, l->ended, ended, all, all * HD_LOW_QUARTILE / 100, l->scratch, &low, &before);
        order_statistics(key, l->m, l->ended, ended, all, all * HD_HIGH_QUARTILE / 100, l->scratch, &high, &before);
        return hd_spread_allowed(rule, top, low, high);
    }
    order_statistics(key, l->m, l->ended, ended, all, all * rule->percentage / 100, l->scratch, &at, &before);
    return rule->rule == HD_MEDIAN && all % 2 == 0 ? hd_middle(before, at) : at;
}

/* Judge all at row w, which is interval k. */
static void judge_row(const hd_rule *rule, living *l, int w, int width, int64_t k, int64_t *stopped)
{
    const double *row = l->row_best + w * l->room, *key = l->row_key + w * l->room;
    double edge = edge_of(rule, l, w);
    for (int64_t i = next_below(row, 0, l->m, edge); i < l->m; i = next_below(row, i, l->m, edge)) {
        int64_t end = i + LANES < l->m ? i + LANES : l->m;
        for (; i < end; i++) {
            if (row[i] < edge) {
                stopped[l->id[i]] = k;
                leave(l, i, w, width, key[i]);
            }
        }
    }
}

/* The runs that ended in this block leave. */
static void compact(living *l, const int32_t *lengths)
{
    int64_t kept = 0;
    l->shortest = INT32_MAX;
    for (int64_t i = 0; i < l->m; i++) {
        l->id[kept] = l->id[i];
        l->best[kept] = l->best[i];
        l->total[kept] = l->total[i];
        l->finite[kept] = l->finite[i];
        if (l->alive[i] && lengths[l->id[i]] < l->shortest)
            l->shortest = lengths[l->id[i]];
        kept += l->alive[i];
    }
    memset(l->alive, 1, (size_t)l->m);
    l->m = kept;
    l->gone = 0;
}

static void run_lockstep(const hd_rule *rule, const hd_curves *curves, const int32_t *lengths, living *l,
                         int64_t *stopped)
{
    int64_t k = 0;
    int median = rule->rule == HD_MEDIAN;
    /* The first evaluations end the most runs: narrow blocks there waste little on them. */
    for (int wide = 1, width; k < curves->n_intervals && l->m > 0; k += width) {
        int64_t left = curves->n_intervals - k;
        if (k + 1 < rule->first) {
            left = rule->first - 1 - k < left ? rule->first - 1 - k : left;
            width = left < BLOCK ? (int)left : BLOCK;
        } else {
            width = left < wide ? (int)left : wide;
            wide = wide < BLOCK ? 2 * wide : BLOCK;
        }
        unsigned applied = 0;
        for (int w = 0; w < width; w++)
            if (k + w + 1 >= rule->first && (k + w + 1 - rule->first) % rule->every == 0)
                applied |= 1u << w;
        fold(curves, l, k, width, applied, median);
        int some_end = l->shortest <= k + width;
        for (int w = 0; w < width; w++) {
            if (applied >> w & 1)
                judge_row(rule, l, w, width, k + w + 1, stopped);
            if (some_end)
                for (int64_t i = 0; i < l->m; i++)
                    if (l->alive[i] && lengths[l->id[i]] == k + w + 1)
                        leave(l, i, w, width, final_key(l, i, median)); /* by itself */
        }
        if (l->gone)
            compact(l, lengths);
    }
}

int hd_lockstep(const hd_rule *rule, const hd_curves *curves, const int32_t *lengths, int64_t *stopped)
{
    int64_t n = curves->n_runs, room = (n + LANES - 1) / LANES * LANES;
    living l = {.room = room, .ended_top = -INFINITY, .shortest = INT32_MAX};
    double *memory = malloc(((size_t)room * (2 * BLOCK + 5) + LANES) * sizeof(double));
    l.id = malloc((size_t)room * sizeof(int32_t));
    l.alive = malloc((size_t)room);
    int done = HD_NO_MEMORY;
    if (!memory || !l.id || !l.alive)
        goto out;
    l.best = memory;
    l.total = l.best + room;
    l.finite = l.total + room;
    l.ended = l.finite + room;
    l.row_best = l.ended + room;
    l.row_key = rule->rule == HD_MEDIAN ? l.row_best + BLOCK * room : l.row_best;
    l.scratch = memory + (2 * BLOCK + 4) * room; /* LANES to spare: `collect` writes before it counts */
    for (int64_t r = 0; r < n; r++) {
        stopped[r] = 0;
        if (lengths[r] == 0) /* never reported: no part of any population */
            continue;
        l.id[l.m++] = (int32_t)r;
        l.shortest = lengths[r] < l.shortest ? lengths[r] : l.shortest;
    }
    for (int64_t i = 0; i < room; i++) {
        l.best[i] = -INFINITY;
        l.total[i] = l.finite[i] = 0.0;
        l.alive[i] = 1;
    }
    if (rule->rule != HD_NONE)
        run_lockstep(rule, curves, lengths, &l, stopped);
    done = HD_OK;
out:
    free(memory);
    free(l.id);
    free(l.alive);
    return done;
}

void hd_curve_lengths(const hd_curves *c, int32_t *lengths)
{
    for (int64_t r = 0; r < c->n_runs; r++) {
        int64_t k = c->n_intervals;
        while (k > 0 && isnan(hd_score(c, r, k - 1)))
            k--;
        lengths[r] = (int32_t)k;
    }
}
