/* Walking and ending the descendants of the calling process.

   The caller is a child subreaper, so every descendant, however it detached itself (setsid, double fork, emptied
   environment), hangs below one of the caller's children: when waitpid says ECHILD, nothing is left. That is
   the only proof of emptiness used here; /proc just says whom to signal.

   All are stopped before any is killed: a fork bomb outruns a killer that takes them one by one, but a stopped
   process does not fork. A signal goes through a pidfd whose process was compared by start time after the
   pidfd was opened, so it cannot hit a stranger that got the number meanwhile. */
#define _GNU_SOURCE
#include "_shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434 /* the same number on every architecture */
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

int64_t hd_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int read_stat(pid_t pid, hd_process *out) {
    char path[32], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return -1;
    text[n] = 0;
    char *p = strrchr(text, ')'); /* the name in brackets may hold anything, brackets too */
    if (!p) return -1;
    char state;
    int parent;
    long threads;
    unsigned long long start;
    if (sscanf(p + 1, " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld %*d %llu", &state, &parent,
               &threads, &start) != 4)
        return -1;
    *out = (hd_process){.pid = pid, .parent = parent, .start = start, .dead = (state == 'Z' || state == 'X') && threads < 2};
    return 0;
}

int hd_scan(hd_table *table) {
    DIR *proc = opendir("/proc");
    if (!proc) return -1;
    table->count = 0;
    for (struct dirent *entry; (entry = readdir(proc));) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        if (table->count == table->room) {
            size_t room = table->room ? 2 * table->room : 256;
            hd_process *more = realloc(table->all, room * sizeof *more);
            if (!more) break; /* the next round sees the rest */
            table->all = more;
            table->room = room;
        }
        if (!read_stat((pid_t)atoi(entry->d_name), &table->all[table->count])) table->count++;
    }
    closedir(proc);
    return 0;
}

int hd_signal_exactly(const hd_process *process, int sig) {
    int fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (fd < 0 && errno != ENOSYS && errno != EPERM) return -1;
    hd_process now;
    int result = -1;
    if (!read_stat(process->pid, &now) && now.start == process->start)
        result = fd >= 0 ? (int)syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) : kill(process->pid, sig);
    if (fd >= 0) close(fd);
    return result;
}

static int by_pid(const void *a, const void *b) {
    pid_t x = ((const hd_process *)a)->pid, y = ((const hd_process *)b)->pid;
    return (x > y) - (x < y);
}

static hd_process *find(const hd_table *table, pid_t pid) {
    hd_process key = {.pid = pid};
    return table->count ? bsearch(&key, table->all, table->count, sizeof key, by_pid) : NULL;
}

static int is_spared(const hd_ending *ending, pid_t pid) {
    for (size_t i = 0; i < ending->spared_count; i++)
        if (ending->spared[i] == pid) return 1;
    return 0;
}

/* Marks the caller's descendants that can still run. Returns how many there are. */
static size_t mark(hd_table *table, const hd_ending *ending) {
    pid_t self = getpid();
    size_t alive = 0;
    if (table->count) qsort(table->all, table->count, sizeof *table->all, by_pid);
    for (int changed = 1; changed;) {
        changed = 0;
        for (size_t i = 0; i < table->count; i++) {
            hd_process *p = &table->all[i], *parent;
            if (p->marked || p->pid == self || is_spared(ending, p->pid)) continue;
            if (p->parent == self || ((parent = find(table, p->parent)) && parent->marked)) p->marked = changed = 1;
        }
    }
    for (size_t i = 0; i < table->count; i++) {
        hd_process *p = &table->all[i];
        if (p->dead) p->marked = 0; /* its children have a living parent by now */
        alive += (size_t)p->marked;
    }
    return alive;
}

/* Reaps what is dead. Returns 1 while children remain that are not spared. */
static int reap(hd_ending *ending) {
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid > 0) {
            if (ending->reaped) ending->reaped(pid, status, ending->context);
            continue;
        }
        if (pid < 0 && errno == EINTR) continue;
        return pid == 0;
    }
}

static void swap(hd_table *a, hd_table *b) {
    hd_table c = *a;
    *a = *b;
    *b = c;
}

/* Stops all descendants; repeats until a scan shows none that was not stopped before. `last` is the latest scan, with
   what was done to each process so far. Returns how many are alive. */
static size_t freeze(hd_table *last, hd_table *earlier, const hd_ending *ending) {
    size_t alive = 0;
    for (int pass = 0, fresh = 1; fresh && pass < 100; pass++) {
        swap(last, earlier);
        if (hd_scan(last)) return 0;
        alive = mark(last, ending);
        fresh = 0;
        for (size_t i = 0; i < last->count; i++) {
            hd_process *p = &last->all[i], *old;
            if (!p->marked) continue;
            if ((old = find(earlier, p->pid)) && old->start == p->start && old->frozen) {
                p->frozen = 1;
                p->killed = old->killed;
            } else if (!hd_signal_exactly(p, SIGSTOP)) {
                p->frozen = 1;
                fresh = 1;
            }
        }
    }
    return alive;
}

int hd_end_tree(hd_ending *ending) {
    hd_table last = {0}, earlier = {0};
    int64_t begin = hd_now(), nap = 200000;
    int result = 0;
    ending->killed = 0;
    ending->survivor = 0;
    while (reap(ending)) {
        size_t alive = freeze(&last, &earlier, ending);
        if (!alive && ending->spared_count) break; /* only spared children are left */
        for (size_t i = 0; i < last.count; i++) {
            hd_process *p = &last.all[i];
            if (!p->marked) continue;
            ending->survivor = p->pid;
            if (!hd_signal_exactly(p, SIGKILL)) {
                ending->killed += !p->killed;
                p->killed = 1;
            }
        }
        /* Without a process to name, all are zombies about to be reaped (or there is no /proc): wait longer. */
        if (hd_now() - begin >= ending->give_up_ns + (alive ? 0 : 10000000000)) {
            result = -1;
            break;
        }
        struct timespec pause = {0, nap};
        nanosleep(&pause, NULL);
        if (nap < 20000000) nap *= 2;
    }
    free(last.all);
    free(earlier.all);
    return result;
}
