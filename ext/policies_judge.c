/* Streaming judges: one report in, one decision out. Reports never change, so every structure is insert-only, but for
 * truncation over live runs. */
#include "_policies.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "_dispatch.h"

/* Room for one more item; grows by half, which keeps three matrices' worth of memory out of reach. */
static int make_room(void **items, int64_t *room, int64_t needed, size_t size)
{
    if (needed <= *room)
        return HD_OK;
    int64_t wanted = *room + *room / 2;
    if (wanted < needed)
        wanted = needed;
    if (wanted < 4)
        wanted = 4;
    void *grown = realloc(*items, (size_t)wanted * size);
    if (!grown)
        return HD_NO_MEMORY;
    *items = grown;
    *room = wanted;
    return HD_OK;
}

/* ---- heaps with four children a node: half the levels, and the children share a cache line ---- */

/* `sign` 1: smallest on top; -1: largest on top. It is a constant at every call, so it costs nothing. */
HD_INLINE void sift_up(double *heap, int64_t at, double key, const double sign)
{
    while (at > 0) {
        int64_t parent = (at - 1) >> 2;
        if (sign * heap[parent] <= sign * key)
            break;
        heap[at] = heap[parent];
        at = parent;
    }
    heap[at] = key;
}

/* Put `key` in the place of the top. */
HD_INLINE void replace_top(double *heap, int64_t n, double key, const double sign)
{
    int64_t at = 0;
    for (;;) {
        int64_t child = 4 * at + 1, best = child;
        if (child >= n)
            break;
        if (child + 3 < n) {
            int64_t left = child + (sign * heap[child + 1] < sign * heap[child]);
            int64_t right = child + 2 + (sign * heap[child + 3] < sign * heap[child + 2]);
            best = sign * heap[right] < sign * heap[left] ? right : left;
        } else {
            for (int64_t other = child + 1; other < n; other++)
                if (sign * heap[other] < sign * heap[best])
                    best = other;
        }
        if (sign * key <= sign * heap[best])
            break;
        heap[at] = heap[best];
        at = best;
    }
    heap[at] = key;
}

HD_INLINE double pop_top(double *heap, int64_t *n, const double sign)
{
    double top = heap[0];
    int64_t left = --*n;
    if (left > 0)
        replace_top(heap, left, heap[left], sign);
    return top;
}

enum { MIDDLE = 16, KEEP = 8, BATCH = 4 }; /* two cache lines: more costs shifting at small sizes, fewer costs heap work at large */

static int push_low(hd_split *s, double key)
{
    if (make_room((void **)&s->low, &s->room_low, s->n_low + 1, sizeof(double)))
        return HD_NO_MEMORY;
    sift_up(s->low, s->n_low++, key, -1.0);
    return HD_OK;
}

static int push_high(hd_split *s, double key)
{
    if (make_room((void **)&s->high, &s->room_high, s->n_high + 1, sizeof(double)))
        return HD_NO_MEMORY;
    sift_up(s->high, s->n_high++, key, 1.0);
    return HD_OK;
}

static inline int64_t split_size(const hd_split *s)
{
    return s->n_low + s->n_middle + s->n_high;
}

/* Keep `count` of the middle from `start` on; the rest goes to the heaps. */
static int spill(hd_split *s, int64_t start, int64_t count)
{
    for (int64_t i = 0; i < start; i++)
        if (push_low(s, s->middle[i]))
            return HD_NO_MEMORY;
    for (int64_t i = start + count; i < s->n_middle; i++)
        if (push_high(s, s->middle[i]))
            return HD_NO_MEMORY;
    memmove(s->middle, s->middle + start, (size_t)count * sizeof(double));
    s->n_middle = count;
    return HD_OK;
}

