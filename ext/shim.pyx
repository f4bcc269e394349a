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
