/* Lockstep evaluation: at interval k every living run reports, then all are judged on that one snapshot.
 *
 * Rows of the living are gathered a block of intervals at a time, transposed, so that each interval is one contiguous
 * row. A run that is ended inside a block gets NaN for the rest of it: a report that is not finite moves neither b nor
 * a, so the run stands with all it reported, as the population asks. At the end of a block the ended leave. */
#include "_policies.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "_dispatch.h"

enum { BLOCK = 16, SAMPLE = 512 };

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

/* Collect what lies in [low, high]; count what lies below. */
HD_CLONES
static void collect(const double *v, int64_t n, double low, double high, double *out, int64_t *found, int64_t *below)
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

/* Values at `rank` and `rank - 1` (-inf for rank 0) of the union of x and y in sorted order.
 *
 * A regular sample gives a window that holds both ranks nearly always (3.5 standard deviations each way); one pass
 * collects it. Where it does not, everything is searched. `scratch` holds n + m + 1 values. */
static void order_statistics(const double *x, int64_t n, const double *y, int64_t m, int64_t rank, double *scratch,
                             double *at, double *before)
{
    int64_t all = n + m, found = 0, below = 0;
    if (all > 8 * SAMPLE) {
        double sample[SAMPLE];
        for (int64_t i = 0; i < SAMPLE; i++) {
            int64_t from = i * all / SAMPLE;
            sample[i] = from < n ? x[from] : y[from - n];
        }
        int64_t centre = rank * SAMPLE / all, spread = 40;
        double low = -INFINITY, high = INFINITY;
        if (centre - spread > 0) {
            select_rank(sample, SAMPLE, centre - spread);
            low = sample[centre - spread];
        }
        if (centre + spread < SAMPLE - 1) {
            select_rank(sample, SAMPLE, centre + spread);
            high = sample[centre + spread];
        }
        collect(x, n, low, high, scratch, &found, &below);
        collect(y, m, low, high, scratch, &found, &below);
    }
    if (found == 0 || below > (rank > 0 ? rank - 1 : 0) || rank >= below + found) {
        memcpy(scratch, x, (size_t)n * sizeof(double));
        memcpy(scratch + n, y, (size_t)m * sizeof(double));
        found = all;
        below = 0;
    }
    rank -= below;
    select_rank(scratch, found, rank);
    *at = scratch[rank];
    *before = -INFINITY;
    for (int64_t i = 0; i < rank; i++)
        if (scratch[i] > *before)
            *before = scratch[i];
}

/* State of the living, one array a quantity; `m` runs, in order. */
typedef struct {
    int64_t m;
    int32_t *id;
    uint8_t *alive; /* not yet ended within the present block */
    double *best, *total, *finite;
    double *key;       /* what the population is ordered by at this interval */
    double *block[BLOCK];
    double *ended;     /* keys of runs that left */
    int64_t n_ended;
    double ended_top;
    double *scratch;
} living;

HD_CLONES
static void take_reports(const double *x, int64_t m, double *best)
{
    for (int64_t i = 0; i < m; i++) {
        double score = x[i] - x[i] == 0.0 ? x[i] : -INFINITY;
        best[i] = score > best[i] ? score : best[i];
    }
}

HD_CLONES
static void take_reports_mean(const double *x, int64_t m, double *best, double *total, double *finite)
{
    for (int64_t i = 0; i < m; i++) {
        int counts = x[i] - x[i] == 0.0;
        double score = counts ? x[i] : -INFINITY;
        best[i] = score > best[i] ? score : best[i];
        total[i] += counts ? x[i] : 0.0;
        finite[i] += counts ? 1.0 : 0.0;
    }
}

HD_CLONES
static void means(int64_t m, const double *best, const double *total, const double *finite, double *key)
{
    for (int64_t i = 0; i < m; i++)
        key[i] = hd_mean(total[i], finite[i], best[i]);
}

HD_CLONES
static double greatest(const double *v, int64_t m, double top)
{
    double tops[8] = {top, top, top, top, top, top, top, top};
    int64_t i = 0;
    for (; i + 8 <= m; i += 8)
        for (int lane = 0; lane < 8; lane++)
            tops[lane] = v[i + lane] > tops[lane] ? v[i + lane] : tops[lane];
    for (; i < m; i++)
        tops[0] = v[i] > tops[0] ? v[i] : tops[0];
    for (int lane = 1; lane < 8; lane++)
        tops[0] = tops[lane] > tops[0] ? tops[lane] : tops[0];
    return tops[0];
}

/* Only those of `v` that are alive. */
static int64_t pick_alive(const double *v, const uint8_t *alive, int64_t m, double *out)
{
    int64_t at = 0;
    for (int64_t i = 0; i < m; i++) {
        out[at] = v[i];
        at += alive[i];
    }
    return at;
}

/* Transpose `width` intervals from k of the living into rows. */
static void gather(const hd_curves *c, living *l, int64_t k, int width)
{
    if (!c->single && c->interval_stride == 1) {
        const double *data = c->data;
        double sign = c->sign;
        for (int64_t i = 0; i < l->m; i++) {
            const double *row = data + l->id[i] * c->run_stride + k;
            for (int w = 0; w < width; w++)
                l->block[w][i] = sign * row[w];
        }
        return;
    }
    for (int w = 0; w < width; w++)
        for (int64_t i = 0; i < l->m; i++)
            l->block[w][i] = hd_score(c, l->id[i], k + w);
}

