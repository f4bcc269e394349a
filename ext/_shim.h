/* What the parts of hdcore._native.shim share: the wire structs and the functions that cross files.

   Two kinds of helper processes run this code, both forked from one small single-threaded Python process:

   spawner   one per executor; takes launch requests from the driver and forks a shim for each (shim_spawn.c)
   shim      one per run; starts the run, keeps its logs, waits, ends its whole tree (shim_supervise.c)

   Nothing of this touches a Python object but shim_main.c, which starts a Python program in a run's process that was
   forked and not executed anew. The structs are mirrored by hdcore/executors/protocol.py. */
#ifndef HDCORE_SHIM_H
#define HDCORE_SHIM_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HD_MAGIC 0x31534448u /* "HDS1" */

/* ---- launch request: a memfd that holds this header, the affinity words, then NUL-terminated strings:
        cwd, stdout path, stderr path, argv[argc], environment[envc] ("NAME=value"). */
typedef struct {
    uint32_t magic;
    uint32_t argc;
    uint32_t envc;
    uint32_t function;  /* 1: no exec, the run's child returns to Python: a function, or a warm start of a script */
    uint32_t cpu_words; /* 64-bit words of the affinity mask, 0 = leave it alone */
    uint32_t reserved;
    int64_t timeout_ns; /* 0 = none */
    int64_t grace_ns;   /* between SIGTERM and SIGKILL at the run timeout */
    int64_t give_up_ns; /* after the first SIGKILL: the tree is called unkillable */
    int64_t log_head;   /* bytes kept from the start of each stream */
    int64_t log_tail;   /* bytes kept from the end of each stream */
    char name[16];      /* PR_SET_NAME of a function run: how leftovers are found without an exec */
} hd_request;

/* ---- driver -> shim, over the run's own socket. End of file means that the driver is dead. */
enum { HD_CANCEL = 1 };
typedef struct {
    uint32_t kind;
    uint32_t reserved;
    int64_t grace_ns;
} hd_command;

/* ---- shim -> driver, over the run's own socket */
enum { HD_HELLO = 1, HD_STARTED = 2, HD_ENDED = 3, HD_GONE = 4 };
enum { HD_TIMED_OUT = 1, HD_CANCELED = 2, HD_UNKILLABLE = 4, HD_DRIVER_GONE = 8 };
enum { HD_STAGE_NONE = 0, HD_STAGE_REQUEST = 1, HD_STAGE_LOG = 2, HD_STAGE_FORK = 3, HD_STAGE_CWD = 4, HD_STAGE_EXEC = 5 };
typedef struct {
    uint32_t kind;
    int32_t pid;      /* of the run's first process */
    int32_t status;   /* wait status; meaningful when it was started */
    int32_t stage;    /* where starting failed, HD_STAGE_NONE if it did not */
    int32_t error;    /* errno of that stage */
    uint32_t flags;
    int32_t survivor; /* pid of one process that would not die */
    uint32_t killed;  /* descendants that had to be killed */
    int64_t duration_ns;
    int64_t user_us;
    int64_t system_us;
    int64_t max_rss_kib;
    int64_t dropped_out;
    int64_t dropped_err;
} hd_record;

/* ---- spawner -> driver. The driver's request is one uint64 token with descriptors: the run's socket, the memfd of the
        request, and any number up to HD_MOST_HELD that the shim keeps open until the tree is gone (device leases). */
#define HD_MOST_HELD 128
enum { HD_SHIM_LOST = 1, HD_FORK_FAILED = 2, HD_THREADED = 3 };
typedef struct {
    uint32_t kind;
    int32_t status; /* wait status of the shim, errno of fork, or the number of threads that forbids it */
    uint64_t token;
    int32_t survivor;
    uint32_t killed;
} hd_notice;

/* ---- shim_tree.c */
typedef struct {
    pid_t pid;
    pid_t parent;
    uint64_t start; /* field 22 of /proc/PID/stat: tells a process from a later one with its pid */
    char dead;   /* a zombie as a whole; a process whose first thread ended is not */
    char marked; /* belongs to the tree */
    char frozen; /* SIGSTOP was sent */
    char killed; /* SIGKILL was sent */
} hd_process;

typedef struct {
    hd_process *all;
    size_t count, room;
} hd_table;

int64_t hd_now(void);
int hd_scan(hd_table *table);
int hd_signal_exactly(const hd_process *process, int sig);

/* Called for each child that was reaped while a tree is being ended. */
typedef void (*hd_reaped)(pid_t pid, int status, void *context);

typedef struct {
    const pid_t *spared; /* children that do not belong to the tree (the spawner's shims) */
    size_t spared_count;
    int64_t give_up_ns;
    hd_reaped reaped;
    void *context;
    uint32_t killed;
    pid_t survivor;
} hd_ending;

/* Ends all descendants of the calling process but the spared ones. 0: none is left; -1: gave up, see survivor. */
int hd_end_tree(hd_ending *ending);

/* ---- shim_logs.c */
typedef struct {
    int pipe; /* read end; -1 when at its end */
    int file;
    int ring; /* unlinked file that takes what comes after the head; -1 until needed */
    int64_t head_room, tail_room;
    int64_t written;  /* into file, head only */
    int64_t overflow; /* bytes given to the ring since it was opened */
    int64_t lost;     /* bytes that no file took: disk full, size limit */
    const char *path;
} hd_log;

int hd_log_open(hd_log *log, const char *path, int pipe, int64_t head_room, int64_t tail_room);
void hd_log_pump(hd_log *log, int most); /* `most` reads of 64 KiB, fewer when the pipe is empty */
int64_t hd_log_finish(hd_log *log); /* returns the number of bytes left out */

/* ---- shim_supervise.c: 0 = the shim's work is done; 1 = this is the child of a function run.
        fds: the run's socket, the request, then what is held. */
int hd_supervise(const int *fds, int count, int spawner, char **payload, size_t *size);

/* ---- shim_spawn.c: 0 = the driver is gone; 1 = as above; -errno = could not begin */
int hd_serve(int control, char **payload, size_t *size);

/* ---- shim_main.c: the interpreter becomes `python PATH` or `python -m NAME`. Return only if they cannot begin. */
int hd_run_file(const char *path);
int hd_run_module(const char *name);

#endif
