/* The shim: one process per run, between the driver and the run's process tree.

   It is a child subreaper, so nothing that the run starts can get out from under it. It starts the run in its own
   session, keeps its logs, and ends the whole tree when the run's first process has ended, at the run timeout, on the
   driver's word, or as soon as the driver's end of the socket is closed: the kernel closes it at any death of the
   driver. Only when no descendant is left does it send the end record. */
#define _GNU_SOURCE
#include "_shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define CLOEXEC_RANGE 4u /* CLOSE_RANGE_CLOEXEC */

extern char **environ;

typedef struct {
    hd_request *request;
    uint64_t *cpus;
    char *cwd, *out, *err;
    char **argv, **envp;
    size_t size;
} plan;

typedef struct {
    int stage, error;
} failure;

typedef struct {
    pid_t pid;
    int ended, status;
} first_process;

static int read_plan(int fd, plan *p) {
    struct stat about;
    if (fstat(fd, &about)) return errno;
    size_t size = (size_t)about.st_size, have = 0;
    char *data = malloc(size + 1);
    if (!data) return ENOMEM;
    while (have < size) {
        ssize_t n = pread(fd, data + have, size - have, (off_t)have);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n ? errno : EPROTO;
        have += (size_t)n;
    }
    data[size] = 0;
    hd_request *r = p->request = (hd_request *)data;
    if (size < sizeof *r || r->magic != HD_MAGIC || r->cpu_words > (size - sizeof *r) / 8) return EPROTO;
    p->cpus = (uint64_t *)(data + sizeof *r);
    p->size = size;
    char *text = data + sizeof *r + 8 * (size_t)r->cpu_words, *end = data + size;
    size_t count = 3 + (size_t)r->argc + r->envc;
    if (count > size) return EPROTO;
    char **words = calloc(count + 2, sizeof *words); /* two more: the NULL after argv and after envp */
    if (!words) return ENOMEM;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (text >= end) return EPROTO;
        if (i == 3 + (size_t)r->argc) at++;
        words[at++] = text;
        text += strlen(text) + 1;
    }
    p->cwd = words[0];
    p->out = words[1];
    p->err = words[2];
    p->argv = words + 3;
    p->envp = words + 3 + r->argc + 1;
    return 0;
}

static void close_all_but(const int *kept, int n) {
    int sorted[HD_MOST_HELD + 16], next = 3;
    memcpy(sorted, kept, (size_t)n * sizeof *kept);
    for (int i = 1; i < n; i++)
        for (int j = i; j && sorted[j - 1] > sorted[j]; j--) {
            int swap = sorted[j];
            sorted[j] = sorted[j - 1];
            sorted[j - 1] = swap;
        }
    for (int i = 0; i <= n; i++) {
        int until = i < n ? sorted[i] : INT_MAX;
        if (until > next && syscall(SYS_close_range, (unsigned)next, (unsigned)until - 1, 0)) /* before Linux 5.9 */
            for (int fd = next; fd < until && fd < (int)sysconf(_SC_OPEN_MAX); fd++) close(fd);
        if (i < n && until >= next) next = until + 1;
    }
}

static void reset_signals(void) {
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int sig = 1; sig < NSIG; sig++) sigaction(sig, &standard, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void ignore_signals(void) {
    /* Whoever wants the run to end tells the driver; a stray `kill` of the shim must not orphan the run. */
    static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGPIPE, SIGXFSZ, SIGTSTP, SIGTTIN, SIGTTOU};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
}

static _Noreturn void refuse(int channel, int stage) {
    failure why = {stage, errno};
    ssize_t ignored = write(channel, &why, sizeof why);
    (void)ignored;
    _exit(127);
}