static int split_insert(hd_split *s, double key, int percentage)
{
    if (s->n_middle > 0 && key < s->middle[0])
        return push_low(s, key);
    if (s->n_middle > 0 && key > s->middle[s->n_middle - 1])
        return push_high(s, key);
    if (s->n_middle == MIDDLE) {
        int64_t start = split_size(s) * percentage / 100 - s->n_low - KEEP / 2;
        start = start < 0 ? 0 : start > MIDDLE - KEEP ? MIDDLE - KEEP : start;
        if (spill(s, start, KEEP))
            return HD_NO_MEMORY;
        return split_insert(s, key, percentage);
    }
    if (make_room((void **)&s->middle, &s->room_middle, s->n_middle + 1, sizeof(double)))
        return HD_NO_MEMORY;
    int64_t at = s->n_middle++;
    for (; at > 0 && s->middle[at - 1] > key; at--)
        s->middle[at] = s->middle[at - 1];
    s->middle[at] = key;
    return HD_OK;
}

/* Have `rank`, and the rank before it, in the middle. There is a key of that rank. */
static int split_reach(hd_split *s, int64_t rank)
{
    while (s->n_low > 0 && rank - 1 < s->n_low) {
        int64_t batch = s->n_low < BATCH ? s->n_low : BATCH;
        if (s->n_middle + batch > MIDDLE && spill(s, 0, KEEP))
            return HD_NO_MEMORY;
        if (make_room((void **)&s->middle, &s->room_middle, s->n_middle + batch, sizeof(double)))
            return HD_NO_MEMORY;
        memmove(s->middle + batch, s->middle, (size_t)s->n_middle * sizeof(double));
        s->n_middle += batch;
        while (batch > 0)
            s->middle[--batch] = pop_top(s->low, &s->n_low, -1.0);
    }
    while (rank >= s->n_low + s->n_middle) {
        int64_t batch = s->n_high < BATCH ? s->n_high : BATCH;
        if (s->n_middle + batch > MIDDLE && spill(s, s->n_middle - KEEP, KEEP))
            return HD_NO_MEMORY;
        if (make_room((void **)&s->middle, &s->room_middle, s->n_middle + batch, sizeof(double)))
            return HD_NO_MEMORY;
        while (batch-- > 0)
            s->middle[s->n_middle++] = pop_top(s->high, &s->n_high, 1.0);
    }
    return HD_OK;
}

/* ---- the same with owners and lazy deletion; entries are ordered by (key, run), so none are equal ---- */

HD_INLINE int owned_less(hd_owned x, hd_owned y)
{
    return x.key < y.key || (x.key == y.key && x.run < y.run);
}

HD_INLINE int owned_above(hd_owned x, hd_owned y, int high)
{
    return high ? owned_less(x, y) : owned_less(y, x);
}

static void owned_push(hd_owned *heap, int64_t *n, hd_owned item, int high)
{
    int64_t at = (*n)++;
    while (at > 0 && owned_above(item, heap[(at - 1) >> 2], high)) {
        heap[at] = heap[(at - 1) >> 2];
        at = (at - 1) >> 2;
    }
    heap[at] = item;
}

static void owned_sink(hd_owned *heap, int64_t n, int64_t at, hd_owned item, int high)
{
    for (int64_t child; (child = 4 * at + 1) < n;) {
        int64_t best = child;
        for (int64_t other = child + 1; other < child + 4 && other < n; other++)
            if (owned_above(heap[other], heap[best], high))
                best = other;
        if (!owned_above(heap[best], item, high))
            break;
        heap[at] = heap[best];
        at = best;
    }
    heap[at] = item;
}

static hd_owned owned_pop(hd_owned *heap, int64_t *n, int high)
{
    hd_owned top = heap[0];
    int64_t left = --*n;
    if (left > 0)
        owned_sink(heap, left, 0, heap[left], high);
    return top;
}

static void owned_compact(hd_owned *heap, int64_t *n, const hd_run *runs, int high)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < *n; i++)
        if (!runs[heap[i].run].ended)
            heap[kept++] = heap[i];
    *n = kept;
    for (int64_t at = (kept - 2) / 4; at >= 0 && kept > 1; at--)
        owned_sink(heap, kept, at, heap[at], high);
}

/* Drop entries of ended runs from the tops; afterwards a top is live or the heap is empty. */
static void live_prune(hd_live *s, const hd_run *runs)
{
    while (s->n_low > 0 && runs[s->low[0].run].ended)
        owned_pop(s->low, &s->n_low, 0);
    while (s->n_high > 0 && runs[s->high[0].run].ended)
        owned_pop(s->high, &s->n_high, 1);
}

