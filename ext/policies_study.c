/* One record, many settings. The judge of a setting is not told scores but ranks: of the population of an interval it
 * keeps which of the runs that reported it are in (a bit each), and all who ended early stand in one set for all intervals.
 * The median or c-th value is watched through a window of a few items, so that most reports cost two comparisons. */
#include "_study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "_dispatch.h"

/* The first FEW ranks of a population are kept sorted: in the sets they would be far apart. */
enum { FEW = 64, WORD = 64, MANY = 32 };

/* The population of one slot. Ranks below `lo` are `n_lo` of its items, ranks below `hi` are `n_hi`. */
typedef struct {
    int32_t n, seen, lo, hi, n_lo, n_hi, reach;
    int32_t few[FEW];
} crowd;

typedef struct {
    double top, ended_top; /* as tops and ended_tops of hd_judge */
    double seen, allowed;  /* what is allowed below the top `seen` */
} summit;

typedef struct {
    int32_t rank, count;
} departed;

typedef struct {
    const hd_study *study;
    const hd_rule *rule;
    const hd_ranking *ranking; /* of the rule's keys */
    int64_t n_slots;
    int32_t *slot_of; /* of interval k: its slot, or -1 */
    crowd *crowds;
    uint64_t *present; /* of each slot: who reported, by place in its column */
    uint64_t *gone;    /* who ended, by rank */
    int64_t n_words;   /* of `present`, a slot */
    departed *ended;   /* in order of ending */
    int64_t n_ended, last; /* last interval of a slot */
    summit *summits;
    int64_t n_open; /* slots that a run has reached */
    double ended_top;
} trial;

/* ---- walking through a population in order of rank: the runs present in its column, and those gone before ---- */

typedef struct {
    const uint64_t *present, *gone; /* gone: NULL if nobody counts who is not present */
    const int32_t *column, *count_of;
    int32_t n_column, size, k;
    int32_t rank;         /* upwards from here, downwards below here */
    int32_t place, ahead; /* the next one who is present, and its rank; not looked for yet: `ahead` is UNKNOWN */
} walk;

enum { UNKNOWN = -2 };

/* First bit from `from` on that is set; `end` if there is none before. */
HD_INLINE int32_t next_bit(const uint64_t *bits, int32_t from, int32_t end)
{
    if (from >= end)
        return end;
    int32_t at = from / WORD, last = (end - 1) / WORD;
    uint64_t word = bits[at] & ~0ull << (from % WORD);
    while (!word && at < last)
        word = bits[++at];
    int32_t found = word ? at * WORD + __builtin_ctzll(word) : end;
    return found < end ? found : end;
}

/* Last bit below `from` that is set and not below `end`; `end` - 1 if there is none. */
HD_INLINE int32_t previous_bit(const uint64_t *bits, int32_t from, int32_t end)
{
    if (from <= end)
        return end - 1;
    int32_t at = (from - 1) / WORD, last = end / WORD;
    uint64_t word = bits[at] & ~0ull >> (WORD - 1 - (from - 1) % WORD);
    while (!word && at > last)
        word = bits[--at];
    int32_t found = word ? at * WORD + WORD - 1 - __builtin_clzll(word) : end - 1;
    return found >= end ? found : end - 1;
}

/* Stand before the first item whose rank is `rank` or more. */
static walk walk_from(const trial *t, int32_t slot, int32_t rank)
{
    const hd_ranking *r = t->ranking;
    int32_t k = (int32_t)(t->rule->first + slot * t->rule->every);
    const int32_t *column = r->column + r->column_start[k - 1];
    int32_t n = (int32_t)(r->column_start[k] - r->column_start[k - 1]), low = 0, high = n;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        if (column[middle] < rank)
            low = middle + 1;
        else
            high = middle;
    }
    return (walk){t->present + slot * t->n_words, t->rule->reached_only ? NULL : t->gone, column, r->count_of, n,
                  (int32_t)r->size, k, rank, low, UNKNOWN};
}

