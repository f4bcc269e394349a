/* Asynchronous replay: runs start in order as slots get free; reports are handled in order of (time, run). */
#include "_policies.h"

#include <math.h>
#include <stdlib.h>

/* One report of a run; True if the run ends with it. The judge hears of the end at once: at that very moment the run
 * stops being live for all who report later. */
static int handle(hd_judge *judge, const hd_curves *curves, const int32_t *lengths, int64_t run, int64_t *stopped)
{
    int32_t k = judge->runs[run].count + 1;
    int verdict = hd_judge_report(judge, run, hd_score(curves, run, k - 1));
    if (verdict == HD_NO_MEMORY)
        return HD_NO_MEMORY;
    if (verdict == HD_STOP)
        stopped[run] = k;
    if (verdict == HD_STOP || k == lengths[run])
        return hd_judge_end(judge, run) ? HD_NO_MEMORY : HD_STOP;
    return HD_OK;
}

/* Next run that has anything to report, or n; one without reports ends when it starts. */
static int64_t next_run(const int32_t *lengths, int64_t n, int64_t from)
{
    while (from < n && lengths[from] == 0)
        from++;
    return from;
}

/* Equal durations: all events fall on whole multiples of them, so the live runs take turns, in order. No queue. */
static int replay_rounds(hd_judge *judge, const hd_curves *curves, const int32_t *lengths, int64_t workers,
                         int64_t *stopped, double *makespan)
{
    int64_t n = curves->n_runs, live = 0, rounds = 0, next = next_run(lengths, n, 0);
    int64_t *active = malloc((size_t)workers * sizeof *active);
    if (!active)
        return HD_NO_MEMORY;
    for (;;) {
        for (; live < workers && next < n; next = next_run(lengths, n, next + 1))
            active[live++] = next;
        if (live == 0)
            break;
        rounds++;
        int64_t kept = 0;
        for (int64_t i = 0; i < live; i++) {
            int end = handle(judge, curves, lengths, active[i], stopped);
            if (end == HD_NO_MEMORY) {
                free(active);
                return HD_NO_MEMORY;
            }
            if (end == HD_OK)
                active[kept++] = active[i];
        }
        live = kept;
    }
    free(active);
    *makespan = (double)rounds;
    return HD_OK;
}

typedef struct {
    double time, start;
    int64_t run;
} event;

static inline int earlier(event x, event y)
{
    return x.time < y.time || (x.time == y.time && x.run < y.run);
}

static void sink(event *heap, int64_t n, event item)
{
    int64_t at = 0;
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && earlier(heap[child + 1], heap[child]))
            child++;
        if (!earlier(heap[child], item))
            break;
        heap[at] = heap[child];
    }
    heap[at] = item;
}

static void push(event *heap, int64_t n, event item)
{
    int64_t at = n;
    while (at > 0 && earlier(item, heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = item;
}

/* Unequal durations: a heap with the next report of every live run. */
static int replay_events(hd_judge *judge, const hd_curves *curves, const int32_t *lengths, int64_t workers,
                         const double *durations, int64_t *stopped, double *makespan)
{
    int64_t n = curves->n_runs, live = 0, next = next_run(lengths, n, 0);
    event *heap = malloc((size_t)workers * sizeof *heap);
    if (!heap)
        return HD_NO_MEMORY;
    for (; live < workers && next < n; next = next_run(lengths, n, next + 1), live++)
        push(heap, live, (event){durations[next], 0.0, next});
    while (live > 0) {
        event now = heap[0];
        int end = handle(judge, curves, lengths, now.run, stopped);
        if (end == HD_NO_MEMORY) {
            free(heap);
            return HD_NO_MEMORY;
        }
        if (end == HD_OK) {
            double k = (double)judge->runs[now.run].count + 1.0;
            sink(heap, live, (event){now.start + k * durations[now.run], now.start, now.run});
            continue;
        }
        *makespan = now.time; /* events come in order of time, so the last one stands */
        if (next < n) {
            sink(heap, live, (event){now.time + durations[next], now.time, next});
            next = next_run(lengths, n, next + 1);
        } else if (--live > 0) {
            sink(heap, live, heap[live]);
        }
    }
    free(heap);
    return HD_OK;
}

int hd_follow(const hd_rule *rule, const hd_curves *curves, const hd_events *events, int64_t *stopped)
{
    hd_judge *judge = hd_judge_new(rule);
    int done = !judge || hd_judge_reserve(judge, curves->n_runs) ? HD_NO_MEMORY : HD_OK;
    for (int64_t r = 0; r < curves->n_runs; r++)
        stopped[r] = 0;
    for (int64_t i = 0; i < events->n_events && done == HD_OK; i++) {
        int32_t row = events->event_row[i], k = events->event_interval[i];
        if (judge->runs[row].ended)
            continue;
        if (k > 0) {
            int verdict = hd_judge_report(judge, row, hd_score(curves, row, k - 1));
            if (verdict == HD_NO_MEMORY)
                done = HD_NO_MEMORY;
            if (verdict != HD_STOP || stopped[row])
                continue;
            stopped[row] = k;
            if (events->cut[row] == k || events->cut[row] < 0)
                continue; /* it was stopped here in fact, and reported until it was gone */
        }
        if (hd_judge_end(judge, row))
            done = HD_NO_MEMORY;
    }
    hd_judge_free(judge);
    return done;
}

int hd_replay(const hd_rule *rule, const hd_curves *curves, const int32_t *lengths, int64_t workers,
              const double *durations, int64_t *stopped, double *makespan, double *best)
{
    int64_t n = curves->n_runs;
    *makespan = 0.0;
    *best = -INFINITY;
    for (int64_t r = 0; r < n; r++)
        stopped[r] = 0;
    hd_judge *judge = hd_judge_new(rule);
    int done = !judge || hd_judge_reserve(judge, n) ? HD_NO_MEMORY : HD_OK;
    if (done == HD_OK && n > 0)
        done = durations ? replay_events(judge, curves, lengths, workers, durations, stopped, makespan)
                         : replay_rounds(judge, curves, lengths, workers, stopped, makespan);
    if (done == HD_OK)
        for (int64_t r = 0; r < n; r++)
            if (judge->runs[r].best > *best)
                *best = judge->runs[r].best;
    hd_judge_free(judge);
    return done;
}