static int live_to_high(hd_live *s)
{
    if (make_room((void **)&s->high, &s->room_high, s->n_high + 1, sizeof(hd_owned)))
        return HD_NO_MEMORY;
    hd_owned moved = owned_pop(s->low, &s->n_low, 0);
    owned_push(s->high, &s->n_high, moved, 1);
    s->side[moved.run] = 2;
    s->live_low--;
    s->live_high++;
    return HD_OK;
}

static int live_to_low(hd_live *s)
{
    if (make_room((void **)&s->low, &s->room_low, s->n_low + 1, sizeof(hd_owned)))
        return HD_NO_MEMORY;
    hd_owned moved = owned_pop(s->high, &s->n_high, 1);
    owned_push(s->low, &s->n_low, moved, 0);
    s->side[moved.run] = 1;
    s->live_high--;
    s->live_low++;
    return HD_OK;
}

/* Take the ended runs out, put `run` in, restore the split; *edge is the value at rank c. */
static int live_insert(hd_live *s, const hd_judge *j, int64_t run, double key, double *edge)
{
    int64_t room = s->room_side;
    if (make_room((void **)&s->side, &s->room_side, j->n_runs, 1))
        return HD_NO_MEMORY;
    if (s->room_side > room)
        memset(s->side + room, 0, (size_t)(s->room_side - room));

    for (; s->seen < j->n_ended; s->seen++) {
        uint8_t *side = &s->side[j->ended_run[s->seen]];
        s->live_low -= *side == 1;
        s->live_high -= *side == 2;
        *side = 0;
    }
    if (s->n_low > 2 * s->live_low + 8)
        owned_compact(s->low, &s->n_low, j->runs, 0);
    if (s->n_high > 2 * s->live_high + 8)
        owned_compact(s->high, &s->n_high, j->runs, 1);
    live_prune(s, j->runs);

    hd_owned item = {key, (int32_t)run};
    if (s->n_low > 0 && owned_less(item, s->low[0])) {
        if (make_room((void **)&s->low, &s->room_low, s->n_low + 1, sizeof(hd_owned)))
            return HD_NO_MEMORY;
        owned_push(s->low, &s->n_low, item, 0);
        s->side[run] = 1;
        s->live_low++;
    } else {
        if (make_room((void **)&s->high, &s->room_high, s->n_high + 1, sizeof(hd_owned)))
            return HD_NO_MEMORY;
        owned_push(s->high, &s->n_high, item, 1);
        s->side[run] = 2;
        s->live_high++;
    }
    int64_t wanted = (s->live_low + s->live_high) * j->rule.percentage / 100;
    while (s->live_low != wanted) {
        if (s->live_low > wanted ? live_to_high(s) : live_to_low(s))
            return HD_NO_MEMORY;
        live_prune(s, j->runs);
    }
    *edge = s->high[0].key; /* c < n: the run just put in keeps the heap of the others from being empty */
    return HD_OK;
}

/* ---- judge ---- */

static inline int64_t splits_a_slot(const hd_rule *rule)
{
    return rule->rule == HD_SPREAD ? 2 : 1;
}

hd_judge *hd_judge_new(const hd_rule *rule)
{
    hd_judge *judge = calloc(1, sizeof *judge);
    if (judge) {
        judge->rule = *rule;
        judge->ended_top = -INFINITY;
        judge->bar = NAN;
    }
    return judge;
}

void hd_judge_free(hd_judge *judge)
{
    if (!judge)
        return;
    for (int64_t i = 0; judge->splits && i < judge->n_slots * splits_a_slot(&judge->rule); i++) {
        free(judge->splits[i].low);
        free(judge->splits[i].middle);
        free(judge->splits[i].high);
    }
    for (int64_t i = 0; judge->lives && i < judge->n_slots; i++) {
        free(judge->lives[i].low);
        free(judge->lives[i].high);
        free(judge->lives[i].side);
    }
    free(judge->splits);
    free(judge->lives);
    free(judge->tops);
    free(judge->ended_tops);
    free(judge->ended);
    free(judge->ended_run);
    free(judge->runs);
    free(judge);
}

