/* A program started inside an interpreter that has been forked: what `python SCRIPT` and `python -m MODULE` do once
   the interpreter is up, through the same functions of CPython, so that tracebacks, SystemExit, exit codes, waiting for
   threads and exit handlers are those of a cold start. The only part of the shim that touches Python objects. */
#include <Python.h>

#include "_shim.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The program's first frame has no caller, and all of the recursion limit is its own: the frames of the fork server
   are unhooked. They are never returned to. greenlet begins its stacks in the same way. */
static void unhook_frames(void) {
    PyThreadState *thread = PyThreadState_Get();
#if PY_VERSION_HEX >= 0x030D0000
    thread->current_frame = NULL;
#else
    thread->cframe->current_frame = NULL;
#endif
#if PY_VERSION_HEX >= 0x030C0000
    thread->py_recursion_remaining = thread->py_recursion_limit;
#else
    thread->recursion_remaining = thread->recursion_limit;
#endif
}

static _Noreturn void leave(int code, int interrupted) {
    if (Py_FinalizeEx() < 0) code = 120; /* as `python` does when the last flush of stdout fails */
    if (interrupted) { /* a shell loop around the program must see that it was interrupted */
        signal(SIGINT, SIG_DFL);
        kill(getpid(), SIGINT);
    }
    exit(code);
}

int hd_run_file(const char *path) {
    FILE *file = fopen(path, "rbe");
    if (!file) return -1;
    unhook_frames();
    PyCompilerFlags flags = _PyCompilerFlags_INIT;
    int failed = PyRun_SimpleFileExFlags(file, path, 1, &flags) != 0;
    leave(failed, failed && PySys_GetObject("last_type") == PyExc_KeyboardInterrupt);
}

int hd_run_module(const char *name) {
    PyObject *runpy = PyImport_ImportModule("runpy");
    PyObject *run = runpy ? PyObject_GetAttrString(runpy, "_run_module_as_main") : NULL;
    PyObject *arguments = run ? Py_BuildValue("(Ni)", PyUnicode_DecodeFSDefault(name), 1) : NULL;
    if (!arguments) return -1;
    unhook_frames();
    PyObject *result = PyObject_Call(run, arguments, NULL);
    if (!result) PyErr_Print(); /* leaves at once for SystemExit */
    leave(!result, 0);
}