/* In the run's first process. Returns only for a function run. */
static void become_run(const plan *p, pid_t shim, int out, int err, int channel) {
    setsid();
    reset_signals();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != shim) _exit(127); /* the shim died before the line above */
    if (p->request->cpu_words) /* a CPU that went offline is no reason not to run */
        syscall(SYS_sched_setaffinity, 0, 8 * (size_t)p->request->cpu_words, p->cpus);
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0) {
        dup2(null, 0);
        if (null > 0) close(null);
    }
    dup2(out, 1);
    dup2(err, 2);
    if (chdir(p->cwd)) refuse(channel, HD_STAGE_CWD);
    if (p->request->function) {
        prctl(PR_SET_NAME, p->request->name);
        return;
    }
    if (syscall(SYS_close_range, 3u, ~0u, CLOEXEC_RANGE))
        for (int fd = 3; fd < (int)sysconf(_SC_OPEN_MAX); fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
    environ = p->envp; /* execvp looks at the run's own PATH, and runs a script without #! through sh as shells do */
    execvp(p->argv[0], p->argv);
    refuse(channel, HD_STAGE_EXEC);
}

static void report(int control, const hd_record *record) {
    while (send(control, record, sizeof *record, MSG_NOSIGNAL) < 0 && errno == EINTR) {}
}

static void note_reaped(pid_t pid, int status, void *context) {
    first_process *first = context;
    if (pid == first->pid) {
        first->ended = 1;
        first->status = status;
    }
}

static void reap(first_process *first) {
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid > 0)
            note_reaped(pid, status, first);
        else if (!(pid < 0 && errno == EINTR))
            return;
    }
}

/* The group, so that `sh -c` and its children hear it too. Its leader is not reaped yet: the number is ours. */
static void ask_to_end(const first_process *first) {
    if (first->ended) return;
    if (kill(-first->pid, SIGTERM)) kill(first->pid, SIGTERM); /* setsid is still to come */
    if (kill(-first->pid, SIGCONT)) kill(first->pid, SIGCONT); /* a stopped process would not hear it */
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* Waits until the run's first process has ended, or has to. */
static void watch(const hd_request *r, int control, int *channel, int signals, hd_log *out, hd_log *err,
                  first_process *first, hd_record *record, int64_t begin) {
    int64_t kill_at = INT64_MAX, timeout_at = r->timeout_ns ? begin + r->timeout_ns : INT64_MAX;
    while (!first->ended) {
        int64_t now = hd_now();
        if (now >= kill_at) return;
        if (now >= timeout_at) {
            record->flags |= HD_TIMED_OUT;
            timeout_at = INT64_MAX;
            kill_at = least(kill_at, now + r->grace_ns);
            ask_to_end(first);
            continue;
        }
        int64_t due = least(kill_at, timeout_at), wait = due == INT64_MAX ? -1 : (due - now + 999999) / 1000000;
        struct pollfd fds[] = {{control, POLLIN, 0},    {signals, POLLIN, 0},   {*channel, POLLIN, 0},
                               {out->pipe, POLLIN, 0}, {err->pipe, POLLIN, 0}};
        if (poll(fds, 5, (int)least(wait, INT_MAX)) < 0) continue;
        if (fds[3].revents) hd_log_pump(out, 16);
        if (fds[4].revents) hd_log_pump(err, 16);
        if (fds[2].revents) {
            failure why;
            if (read(*channel, &why, sizeof why) == (ssize_t)sizeof why) {
                record->stage = why.stage;
                record->error = why.error;
            } else { /* closed by a successful exec */
                record->kind = HD_STARTED;
                report(control, record);
            }
            close(*channel);
            *channel = -1;
        }
        if (fds[1].revents) {
            struct signalfd_siginfo info;
            while (read(signals, &info, sizeof info) > 0) {}
            reap(first);
        }
        if (fds[0].revents) {
            hd_command command;
            ssize_t n = recv(control, &command, sizeof command, MSG_DONTWAIT);
            if (n == (ssize_t)sizeof command && command.kind == HD_CANCEL && !first->ended) {
                if (!(record->flags & HD_TIMED_OUT)) record->flags |= HD_CANCELED;
                if (command.grace_ns > 0) ask_to_end(first);
                kill_at = least(kill_at, hd_now() + command.grace_ns);
            } else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
                record->flags |= HD_DRIVER_GONE;
                return;
            }
        }
    }
}

static void close_each(const int *fds, int n) {
    for (int i = 0; i < n; i++)
        if (fds[i] > 2) close(fds[i]);
}