int hd_judge_reserve(hd_judge *judge, int64_t runs)
{
    if (make_room((void **)&judge->runs, &judge->room_runs, runs, sizeof(hd_run)))
        return HD_NO_MEMORY;
    for (; judge->n_runs < runs; judge->n_runs++)
        judge->runs[judge->n_runs] = (hd_run){.best = -INFINITY};
    return HD_OK;
}

/* Make the slots 0 … slot exist. */
static int reserve_slots(hd_judge *j, int64_t slot)
{
    if (slot < j->n_slots)
        return HD_OK;
    int64_t room = j->room_slots;
    void **items;
    size_t size;
    if (j->rule.rule == HD_BANDIT) {
        if (make_room((void **)&j->ended_tops, &room, slot + 1, sizeof(double)))
            return HD_NO_MEMORY;
        room = j->room_slots;
        items = (void **)&j->tops;
        size = sizeof(double);
    } else if (j->rule.live_only) {
        items = (void **)&j->lives;
        size = sizeof(hd_live);
    } else {
        items = (void **)&j->splits;
        size = sizeof(hd_split) * (size_t)splits_a_slot(&j->rule);
    }
    if (make_room(items, &j->room_slots, slot + 1, size))
        return HD_NO_MEMORY;
    for (; j->n_slots <= slot; j->n_slots++) {
        if (j->rule.rule == HD_BANDIT) {
            j->tops[j->n_slots] = -INFINITY;
            j->ended_tops[j->n_slots] = j->ended_top; /* nobody has reached a new slot: all who ended, ended before */
        } else {
            memset((char *)*items + (size_t)j->n_slots * size, 0, size);
        }
    }
    return HD_OK;
}

/* The verdict on a run whose best is `best`; only who is stopped leaves a trace. */
static inline int verdict(hd_judge *j, double best, double bar)
{
    if (!(best < bar))
        return HD_OK;
    j->bar = bar;
    return HD_STOP;
}

static int spread_insert(hd_split *s, double key)
{
    s->top = s->n_middle == 0 || key > s->top ? key : s->top;
    return split_insert(&s[0], key, HD_LOW_QUARTILE) || split_insert(&s[1], key, HD_HIGH_QUARTILE) ? HD_NO_MEMORY : HD_OK;
}

static int spread_report(hd_judge *j, hd_split *s, const hd_run *run)
{
    if (!j->rule.reached_only)
        for (; s->seen < j->n_ended; s->seen++)
            if (j->ended[s->seen].count < run->count && spread_insert(s, j->ended[s->seen].key))
                return HD_NO_MEMORY;
    if (spread_insert(s, run->best))
        return HD_NO_MEMORY;
    int64_t n = split_size(s), low = n * HD_LOW_QUARTILE / 100, high = n * HD_HIGH_QUARTILE / 100;
    if (split_reach(&s[0], low) || split_reach(&s[1], high))
        return HD_NO_MEMORY;
    double q1 = s[0].middle[low - s[0].n_low], q3 = s[1].middle[high - s[1].n_low];
    return verdict(j, run->best, hd_spread_allowed(&j->rule, s->top, q1, q3));
}

static int split_report(hd_judge *j, hd_split *s, const hd_run *run, double key)
{
    const hd_rule *rule = &j->rule;
    int32_t k = run->count;
    if (!rule->reached_only)
        for (; s->seen < j->n_ended; s->seen++)
            if (j->ended[s->seen].count < k && split_insert(s, j->ended[s->seen].key, rule->percentage))
                return HD_NO_MEMORY;
    if (split_insert(s, key, rule->percentage))
        return HD_NO_MEMORY;
    int64_t n = split_size(s), rank = n * rule->percentage / 100;
    if (split_reach(s, rank))
        return HD_NO_MEMORY;
    const double *at = s->middle + (rank - s->n_low);
    double edge = rule->rule == HD_MEDIAN && n % 2 == 0 ? hd_middle(at[-1], at[0]) : at[0];
    return verdict(j, run->best, edge);
}