/* Rank of the next item upwards. There is one. */
HD_INLINE int32_t step_up(walk *w)
{
    if (w->ahead == UNKNOWN) {
        w->place = next_bit(w->present, w->place, w->n_column);
        w->ahead = w->place < w->n_column ? w->column[w->place] : w->size;
    }
    int32_t found = w->ahead;
    if (w->gone)
        for (int32_t at = w->rank; (at = next_bit(w->gone, at, w->ahead)) < w->ahead; at++)
            if (w->count_of[at] < w->k) {
                found = at;
                break;
            }
    if (found == w->ahead) {
        w->place++;
        w->ahead = UNKNOWN;
    }
    w->rank = found + 1;
    return found;
}

/* The same downwards; what is ahead is below. */
HD_INLINE int32_t step_down(walk *w)
{
    if (w->ahead == UNKNOWN) {
        w->place = previous_bit(w->present, w->place, 0);
        w->ahead = w->place >= 0 ? w->column[w->place] : -1;
    }
    int32_t found = w->ahead;
    if (w->gone)
        for (int32_t at = w->rank; (at = previous_bit(w->gone, at, w->ahead + 1)) > w->ahead;)
            if (w->count_of[at] < w->k) {
                found = at;
                break;
            }
    if (found == w->ahead)
        w->ahead = UNKNOWN;
    w->rank = found;
    return found;
}

/* Rank of item number `wanted` of the population: from the edge of the window that is nearer below, or down from `lo`. */
static int32_t select_item(const trial *t, const crowd *c, int32_t slot, int32_t wanted)
{
    int is_high = wanted >= c->n_hi;
    walk w = walk_from(t, slot, is_high ? c->hi : c->lo);
    int32_t at = is_high ? c->n_hi : c->n_lo, rank = 0;
    if (wanted >= at)
        for (; at <= wanted; at++)
            rank = step_up(&w);
    else
        for (; at > wanted; at--)
            rank = step_down(&w);
    return rank;
}

/* Put the window around the item number `wanted`. It reaches further with more items: it has to move seldom, and few
 * decisions may fall into it. */
static void move_window(const trial *t, crowd *c, int32_t slot, int32_t wanted)
{
    int32_t reach = 4;
    while (16 * reach * reach < c->n)
        reach *= 2;
    int32_t below = wanted - reach, above = wanted + reach + 1;
    int32_t lo = below <= 0 ? 0 : select_item(t, c, slot, below);
    int32_t hi = above >= c->n ? (int32_t)t->ranking->size : select_item(t, c, slot, above);
    c->lo = lo;
    c->n_lo = below <= 0 ? 0 : below;
    c->hi = hi;
    c->n_hi = above >= c->n ? c->n : above;
    c->reach = reach;
}

HD_INLINE void insert(const trial *t, crowd *c, int32_t rank)
{
    if (c->n < FEW) {
        int32_t at = c->n;
        for (; at > 0 && c->few[at - 1] > rank; at--)
            c->few[at] = c->few[at - 1];
        c->few[at] = rank;
    } else if (c->n == FEW) { /* from now on there is a window; it is made when it is needed */
        c->lo = c->n_lo = c->reach = 0;
        c->hi = (int32_t)t->ranking->size;
        c->n_hi = c->n;
    }
    c->n++;
    c->n_lo += rank < c->lo;
    c->n_hi += rank < c->hi;
}

/* As `insert` of one that ended before k, without a branch. */
HD_INLINE void take_departed(crowd *c, departed one, int32_t k)
{
    int32_t is_in = one.count < k;
    c->n += is_in;
    c->n_lo += is_in & (one.rank < c->lo);
    c->n_hi += is_in & (one.rank < c->hi);
}