int hd_supervise(const int *fds, int count, int spawner, char **payload, size_t *size) {
    const int control = fds[0], request = fds[1], *held = fds + 2, held_count = count - 2;
    hd_record record = {.kind = HD_HELLO, .status = -1};
    hd_log out = {.pipe = -1, .file = -1, .ring = -1}, err = out;
    first_process first = {0};
    plan p = {0};
    int outs[2] = {-1, -1}, errs[2] = {-1, -1}, channel[2] = {-1, -1}, signals = -1;
    sigset_t children;

    report(control, &record); /* from here on the run may have begun: the driver must not start it a second time */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "hdcore-shim");
    ignore_signals();
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    sigprocmask(SIG_SETMASK, &children, NULL);

    record.stage = HD_STAGE_REQUEST;
    if ((record.error = read_plan(request, &p))) goto end;
    close(request);
    record.stage = HD_STAGE_FORK;
    if ((signals = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC)) < 0 || pipe2(outs, O_CLOEXEC) ||
        pipe2(errs, O_CLOEXEC) || pipe2(channel, O_CLOEXEC) || fcntl(outs[0], F_SETFL, O_NONBLOCK) ||
        fcntl(errs[0], F_SETFL, O_NONBLOCK)) {
        record.error = errno;
        goto end;
    }
    record.stage = HD_STAGE_LOG;
    if ((record.error = hd_log_open(&out, p.out, outs[0], p.request->log_head, p.request->log_tail)) ||
        (record.error = hd_log_open(&err, p.err, errs[0], p.request->log_head, p.request->log_tail)))
        goto end;

    record.stage = HD_STAGE_FORK;
    pid_t self = getpid();
    int64_t begin = hd_now();
    /* Signals that come before the child has its own handling wait: blocked, they are not lost though ignored now. */
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    first.pid = fork();
    if (first.pid) sigprocmask(SIG_SETMASK, &children, NULL);
    if (first.pid == 0) {
        become_run(&p, self, outs[1], errs[1], channel[1]);
        int ours[] = {control, spawner, signals, outs[0], outs[1], errs[0], errs[1], out.file, err.file, channel[0], channel[1]};
        close_each(ours, sizeof ours / sizeof *ours);
        close_each(held, held_count);
        *payload = (char *)p.request;
        *size = p.size;
        return 1;
    }
    if (first.pid < 0) {
        record.error = errno;
        goto end;
    }
    record.stage = HD_STAGE_NONE;
    record.pid = first.pid;
    int kept[HD_MOST_HELD + 7] = {control, signals, channel[0], outs[0], errs[0], out.file, err.file};
    memcpy(kept + 7, held, (size_t)held_count * sizeof *held);
    close_all_but(kept, 7 + held_count);
    watch(p.request, control, &channel[0], signals, &out, &err, &first, &record, begin);

    hd_ending ending = {.give_up_ns = p.request->give_up_ns, .reaped = note_reaped, .context = &first};
    int left = hd_end_tree(&ending);
    record.duration_ns = hd_now() - begin;
    if (channel[0] >= 0 && !(record.flags & HD_DRIVER_GONE)) { /* it ended before the loop had read how exec went */
        failure why;
        if (read(channel[0], &why, sizeof why) == (ssize_t)sizeof why) {
            record.stage = why.stage;
            record.error = why.error;
        } else {
            record.kind = HD_STARTED;
            report(control, &record);
        }
    }
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    record.user_us = (int64_t)used.ru_utime.tv_sec * 1000000 + used.ru_utime.tv_usec;
    record.system_us = (int64_t)used.ru_stime.tv_sec * 1000000 + used.ru_stime.tv_usec;
    record.max_rss_kib = used.ru_maxrss;
    record.killed = ending.killed;
    if (left) {
        record.flags |= HD_UNKILLABLE;
        record.survivor = ending.survivor;
    }
    if (first.ended) record.status = first.status;
end:
    record.dropped_out = hd_log_finish(&out);
    record.dropped_err = hd_log_finish(&err);
    record.kind = HD_ENDED;
    if (!(record.flags & HD_UNKILLABLE)) close_each(held, held_count); /* before the driver looks for what is free */
    report(control, &record);
    if (record.flags & HD_UNKILLABLE) { /* keep the tree together until it is gone after all */
        ending.give_up_ns = 1000000000;
        while (hd_end_tree(&ending)) {}
        close_each(held, held_count);
        record.kind = HD_GONE;
        report(control, &record);
    }
    return 0;
}