int hd_judge_report(hd_judge *j, int64_t number, double score)
{
    const hd_rule *rule = &j->rule;
    hd_run *run = &j->runs[number];
    int64_t k = ++run->count;
    if (score - score == 0.0) {
        run->best = score > run->best ? score : run->best;
        run->total += score;
        run->finite++;
    }
    if (rule->rule == HD_NONE || k < rule->first)
        return HD_OK;
    int64_t slot = k - rule->first;
    if (rule->every > 1) {
        if (slot % rule->every)
            return HD_OK;
        slot /= rule->every;
    }
    if (reserve_slots(j, slot))
        return HD_NO_MEMORY;
    if (rule->rule == HD_BANDIT) {
        double top = run->best > j->tops[slot] ? run->best : j->tops[slot];
        j->tops[slot] = top;
        if (!rule->reached_only && j->ended_tops[slot] > top)
            top = j->ended_tops[slot];
        return verdict(j, run->best, hd_bandit_allowed(rule, top));
    }
    if (rule->live_only) {
        double edge;
        if (live_insert(&j->lives[slot], j, number, run->best, &edge))
            return HD_NO_MEMORY;
        return verdict(j, run->best, edge);
    }
    if (rule->rule == HD_SPREAD)
        return spread_report(j, &j->splits[2 * slot], run);
    return split_report(j, &j->splits[slot], run,
                        rule->rule == HD_MEDIAN ? hd_mean(run->total, run->finite, run->best) : run->best);
}

int hd_judge_end(hd_judge *j, int64_t number)
{
    const hd_rule *rule = &j->rule;
    if (number < 0 || number >= j->n_runs || j->runs[number].ended || j->runs[number].count == 0)
        return HD_OK;
    hd_run *run = &j->runs[number];
    if (rule->live_only) {
        if (make_room((void **)&j->ended_run, &j->room_ended, j->n_ended + 1, sizeof(int32_t)))
            return HD_NO_MEMORY;
        j->ended_run[j->n_ended++] = (int32_t)number;
    } else if (rule->rule == HD_BANDIT) {
        if (run->best > j->ended_top)
            j->ended_top = run->best;
        /* The first slot that the run did not reach; the tops grow with the slot, so the first that is as good ends it. */
        int64_t slot = run->count < rule->first ? 0 : (run->count - rule->first) / rule->every + 1;
        for (; slot < j->n_slots && j->ended_tops[slot] < run->best; slot++)
            j->ended_tops[slot] = run->best;
    } else if (rule->rule != HD_NONE && !rule->reached_only) {
        if (make_room((void **)&j->ended, &j->room_ended, j->n_ended + 1, sizeof(hd_ended)))
            return HD_NO_MEMORY;
        double key = rule->rule == HD_MEDIAN ? hd_mean(run->total, run->finite, run->best) : run->best;
        j->ended[j->n_ended++] = (hd_ended){key, run->count};
    }
    run->ended = 1;
    return HD_OK;
}

size_t hd_judge_bytes(const hd_judge *j)
{
    size_t bytes = sizeof *j + (size_t)j->room_runs * sizeof(hd_run);
    bytes += (size_t)j->room_ended * (j->rule.live_only ? sizeof(int32_t) : sizeof(hd_ended));
    if (j->rule.rule == HD_BANDIT)
        return bytes + (size_t)j->room_slots * 2 * sizeof(double);
    int64_t width = splits_a_slot(&j->rule);
    bytes += (size_t)j->room_slots * (j->rule.live_only ? sizeof(hd_live) : (size_t)width * sizeof(hd_split));
    for (int64_t i = 0; i < j->n_slots * width; i++) {
        if (j->rule.live_only) {
            const hd_live *s = &j->lives[i];
            bytes += (size_t)(s->room_low + s->room_high) * sizeof(hd_owned) + (size_t)s->room_side;
        } else {
            const hd_split *s = &j->splits[i];
            bytes += (size_t)(s->room_low + s->room_middle + s->room_high) * sizeof(double);
        }
    }
    return bytes;
}