/* All that the crowd has not seen, several at a time. */
HD_INLINE void take_many(const trial *t, crowd *c, int32_t k)
{
    crowd sum = {.lo = c->lo, .hi = c->hi};
    for (int64_t i = c->seen; i < t->n_ended; i++)
        take_departed(&sum, t->ended[i], k);
    c->n += sum.n;
    c->n_lo += sum.n_lo;
    c->n_hi += sum.n_hi;
    c->seen = (int32_t)t->n_ended;
}

/* Whether a best, above which stand the ranks from `above` on, is below the rule's value of the crowd. */
HD_INLINE int is_below(const trial *t, crowd *c, int32_t slot, int32_t above, const double *best, int is_median)
{
    int32_t n = c->n, first = is_median ? (n - 1) / 2 : (int32_t)((int64_t)n * t->rule->percentage / 100);
    int32_t second = is_median ? n / 2 : first, low, high;
    if (n > FEW) {
        if (first < c->n_lo || second >= c->n_hi || c->n_hi - c->n_lo > 4 * c->reach)
            move_window(t, c, slot, first);
        if (above <= c->lo)
            return 1;
        if (above >= c->hi)
            return 0;
        walk w = walk_from(t, slot, c->lo);
        for (int32_t at = c->n_lo; at < first; at++)
            step_up(&w);
        low = step_up(&w);
        high = second == first ? low : step_up(&w);
    } else {
        low = c->few[first];
        high = c->few[second];
    }
    if (low >= above)
        return 1;
    if (high < above)
        return 0;
    return *best < hd_middle(t->ranking->value[low], t->ranking->value[high]);
}

/* ---- one setting: reports and ends ---- */

enum { MODE_NONE, MODE_BANDIT, MODE_MEDIAN, MODE_TRUNCATION };

/* Whether the rule stops the row at interval k. */
HD_INLINE int report(trial *t, int64_t row, int32_t k, const int mode)
{
    const hd_study *s = t->study;
    int32_t slot = t->slot_of[k];
    if (slot < 0 || mode == MODE_NONE)
        return 0;
    int64_t item = row * s->n_intervals + k - 1;
    if (mode == MODE_BANDIT) {
        double best = s->best[item];
        for (; t->n_open <= slot; t->n_open++)
            t->summits[t->n_open] = (summit){-INFINITY, t->ended_top, NAN, 0.0};
        summit *m = &t->summits[slot];
        if (best > m->top)
            m->top = best;
        double top = !t->rule->reached_only && m->ended_top > m->top ? m->ended_top : m->top;
        if (top != m->seen) {
            m->seen = top;
            m->allowed = hd_bandit_allowed(t->rule, top);
        }
        return best < m->allowed;
    }
    crowd *c = &t->crowds[slot];
    hd_item own = t->ranking->items[item];
    for (; c->seen < t->n_ended && c->n <= FEW; c->seen++)
        if (t->ended[c->seen].count < k)
            insert(t, c, t->ended[c->seen].rank);
    if (t->n_ended - c->seen > MANY)
        take_many(t, c, k);
    for (; c->seen < t->n_ended; c->seen++)
        take_departed(c, t->ended[c->seen], k);
    insert(t, c, own.rank);
    t->present[slot * t->n_words + own.place / WORD] |= 1ull << (own.place % WORD);
    return is_below(t, c, slot, own.above, &s->best[item], mode == MODE_MEDIAN);
}

/* The row ends after k >= 1 reports. */
HD_INLINE void end(trial *t, int64_t row, int32_t k, const int mode)
{
    const hd_study *s = t->study;
    const int64_t item = row * s->n_intervals;
    if (mode == MODE_NONE)
        return;
    if (mode == MODE_BANDIT) {
        double best = s->best[item + k - 1];
        if (best > t->ended_top)
            t->ended_top = best;
        int64_t slot = k < t->rule->first ? 0 : (k - t->rule->first) / t->rule->every + 1;
        for (; slot < t->n_open && t->summits[slot].ended_top < best; slot++)
            t->summits[slot].ended_top = best;
    } else if (!t->rule->reached_only && k < t->last) { /* else no interval that is looked at comes later */
        int32_t rank = t->ranking->items[item + k - 1].rank;
        t->ended[t->n_ended++] = (departed){rank, k};
        t->gone[rank / WORD] |= 1ull << (rank % WORD);
    }
}