/* The runs that ended in this block leave; `intervals` is the number of intervals done. */
static void compact(living *l, const int32_t *lengths, int64_t intervals, int rule)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < l->m; i++) {
        if (l->alive[i] && lengths[l->id[i]] > intervals) {
            l->id[kept] = l->id[i];
            l->best[kept] = l->best[i];
            if (rule == HD_MEDIAN) {
                l->total[kept] = l->total[i];
                l->finite[kept] = l->finite[i];
            }
            kept++;
        } else if (rule == HD_BANDIT) {
            l->ended_top = l->best[i] > l->ended_top ? l->best[i] : l->ended_top;
        } else {
            l->ended[l->n_ended++] =
                rule == HD_MEDIAN ? hd_mean(l->total[i], l->finite[i], l->best[i]) : l->best[i];
        }
    }
    l->m = kept;
    memset(l->alive, 1, (size_t)kept);
}

/* Runs below this value are ended at this interval. */
static double edge_of(const hd_rule *rule, living *l)
{
    int present_only = rule->reached_only || rule->live_only;
    const double *key = l->best;
    int64_t n = l->m, ended = present_only ? 0 : l->n_ended;
    double at, before;
    if (rule->rule == HD_MEDIAN) {
        means(l->m, l->best, l->total, l->finite, l->key);
        key = l->key;
    }
    if (present_only) {
        n = pick_alive(key, l->alive, l->m, l->scratch);
        memcpy(l->key, l->scratch, (size_t)n * sizeof(double));
        key = l->key;
    }
    if (rule->rule == HD_BANDIT)
        return hd_bandit_allowed(rule, greatest(key, n, present_only ? -INFINITY : l->ended_top));
    if (n + ended == 0)
        return -INFINITY;
    int64_t rank = (n + ended) * rule->percentage / 100;
    order_statistics(key, n, l->ended, ended, rank, l->scratch, &at, &before);
    return rule->rule == HD_MEDIAN && (n + ended) % 2 == 0 ? hd_middle(before, at) : at;
}

/* One interval: `row` of the block at interval k (1, 2, …). */
static void step(const hd_rule *rule, living *l, int row, int width, int64_t k, const int32_t *lengths,
                 int64_t *stopped)
{
    if (rule->rule == HD_MEDIAN)
        take_reports_mean(l->block[row], l->m, l->best, l->total, l->finite);
    else
        take_reports(l->block[row], l->m, l->best);
    for (int64_t i = 0; i < l->m; i++) /* ended by itself at k - 1: it stands as it is and is judged no more */
        l->alive[i] &= lengths[l->id[i]] >= k;
    if (k < rule->first || (k - rule->first) % rule->every)
        return;
    double edge = edge_of(rule, l);
    for (int64_t i = 0; i < l->m; i++) {
        if (l->best[i] < edge && l->alive[i]) {
            l->alive[i] = 0;
            stopped[l->id[i]] = k;
            for (int later = row + 1; later < width; later++)
                l->block[later][i] = NAN;
        }
    }
}

int hd_lockstep(const hd_rule *rule, const hd_curves *curves, const int32_t *lengths, int64_t *stopped)
{
    int64_t n = curves->n_runs;
    living l = {.ended_top = -INFINITY};
    size_t doubles = (size_t)n * (BLOCK + 6) + 1;
    double *memory = malloc(doubles * sizeof(double));
    l.id = malloc((size_t)n * sizeof(int32_t) + 1);
    l.alive = malloc((size_t)n + 1);
    int done = HD_NO_MEMORY;
    if (!memory || !l.id || !l.alive)
        goto out;
    for (int w = 0; w < BLOCK; w++)
        l.block[w] = memory + (size_t)n * (size_t)w;
    double *rest = memory + (size_t)n * BLOCK;
    l.best = rest;
    l.total = rest + n;
    l.finite = rest + 2 * n;
    l.key = rest + 3 * n;
    l.ended = rest + 4 * n;
    l.scratch = rest + 5 * n; /* n + 1 */
    for (int64_t r = 0; r < n; r++) {
        stopped[r] = 0;
        if (lengths[r] == 0) /* never reported: no part of any population */
            continue;
        l.id[l.m] = (int32_t)r;
        l.best[l.m] = -INFINITY;
        l.total[l.m] = l.finite[l.m] = 0.0;
        l.alive[l.m] = 1;
        l.m++;
    }
    if (rule->rule != HD_NONE) {
        for (int64_t k = 0; k < curves->n_intervals && l.m > 0; k += BLOCK) {
            int width = curves->n_intervals - k < BLOCK ? (int)(curves->n_intervals - k) : BLOCK;
            gather(curves, &l, k, width);
            for (int w = 0; w < width; w++)
                step(rule, &l, w, width, k + w + 1, lengths, stopped);
            compact(&l, lengths, k + width, rule->rule);
        }
    }
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
