/* One stream of a run, pipe to file, bounded.

   The first `head_room` bytes go to the file as they come. What follows goes round and round in an unlinked ring
   file of `tail_room` bytes, so a flood costs neither memory nor blocks the run; at the end the ring is appended in
   order, after a line that says how much was left out. A failed write (disk full, RLIMIT_FSIZE) loses bytes,
   which are counted, and never stops the reading. */
#define _GNU_SOURCE
#include "_shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char buffer[1 << 16];

int hd_log_open(hd_log *log, const char *path, int pipe, int64_t head_room, int64_t tail_room) {
    *log = (hd_log){.pipe = pipe, .ring = -1, .head_room = head_room, .tail_room = tail_room, .path = path};
    /* A new file, not an old one made empty: an earlier attempt may have put a link there, and its shim may still be
       writing to the old one while a new driver starts this attempt. */
    if (unlink(path) && errno != ENOENT) return errno;
    log->file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    return log->file < 0 ? errno : 0;
}

static int64_t put(int fd, const char *data, int64_t n, int64_t at) {
    int64_t done = 0;
    while (done < n) {
        ssize_t k = at < 0 ? write(fd, data + done, (size_t)(n - done))
                           : pwrite(fd, data + done, (size_t)(n - done), (off_t)(at + done));
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) break;
        done += k;
    }
    return done;
}

static void open_ring(hd_log *log) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s.tail", log->path) >= (int)sizeof path) return;
    unlink(path); /* of an attempt that was killed between the next two lines */
    log->ring = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (log->ring >= 0) unlink(path);
}

static void keep(hd_log *log, const char *data, int64_t n) {
    int64_t head = log->head_room - log->written;
    if (head > 0) {
        int64_t part = n < head ? n : head, done = put(log->file, data, part, -1);
        log->written += part;
        log->lost += part - done;
        data += part;
        n -= part;
    }
    if (n && log->ring < 0) open_ring(log);
    while (n > 0) {
        int64_t at = log->tail_room ? log->overflow % log->tail_room : 0, part = log->tail_room - at;
        if (part > n) part = n;
        if (part <= 0 || log->ring < 0 || put(log->ring, data, part, at) < part) {
            log->lost += n;
            return;
        }
        log->overflow += part;
        data += part;
        n -= part;
    }
}

void hd_log_pump(hd_log *log, int most) {
    while (log->pipe >= 0 && most-- > 0) {
        ssize_t n = read(log->pipe, buffer, sizeof buffer);
        if (n > 0) {
            keep(log, buffer, n);
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        close(log->pipe);
        log->pipe = -1;
    }
}

static void append(hd_log *log, int64_t from, int64_t to) {
    while (from < to) {
        int64_t part = to - from < (int64_t)sizeof buffer ? to - from : (int64_t)sizeof buffer;
        ssize_t n = pread(log->ring, buffer, (size_t)part, (off_t)from);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            log->lost += to - from;
            return;
        }
        log->lost += n - put(log->file, buffer, n, -1);
        from += n;
    }
}

int64_t hd_log_finish(hd_log *log) {
    if (log->file < 0) return 0;
    hd_log_pump(log, 1024); /* more than any pipe holds, yet an end, should a stranger write for ever */
    if (log->pipe >= 0) close(log->pipe); /* a stranger may hold the other end: do not wait for its end of file */
    int64_t left_out = log->overflow > log->tail_room ? log->overflow - log->tail_room : 0;
    if (left_out || log->lost) {
        char line[96];
        int n = snprintf(line, sizeof line, "\n[hdcore: %lld bytes left out here]\n", (long long)(left_out + log->lost));
        put(log->file, line, n, -1);
    }
    if (left_out) {
        int64_t seam = log->overflow % log->tail_room;
        append(log, seam, log->tail_room);
        append(log, 0, seam);
    } else if (log->overflow) {
        append(log, 0, log->overflow);
    }
    if (log->ring >= 0) close(log->ring);
    close(log->file);
    log->file = log->pipe = log->ring = -1;
    return left_out + log->lost;
}