/* ---- schedules ---- */

typedef struct {
    int32_t row, count, length;
} runner;

static int64_t next_place(const hd_study *s, const int32_t *order, int64_t from)
{
    while (from < s->n_runs && s->lengths[order[from]] == 0)
        from++;
    return from;
}

/* Equal durations: the live runs take turns. Return the number of rounds. */
HD_INLINE double take_turns(trial *t, const hd_schedule *h, runner *active, int64_t *stopped, const int mode)
{
    const hd_study *s = t->study;
    int64_t live = 0, rounds = 0, next = next_place(s, h->order, 0);
    for (;;) {
        for (; live < h->workers && next < s->n_runs; next = next_place(s, h->order, next + 1))
            active[live++] = (runner){h->order[next], 0, s->lengths[h->order[next]]};
        if (live == 0)
            return (double)rounds;
        rounds++;
        int64_t kept = 0;
        for (int64_t i = 0; i < live; i++) {
            runner a = active[i];
            int32_t k = ++a.count;
            if (report(t, a.row, k, mode))
                stopped[a.row] = k;
            else if (k < a.length) {
                active[kept++] = a;
                continue;
            }
            end(t, a.row, k, mode);
        }
        live = kept;
    }
}

/* Unequal durations: a tournament over the slots, whose winner reports next. */
typedef struct {
    double *due, *start; /* of each slot; due = inf: empty */
    int32_t *place, *winner;
    runner *active;
    int64_t width; /* a power of two */
} tournament;

HD_INLINE int32_t earlier(const tournament *o, int32_t x, int32_t y)
{
    int second = (o->due[y] < o->due[x]) | ((o->due[y] == o->due[x]) & (o->place[y] < o->place[x]));
    return second ? y : x;
}

HD_INLINE void play(tournament *o, int64_t slot)
{
    for (int64_t at = (slot + o->width) / 2; at >= 1; at /= 2)
        o->winner[at] = earlier(o, o->winner[2 * at], o->winner[2 * at + 1]);
}

HD_INLINE double due_at(const hd_study *s, const hd_schedule *h, double start, int64_t row, int32_t k)
{
    return start + (h->elapsed ? h->elapsed[row * s->n_intervals + k - 1] : (double)k * h->durations[row]);
}

HD_INLINE double take_slots(trial *t, const hd_schedule *h, tournament *o, int64_t *stopped, const int mode)
{
    const hd_study *s = t->study;
    double now = 0.0;
    int64_t next = next_place(s, h->order, 0);
    for (int64_t i = 0; i < o->width; i++) {
        o->winner[o->width + i] = (int32_t)i;
        o->due[i] = INFINITY;
        o->place[i] = INT32_MAX;
        if (i >= h->workers || next >= s->n_runs)
            continue;
        int32_t row = h->order[next];
        o->active[i] = (runner){row, 0, s->lengths[row]};
        o->start[i] = 0.0;
        o->place[i] = (int32_t)next;
        o->due[i] = due_at(s, h, 0.0, row, 1);
        next = next_place(s, h->order, next + 1);
    }
    for (int64_t at = o->width - 1; at >= 1; at--)
        o->winner[at] = earlier(o, o->winner[2 * at], o->winner[2 * at + 1]);
    for (;;) {
        int64_t slot = o->winner[1];
        if (o->due[slot] == INFINITY)
            return now;
        runner *a = &o->active[slot];
        int32_t k = ++a->count;
        double at = o->due[slot];
        int is_stop = report(t, a->row, k, mode);
        if (is_stop)
            stopped[a->row] = k;
        if (!is_stop && k < a->length) {
            o->due[slot] = due_at(s, h, o->start[slot], a->row, k + 1);
        } else {
            now = at;
            end(t, a->row, k, mode);
            if (next < s->n_runs) {
                int32_t row = h->order[next];
                *a = (runner){row, 0, s->lengths[row]};
                o->start[slot] = at;
                o->place[slot] = (int32_t)next;
                o->due[slot] = due_at(s, h, at, row, 1);
                next = next_place(s, h->order, next + 1);
            } else {
                o->due[slot] = INFINITY;
                o->place[slot] = INT32_MAX;
            }
        }
        play(o, slot);
    }
}

