/* The spawner: forks a shim for each request of the driver, from a process that is small and has one thread.

   It is a child subreaper too: when a shim is killed, what its run left falls to the spawner, which ends it and
   tells the driver. When the driver is gone (end of file) it waits for its shims, which see the same, and leaves. */
#define _GNU_SOURCE
#include "_shim.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define GIVE_UP_NS 10000000000

typedef struct {
    pid_t *pids;
    uint64_t *tokens;
    size_t count, room;
    hd_notice *lost; /* shims that were killed and whose orphans are to be ended */
    size_t lost_count;
} shims;

static int make_room(shims *s) {
    if (s->count < s->room) return 0;
    size_t room = s->room ? 2 * s->room : 64;
    pid_t *pids = realloc(s->pids, room * sizeof *pids);
    if (pids) s->pids = pids;
    uint64_t *tokens = realloc(s->tokens, room * sizeof *tokens);
    if (tokens) s->tokens = tokens;
    hd_notice *lost = realloc(s->lost, room * sizeof *lost); /* never more lost ones than there were shims */
    if (lost) s->lost = lost;
    if (!pids || !tokens || !lost) return -1;
    s->room = room;
    return 0;
}

static void note_reaped(pid_t pid, int status, void *context) {
    shims *s = context;
    for (size_t i = 0; i < s->count; i++) {
        if (s->pids[i] != pid) continue;
        if (!WIFEXITED(status) || WEXITSTATUS(status))
            s->lost[s->lost_count++] = (hd_notice){.kind = HD_SHIM_LOST, .status = status, .token = s->tokens[i]};
        s->count--;
        s->pids[i] = s->pids[s->count];
        s->tokens[i] = s->tokens[s->count];
        return;
    }
}

static void notify(int control, const hd_notice *notice) {
    while (send(control, notice, sizeof *notice, MSG_NOSIGNAL) < 0 && errno == EINTR) {}
}

static void reap(shims *s, int control) {
    for (int status;;) {
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid > 0)
            note_reaped(pid, status, s);
        else if (!(pid < 0 && errno == EINTR))
            break;
    }
    while (s->lost_count) {
        /* The list of shims shrinks while the tree is ended (hd_end_tree reaps): a pid that has left the list is not
           a child any more, so sparing a stale copy does no harm, and a copy is what a callback cannot change. */
        size_t told = s->lost_count;
        pid_t *spared = malloc((s->count + 1) * sizeof *spared);
        if (!spared) return;
        memcpy(spared, s->pids, s->count * sizeof *spared);
        spared[s->count] = 0; /* never empty: then hd_end_tree stops when only spared children are left */
        hd_ending ending = {.spared = spared, .spared_count = s->count + 1, .give_up_ns = GIVE_UP_NS, .reaped = note_reaped, .context = s};
        int left = hd_end_tree(&ending);
        free(spared);
        for (size_t i = 0; i < told; i++) {
            s->lost[i].killed = ending.killed;
            s->lost[i].survivor = left ? ending.survivor : 0;
            notify(control, &s->lost[i]);
        }
        s->lost_count -= told; /* a shim lost meanwhile takes another turn */
        memmove(s->lost, s->lost + told, s->lost_count * sizeof *s->lost);
    }
}

/* One request: a token and descriptors, `*count` of them. Returns the bytes received; 0 = the driver is gone. */
static ssize_t receive(int control, uint64_t *token, int *fds, int *count) {
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE((2 + HD_MOST_HELD) * sizeof(int))];
    } extra;
    struct iovec part = {token, sizeof *token};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &extra, .msg_controllen = sizeof extra};
    *count = 0;
    ssize_t n = recvmsg(control, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0) return n;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
        *count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(c), (size_t)*count * sizeof(int));
    }
    return n;
}

/* jemalloc (Arrow, and so pandas and what imports it, brings one) holds its locks around a fork and goes on in the child
   without its background thread. */
static int is_fork_safe(int tasks, const char *thread) {
    char path[64], name[32];
    snprintf(path, sizeof path, "%.20s/comm", thread);
    int fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 1; /* it has ended */
    ssize_t n = read(fd, name, sizeof name);
    close(fd);
    return n == 16 && !memcmp(name, "jemalloc_bg_thd\n", 16);
}

/* Threads of this process. A fork copies one of them only, with whatever locks the others hold. */
static int count_threads(void) {
    DIR *tasks = opendir("/proc/self/task");
    if (!tasks) return 1; /* no descriptor left: the fork itself will say so */
    int count = 0;
    for (struct dirent *entry; (entry = readdir(tasks));)
        count += entry->d_name[0] != '.' && (!count || !is_fork_safe(dirfd(tasks), entry->d_name));
    closedir(tasks);
    return count;
}

int hd_serve(int control, char **payload, size_t *size) {
    shims s = {0};
    sigset_t children;
    int signals, is_open = 1;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "hdcore-spawner");
    for (int sig = 1; sig < NSIG; sig++) signal(sig, SIG_DFL); /* the driver's handlers; an ignored SIGCHLD would lose exits */
    signal(SIGINT, SIG_IGN); /* Ctrl-C is for the driver */
    signal(SIGHUP, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_SETMASK, &children, NULL);
    if ((signals = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC)) < 0) return -errno;
    while (is_open || s.count) {
        struct pollfd fds[] = {{is_open ? control : -1, POLLIN, 0}, {signals, POLLIN, 0}};
        if (poll(fds, 2, -1) < 0) continue;
        if (fds[1].revents) {
            struct signalfd_siginfo info;
            while (read(signals, &info, sizeof info) > 0) {}
            reap(&s, control);
        }
        if (!fds[0].revents) continue;
        uint64_t token;
        int given[2 + HD_MOST_HELD], count;
        ssize_t n = receive(control, &token, given, &count);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (n <= 0) {
            is_open = 0;
            continue;
        }
        int threads = count_threads();
        pid_t pid = threads > 1 || n != (ssize_t)sizeof token || count < 2 || make_room(&s) ? -1 : fork();
        if (pid == 0) {
            close(signals);
            int result = hd_supervise(given, count, control, payload, size);
            if (result) return result;
            _exit(0);
        }
        if (pid < 0) {
            hd_notice failed = {.kind = HD_FORK_FAILED, .status = errno, .token = token};
            if (threads > 1) failed = (hd_notice){.kind = HD_THREADED, .status = threads, .token = token};
            notify(control, &failed);
        } else {
            s.pids[s.count] = pid;
            s.tokens[s.count++] = token;
        }
        while (count) close(given[--count]);
    }
    return 0;
}
