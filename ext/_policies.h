/* Judges of early-termination policies, lockstep evaluation and replay. Larger scores are better throughout.
 *
 * Symbols: interval k = 1, 2, …; b = best score of a run so far; a = mean of its finite scores so far, never above b.
 * Both are -inf before the first finite score. A slot is an interval at which the policy is applied, counted from 0.
 *
 * No function here touches Python; those that can fail return HD_NO_MEMORY.
 */
#ifndef HDCORE_POLICIES_H
#define HDCORE_POLICIES_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* HD_SPREAD: a bandit whose slack counts in interquartile ranges of the population. */
enum { HD_NONE = 0, HD_BANDIT = 1, HD_MEDIAN = 2, HD_TRUNCATION = 3, HD_SPREAD = 4 };
enum { HD_LOW_QUARTILE = 25, HD_HIGH_QUARTILE = 75 };
enum { HD_OK = 0, HD_STOP = 1, HD_NO_MEMORY = -1 };

typedef struct {
    int rule;
    int64_t every;    /* evaluation interval, >= 1 */
    int64_t first;    /* first interval at which the policy is applied: a multiple of `every`, >= 1 */
    double slack;     /* bandit, spread */
    int relative;     /* bandit: the slack is a factor, not an amount */
    int percentage;   /* truncation: 1 … 99; median: 50, since the low half of n values holds n * 50 // 100 */
    int reached_only; /* runs that ended before k are no part of the population at k */
    int live_only;    /* truncation: runs that ended are no part of any population */
} hd_rule;

typedef struct {
    double best, total;
    int32_t finite, count; /* finite reports; all reports */
    uint8_t ended;
} hd_run; /* 32 bytes: a report touches one cache line of these */

/* What an ended run stands with in the population of later intervals. */
typedef struct {
    double key; /* b, or a for the median */
    int64_t count;
} hd_ended;

/* The keys of one slot: a heap of small ones with the largest on top, some in sorted order around the rank that the
 * rule asks for, and a heap of large ones with the smallest on top. Insert only. The rank drifts slowly among the keys
 * (n * percentage // 100 of n), so nearly every key is put at the end of a heap and stays there. */
typedef struct {
    double *low, *middle, *high;
    int64_t n_low, n_high, room_low, room_high, room_middle;
    int64_t n_middle;
    int64_t seen; /* ended runs looked at so far */
    double top;   /* largest key; spread only */
} hd_split;

typedef struct {
    double key;
    int32_t run;
} __attribute__((packed)) hd_owned; /* 12 bytes instead of 16: these are most of the memory of a live-only judge */

/* The same with owners, for populations that also shrink. Entries of ended runs stay in the heaps until they reach
 * the top or are half of all. */
typedef struct {
    hd_owned *low, *high;
    uint8_t *side; /* of each run: 0 not here, 1 low, 2 high */
    int64_t n_low, n_high, room_low, room_high, room_side;
    int64_t live_low, live_high;
    int64_t seen;
} hd_live;

typedef struct {
    hd_rule rule;
    hd_run *runs;
    int64_t n_runs, room_runs;
    hd_ended *ended; /* median, truncation: in order of ending */
    int32_t *ended_run; /* truncation, live only */
    int64_t n_ended, room_ended;
    int64_t n_slots, room_slots; /* of the one array below that the rule uses */
    hd_split *splits; /* spread: two a slot, around the low and the high quartile; the first one has `seen` and `top` */
    hd_live *lives;
    double *tops;       /* bandit: best b of the runs that reported the interval */
    double *ended_tops; /* bandit: best b of the runs that ended before the interval; grows with the slot */
    double ended_top;   /* bandit: best b of all ended runs */
    double bar;         /* what the last run that was stopped had missed */
} hd_judge;

hd_judge *hd_judge_new(const hd_rule *rule);
void hd_judge_free(hd_judge *judge);
int hd_judge_reserve(hd_judge *judge, int64_t runs);
/* `run` has been reserved and has not ended. HD_STOP: the policy ends it now. */
int hd_judge_report(hd_judge *judge, int64_t run, double score);
/* `run` may be unknown (no report yet) or ended before: then nothing changes. */
int hd_judge_end(hd_judge *judge, int64_t run);
size_t hd_judge_bytes(const hd_judge *judge);

/* Events in their order, as in _study.h; the end of a run is interval 0. `rule` may be any. */
typedef struct {
    const int32_t *event_row, *event_interval;
    int64_t n_events;
    const int32_t *cut;
} hd_events;

/* Curves of finished runs, as they lie in memory; strides in items. NaN after a run's end. */
typedef struct {
    const void *data;
    int single; /* float32 instead of float64 */
    int64_t n_runs, n_intervals;
    int64_t run_stride, interval_stride;
    double sign; /* score = sign * metric */
} hd_curves;

void hd_curve_lengths(const hd_curves *curves, int32_t *lengths);
/* stopped[r]: interval at which run r is ended when all living runs report interval by interval; 0 for never. */
int hd_lockstep(const hd_rule *rule, const hd_curves *curves, const int32_t *lengths, int64_t *stopped);
/* The same when runs take turns in `workers` slots. Equal durations: `durations` is NULL and time counts in
 * intervals. *makespan: when the last run ends; *best: best score of all that was run. */
int hd_replay(const hd_rule *rule, const hd_curves *curves, const int32_t *lengths, int64_t workers,
              const double *durations, int64_t *stopped, double *makespan, double *best);

int hd_follow(const hd_rule *rule, const hd_curves *curves, const hd_events *events, int64_t *stopped);

static inline double hd_score(const hd_curves *c, int64_t run, int64_t interval)
{
    int64_t at = run * c->run_stride + interval * c->interval_stride;
    return c->sign * (c->single ? (double)((const float *)c->data)[at] : ((const double *)c->data)[at]);
}

/* Below this a run is ended by the bandit: never above `top` itself, so the best run stays. */
static inline double hd_bandit_allowed(const hd_rule *rule, double top)
{
    if (!rule->relative)
        return top - rule->slack;
    return top >= 0 ? top / (1.0 + rule->slack) : top * (1.0 + rule->slack);
}

/* The same for a slack in interquartile ranges; a population without spread has no scale, so nobody is ended. */
static inline double hd_spread_allowed(const hd_rule *rule, double top, double low, double high)
{
    return high > low ? top - rule->slack * (high - low) : -INFINITY;
}

/* Mean of the two middle values; halves first where their sum leaves the range of a double. */
static inline double hd_middle(double x, double y)
{
    double middle = (x + y) / 2.0;
    if (middle - middle != 0.0 && x - x == 0.0 && y - y == 0.0)
        return x / 2.0 + y / 2.0;
    return middle;
}

/* The mean of equal numbers may round to just above them; no run is to be below its own average. */
static inline double hd_mean(double total, double finite, double best)
{
    double mean = total / finite;
    return mean < best ? mean : best; /* also where nothing is finite: 0 / 0 gives best = -inf */
}

#endif