/* Events in their order. `state`: 0 live, 1 stopped but dying as it did in fact, 2 ended. */
HD_INLINE double follow(trial *t, const hd_schedule *h, uint8_t *state, int32_t *count, int64_t *stopped, const int mode)
{
    memset(state, 0, (size_t)t->study->n_runs);
    memset(count, 0, (size_t)t->study->n_runs * sizeof *count);
    for (int64_t i = 0; i < h->n_events; i++) {
        int32_t row = h->event_row[i], k = h->event_interval[i];
        if (state[row] == 2)
            continue;
        if (k > 0) {
            count[row] = k;
            if (!report(t, row, k, mode) || state[row])
                continue;
            stopped[row] = k;
            state[row] = h->cut[row] == k || h->cut[row] < 0 ? 1 : 2;
            if (state[row] == 1)
                continue;
        }
        state[row] = 2;
        if (count[row] > 0)
            end(t, row, count[row], mode);
    }
    return 0.0;
}

/* ---- all settings ---- */

typedef struct {
    runner *active;
    tournament slots;
    uint8_t *state;
    int32_t *count;
} schedule_state;

HD_INLINE double run(trial *t, const hd_schedule *h, schedule_state *w, int64_t *stopped, const int mode)
{
    if (h->event_row)
        return follow(t, h, w->state, w->count, stopped, mode);
    if (h->durations || h->elapsed)
        return take_slots(t, h, &w->slots, stopped, mode);
    return take_turns(t, h, w->active, stopped, mode);
}

/* A function a mode, so that what the mode decides is decided once. */
HD_CLONES static double run_none(trial *t, const hd_schedule *h, schedule_state *w, int64_t *stopped)
{
    return run(t, h, w, stopped, MODE_NONE);
}

HD_CLONES static double run_bandit(trial *t, const hd_schedule *h, schedule_state *w, int64_t *stopped)
{
    return run(t, h, w, stopped, MODE_BANDIT);
}

HD_CLONES static double run_median(trial *t, const hd_schedule *h, schedule_state *w, int64_t *stopped)
{
    return run(t, h, w, stopped, MODE_MEDIAN);
}

HD_CLONES static double run_truncation(trial *t, const hd_schedule *h, schedule_state *w, int64_t *stopped)
{
    return run(t, h, w, stopped, MODE_TRUNCATION);
}

static int64_t count_slots(const hd_study *s, const hd_rule *rule)
{
    if (rule->rule == HD_NONE || rule->first > s->n_intervals)
        return 0;
    return (s->n_intervals - rule->first) / rule->every + 1;
}

static const hd_ranking *ranking_of(const hd_study *s, const hd_rule *rule)
{
    return rule->rule == HD_MEDIAN ? &s->means : rule->rule == HD_TRUNCATION ? &s->bests : NULL;
}

