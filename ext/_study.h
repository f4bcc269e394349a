/* Replaying one record under many settings: what every setting looks up is ranked once.
 *
 * Symbols as in _policies.h. A row is a run of the record; a place is its position in the order of starting, which also
 * settles equal times. The item of (row, k) stands at row * n_intervals + k - 1.
 */
#ifndef HDCORE_STUDY_H
#define HDCORE_STUDY_H

#include "_policies.h"

/* What is looked up of (row, k), all keys of the record being ranked, so that no two have the same rank. */
typedef struct {
    int32_t rank;
    int32_t above; /* how many keys are at most b of (row, k): b < the key of rank p exactly where p >= above */
    int32_t place; /* of the rank among those of interval k */
    int32_t unused; /* four of them fill a cache line */
} hd_item;

typedef struct {
    const hd_item *items;
    const int32_t *column; /* of interval k from column_start[k - 1] to column_start[k]: its ranks in order */
    const int64_t *column_start;
    const int32_t *count_of; /* of rank p: the interval it belongs to */
    const double *value;     /* of rank p: the key */
    int64_t size;
} hd_ranking;

typedef struct {
    int64_t n_runs, n_intervals;
    const int32_t *lengths;
    const double *best; /* b */
    hd_ranking means, bests;
} hd_study;

/* When reports come. Either runs take turns in `workers` slots, started in `order`: interval k then comes at start +
 * k * durations[row], or at start + elapsed of (row, k), or, with neither, durations are equal and time counts in
 * intervals. Or all events are given in their order: `event_row` and `event_interval`, 0 for the end of the run; a run
 * that is stopped where it was stopped in fact (`cut`) goes on to its recorded end, with what it reported till then;
 * a cut below 0: wherever it is stopped. */
typedef struct {
    const int32_t *order;
    int64_t workers;
    const double *durations, *elapsed;
    const int32_t *event_row, *event_interval;
    int64_t n_events;
    const int32_t *cut;
} hd_schedule;

/* Fill b and a of each (row, k) up to the row's length, -inf behind it. */
void hd_study_fold(const hd_curves *curves, const int32_t *lengths, double *best, double *mean);
/* Replay under each of `n_rules` rules, none of them over live runs only: stopped (n_rules, n_runs), makespan (n_rules,), the latter 0 for events. */
int hd_study_replay(const hd_study *study, const hd_rule *rules, int64_t n_rules, const hd_schedule *schedule,
                    int64_t *stopped, double *makespan);

#endif
