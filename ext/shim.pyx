"""Supervision of runs in C, and the two system interfaces that Python lacks: inotify and pidfd checks."""

from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport errno
from libc.stdint cimport uint32_t
from libc.stdlib cimport free

import os


cdef extern from "Python.h":
    void PyOS_BeforeFork()
    void PyOS_AfterFork_Parent()
    void PyOS_AfterFork_Child()


cdef extern from "_shim.h" nogil:
    int hd_serve(int control, char **payload, size_t *size)

cdef extern from "_shim.h":
    int hd_run_file(const char *path)
    int hd_run_module(const char *name) except -1

cdef extern from "stdio.h" nogil:
    int fflush(void *stream)

cdef extern from "sys/mman.h" nogil:
    int madvise(void *start, size_t size, int advice)

cdef extern from "sys/prctl.h" nogil:
    enum:
        PR_SET_PDEATHSIG
    int prctl(int option, ...)

cdef extern from "sys/wait.h" nogil:
    int waitpid(int pid, int *status, int options)

cdef extern from "unistd.h" nogil:
    int fork()
    void _exit(int status)


cdef extern from "sys/inotify.h" nogil:
    enum:
        IN_NONBLOCK
        IN_CLOEXEC
        IN_MODIFY
        IN_Q_OVERFLOW
        IN_IGNORED
    int inotify_init1(int flags)
    int inotify_add_watch(int fd, const char *path, uint32_t mask)
    int inotify_rm_watch(int fd, int watch)


MODIFIED = IN_MODIFY
OVERFLOWED = IN_Q_OVERFLOW
IGNORED = IN_IGNORED


def serve(int control):
    """Work as the spawner until the driver is gone: None. In the child of a function run: its request, as bytes.

    The caller has one thread. It keeps the GIL, for nobody waits for it; a child that returns to Python is given a sane
    interpreter by the same two calls that `os.fork` makes around its fork.
    """
    cdef char *payload = NULL
    cdef size_t size = 0
    cdef int result
    fflush(NULL)  # else each run would write what C libraries have buffered
    PyOS_BeforeFork()
    result = hd_serve(control, &payload, &size)
    if result <= 0:
        PyOS_AfterFork_Parent()
        if result < 0:
            raise OSError(-result, os.strerror(-result))
        return None
    PyOS_AfterFork_Child()
    request = PyBytes_FromStringAndSize(payload, size)
    free(payload)
    return request


def run_file(bytes path not None):
    """Become ``python PATH``. Does not return; returns False, with nothing done, if the file cannot be opened."""
    hd_run_file(path)
    return False


def run_module(bytes name not None):
    """Become ``python -m NAME``, which does not return."""
    hd_run_module(name)


def end_with_parent(int sig):
    """Have the kernel send `sig` when the thread ends that started this process; 0: no more."""
    prctl(PR_SET_PDEATHSIG, <unsigned long>sig)


def settle():
    """Fork once, for nothing: libraries that keep a thread pool and know of forks (OpenBLAS) end their threads."""
    cdef int status
    cdef int pid = fork()
    if pid == 0:
        _exit(0)
    if pid > 0:
        waitpid(pid, &status, 0)


def collapse(size_t start, size_t end):
    """Ask the kernel to put private memory into huge pages now; what it cannot, or does not know how to, stays."""
    madvise(<void *>start, end - start, 25)  # MADV_COLLAPSE, since Linux 6.1


def watch_open():
    """Return a new inotify descriptor, not blocking, closed on exec."""
    cdef int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC)
    if fd < 0:
        raise OSError(errno, os.strerror(errno))
    return fd


def watch_add(int fd, bytes path not None):
    """Watch a file for writes; return the watch number."""
    cdef int watch = inotify_add_watch(fd, path, IN_MODIFY)
    if watch < 0:
        raise OSError(errno, os.strerror(errno))
    return watch


def watch_remove(int fd, int watch):
    """Stop watching. A watch that is gone already is no error."""
    inotify_rm_watch(fd, watch)