static double run_rule(trial *t, const hd_rule *rule, const hd_schedule *h, schedule_state *w, int64_t *stopped)
{
    const hd_study *s = t->study;
    t->rule = rule;
    t->ranking = ranking_of(s, rule);
    t->n_slots = count_slots(s, rule);
    t->n_ended = t->n_open = 0;
    t->last = rule->first + (t->n_slots - 1) * rule->every;
    t->ended_top = -INFINITY;
    for (int64_t k = 0; k <= s->n_intervals; k++)
        t->slot_of[k] = -1;
    for (int64_t slot = 0; slot < t->n_slots; slot++)
        t->slot_of[rule->first + slot * rule->every] = (int32_t)slot;
    for (int64_t r = 0; r < s->n_runs; r++)
        stopped[r] = 0;
    if (!t->ranking)
        return rule->rule == HD_BANDIT ? run_bandit(t, h, w, stopped) : run_none(t, h, w, stopped);
    memset(t->present, 0, (size_t)(t->n_slots * t->n_words) * sizeof *t->present);
    memset(t->gone, 0, (size_t)(t->ranking->size / WORD + 1) * sizeof *t->gone);
    for (int64_t slot = 0; slot < t->n_slots; slot++) {
        crowd *c = &t->crowds[slot];
        c->n = c->seen = c->lo = c->hi = 0;
    }
    return (rule->rule == HD_MEDIAN ? run_median : run_truncation)(t, h, w, stopped);
}

int hd_study_replay(const hd_study *s, const hd_rule *rules, int64_t n_rules, const hd_schedule *h, int64_t *stopped,
                    double *makespan)
{
    size_t n = (size_t)(s->n_runs > 0 ? s->n_runs : 1), t_max = (size_t)s->n_intervals + 1, width = 2;
    size_t words = n / WORD + 1;
    while ((int64_t)width < h->workers)
        width *= 2;
    trial t = {.study = s, .n_words = (int64_t)words};
    schedule_state w = {.slots = {.width = (int64_t)width}};
    t.slot_of = malloc(t_max * sizeof *t.slot_of);
    t.crowds = malloc(t_max * sizeof *t.crowds);
    t.present = malloc(t_max * words * sizeof *t.present);
    t.gone = malloc((n * t_max / WORD + 1) * sizeof *t.gone);
    t.ended = malloc(n * sizeof *t.ended);
    t.summits = malloc(t_max * sizeof *t.summits);
    w.active = w.slots.active = malloc(width * sizeof *w.active);
    w.slots.due = malloc(width * sizeof(double));
    w.slots.start = malloc(width * sizeof(double));
    w.slots.place = malloc(width * sizeof(int32_t));
    w.slots.winner = malloc(2 * width * sizeof(int32_t));
    w.state = malloc(n);
    w.count = malloc(n * sizeof *w.count);
    int done = HD_NO_MEMORY;
    if (t.slot_of && t.crowds && t.present && t.gone && t.ended && t.summits && w.active && w.slots.due && w.slots.start &&
        w.slots.place && w.slots.winner && w.state && w.count) {
        for (int64_t i = 0; i < n_rules; i++)
            makespan[i] = run_rule(&t, &rules[i], h, &w, stopped + i * s->n_runs);
        done = HD_OK;
    }
    free(t.slot_of);
    free(t.crowds);
    free(t.present);
    free(t.gone);
    free(t.ended);
    free(t.summits);
    free(w.active);
    free(w.slots.due);
    free(w.slots.start);
    free(w.slots.place);
    free(w.slots.winner);
    free(w.state);
    free(w.count);
    return done;
}

void hd_study_fold(const hd_curves *curves, const int32_t *lengths, double *best, double *mean)
{
    for (int64_t r = 0; r < curves->n_runs; r++) {
        double b = -INFINITY, total = 0.0, finite = 0.0;
        int64_t item = r * curves->n_intervals;
        for (int64_t k = 0; k < curves->n_intervals; k++) {
            if (k >= lengths[r]) {
                best[item + k] = mean[item + k] = -INFINITY;
                continue;
            }
            double score = hd_score(curves, r, k);
            if (score - score == 0.0) {
                b = score > b ? score : b;
                total += score;
                finite += 1.0;
            }
            best[item + k] = b;
            mean[item + k] = hd_mean(total, finite, b);
        }
    }
}
