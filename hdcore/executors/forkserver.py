"""The fork server's program: ``python forkserver.py SHIM HEADER CONTROL STATUS PARENT MODULE…``.

It imports the modules and then works as the spawner. The child of a warm run comes back from there, is dressed as the
interpreter that ``python SCRIPT`` would have started, and becomes that script; see ``ext/shim_main.c``. Hash seed,
interpreter flags and what the modules did at their import are those of the server.

It is run by its path and imports as little as can be: what it loads is loaded in every run. Everything that the driver
has to know goes to STATUS: lines of ``importing NAME``, ``refused WHY`` or ``ready NAMES``.
"""

from __future__ import annotations

import sys

BARE = frozenset(sys.modules)
"""What an interpreter has loaded before it looks at the script's folder."""

import _signal  # type: ignore[import-not-found] # noqa: E402  # signal would bring enum and all that it needs
import builtins  # noqa: E402
import gc  # noqa: E402
import os  # noqa: E402
import struct  # noqa: E402
import time  # noqa: E402
from importlib import import_module  # noqa: E402
from importlib.machinery import BuiltinImporter, ExtensionFileLoader, ModuleSpec  # noqa: E402

TYPE_CHECKING = False  # the module typing is not loaded for this
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import ModuleType
    from typing import Any

GPU_DEVICES = ("/dev/nvidia", "/dev/kfd", "/dev/dri/render")


# ---------------------------------------------------------------------- the server


def prepare(name: str, shim: Any) -> str | None:
    """Import a module; return why no process may be forked after that, None if it may."""
    try:
        import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        what = " ".join(str(error).split())
        return f"{name!r} cannot be imported ({type(error).__name__}{': ' + what if what else ''})"
    if count_threads() > 1:
        shim.settle()
    for _ in range(200):  # a thread that was joined leaves the list a moment later, which is long on a busy machine
        threads = count_threads() - 1
        if not threads:
            break
        time.sleep(0.005)
    if threads:
        word = "a thread" if threads == 1 else f"{threads} threads"
        return f"{name!r} leaves {word} running when it is imported, and a process with threads cannot be forked safely"
    if has_children():
        return f"{name!r} leaves a process running when it is imported"
    gpu = gpu_in_use()
    if gpu:
        return f"{name!r} initialises the GPU when it is imported ({gpu}), which does not survive a fork"
    return None


def count_threads() -> int:
    """Return the threads of this process that make a fork unsafe, and the first one; see ``ext/shim_spawn.c``."""
    names = os.listdir("/proc/self/task")
    return len(names) if len(names) == 1 else sum(not is_fork_safe(name) for name in names)


def is_fork_safe(thread: str) -> bool:
    try:
        with open(f"/proc/self/task/{thread}/comm", "rb") as file:
            return file.read() == b"jemalloc_bg_thd\n"
    except OSError:  # it has ended
        return True


def has_children() -> bool:
    try:
        while os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG) is not None:
            pass  # one that has ended is none
    except ChildProcessError:
        return False
    return True


def gpu_in_use(links: str = "/proc/self/fd", maps: str = "/proc/self/maps") -> str | None:
    """Return by what it is seen that this process has a GPU context; None if it has none."""
    cuda = sys.modules.get("torch.cuda")
    if cuda is not None and cuda.is_initialized():
        return "torch.cuda.is_initialized()"
    for fd in os.listdir(links):
        try:
            target = os.readlink(f"{links}/{fd}")
        except OSError:  # the descriptor of the listing itself
            continue
        if target.startswith(GPU_DEVICES):
            return f"{target} is open"
    with open(maps, "rb") as file:
        paths = {line.split(None, 5)[5].strip() for line in file if b"/libcuda.so" in line}
    for path in paths:
        import ctypes

        context = ctypes.c_void_p()
        if ctypes.CDLL(os.fsdecode(path)).cuCtxGetCurrent(ctypes.byref(context)) == 0:  # else: not initialised
            return "cuInit was called"
    return None


def use_huge_pages(shim: Any, maps: str = "/proc/self/maps") -> None:
    """Have the memory of Python objects in huge pages: a fork then copies one entry where it copied 512.

    A write after a fork still copies 4 KiB only.
    """
    size = 2 << 20
    with open(maps, "rb") as file:
        lines = file.read().splitlines()
    for line in lines:
        words = line.split()
        if words[1] == b"rw-p" and words[5:] in ([], [b"[heap]"]):
            start, end = (int(word, 16) for word in words[0].split(b"-"))
            start, end = -(-start // size) * size, end // size * size
            if start < end:
                shim.collapse(start, end)


def tell(status: int, kind: str, words: str) -> None:
    try:
        os.write(status, f"{kind} {words}\n".encode(errors="backslashreplace"))
    except BrokenPipeError:  # a server that replaces another: nobody listens
        pass


def serve(
    shim: Any, control: int, status: int, parent: int, modules: Iterable[str]
) -> tuple[bytes, list[tuple[int, Any]]]:
    """Import, serve until the driver is gone, and return; in the child of a run return its request."""
    shim.end_with_parent(_signal.SIGKILL)  # who imports does not look at the driver's socket
    if os.getppid() != parent:
        os._exit(0)
    hide_at_exit()
    for name in modules:
        tell(status, "importing", name)
        why = prepare(name, shim)
        if why:
            tell(status, "refused", why)
            print(why, file=sys.stderr, flush=True)
            os._exit(1)
    loaded = {name.partition(".")[0] for name in sys.modules} - {name.partition(".")[0] for name in BARE}
    tell(status, "ready", " ".join(sorted(loaded - {*sys.builtin_module_names, "__main__"})))
    os.close(status)
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    hidden.append(hidden)
    hidden.append(shared)
    shared.update(sys.modules)
    for name in ("sys", "builtins", "__main__"):
        del shared[name]
    gc.collect()
    gc.freeze()  # a collection would touch, and so copy, every page that runs share
    use_huge_pages(shim)
    shim.end_with_parent(0)
    handlers = [(sig, _signal.getsignal(sig)) for sig in range(1, _signal.NSIG)]
    request = shim.serve(control)
    if request is None:
        import atexit

        atexit._run_exitfuncs()
        os._exit(0)
    return request, handlers


# ---------------------------------------------------------------------- the end of a run

shared: dict[str, ModuleType] = {}
"""What the server has loaded."""

hidden: list[object] = []
"""Holds itself, and is frozen: neither counting nor collecting ends what it holds."""


def hide_at_exit() -> None:
    """Have `hide` called by every run after all other exit handlers: the first to come is the last to be called."""
    import atexit

    atexit.register(hide)
    if "atexit" not in BARE:
        del sys.modules["atexit"]


def hide() -> None:
    """Keep the interpreter, which is about to finalise all modules, from those of the server.

    Taking these apart would touch, and so copy, most pages that are shared with the server: several times the work of
    starting. The run's own modules, with all that only they hold, are finalised as ever.
    """
    import io

    gc.collect()  # finalisers of garbage may still import
    for thing in gc.get_objects():  # not those of the server, which are frozen
        if isinstance(thing, (io.BufferedWriter, io.BufferedRandom, io.TextIOWrapper)):
            try:
                thing.flush()  # it may be held by a module that is hidden now
            except (OSError, ValueError):
                pass
    for name, module in shared.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]


# ---------------------------------------------------------------------- a run


def split(request: bytes, header: str) -> tuple[list[bytes], dict[bytes, bytes]]:
    """Return argument list and environment of a request."""
    _, argc, envc, _, cpu_words, *_ = struct.unpack_from(header, request)
    words = request[struct.calcsize(header) + 8 * cpu_words :].split(b"\0")[3:]
    return words[:argc], dict(pair.partition(b"=")[::2] for pair in words[argc : argc + envc])


def become(shim: Any, argv: list[bytes], environment: dict[bytes, bytes], handlers: Iterable[tuple[int, Any]]) -> None:
    """Turn this copy of the server into the program of `argv`. Does not return."""
    restore_environment(environment)
    words = [os.fsdecode(word) for word in argv]
    rest = words[1:]
    while rest[0] == "-u":
        del rest[0]
    path = None if rest[0] == "-m" else absolute(rest[0])
    if path is not None and not is_script(path):
        os.execvpe(argv[0], argv, environment)  # no file, a folder, an archive: the interpreter knows what to do
    restore_signals(handlers)
    restore_streams(len(rest) < len(words) - 1)
    restore_interpreter(words)
    refresh_libraries()
    if not sys.flags.safe_path:
        sys.path.insert(0, os.getcwd() if path is None else os.path.dirname(os.path.realpath(path)))
    sys.argv[:] = rest if path is not None else ["-m", *rest[2:]]
    new_main()
    if path is None:
        shim.run_module(os.fsencode(rest[1]))
    elif not shim.run_file(os.fsencode(path)):
        os.execvpe(argv[0], argv, environment)


def absolute(path: str) -> str:
    """Return a path as the interpreter makes it absolute for `__file__`: it resolves nothing."""
    return path if path.startswith("/") else f"{os.getcwd()}/{path}"


def is_script(path: str) -> bool:
    try:
        if not os.path.isfile(path):
            return False
        for hook in sys.path_hooks:
            try:
                hook(path)
            except ImportError:
                continue
            return False  # an archive
    except OSError:
        return False
    sys.path_importer_cache[path] = None
    return True


def restore_environment(environment: dict[bytes, bytes]) -> None:
    """Give the process this environment, in its order too, which programs that it starts would see."""
    data: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
    for name in data:
        os.unsetenv(name)
    for name, value in environment.items():
        os.putenv(name, value)
    data.clear()
    data.update(environment)


def restore_signals(handlers: Iterable[tuple[int, Any]]) -> None:
    for sig, handler in handlers:
        if handler is not None and handler != _signal.SIG_DFL:
            _signal.signal(sig, handler)
    faulthandler = sys.modules.get("faulthandler")
    if faulthandler is not None and faulthandler.is_enabled():
        faulthandler.disable()
        faulthandler.enable()


def restore_streams(is_unbuffered: bool) -> None:
    """Make the standard streams anew upon the run's descriptors, in place: modules may hold on to the objects."""
    import io

    for fd, name, stream in ((0, "stdin", sys.__stdin__), (1, "stdout", sys.__stdout__), (2, "stderr", sys.__stderr__)):
        if not isinstance(stream, io.TextIOWrapper):
            continue
        mode = "r" if fd == 0 else "w"
        buffer: Any = stream.buffer
        is_raw = isinstance(buffer, io.FileIO)
        settings: dict[str, Any] = {
            "encoding": stream.encoding,
            "errors": stream.errors,
            "newline": "\n",
            "line_buffering": stream.line_buffering,
            "write_through": stream.write_through,
        }
        raw: Any = io.FileIO(fd, mode, closefd=False)
        raw.name = f"<{name}>"
        if is_unbuffered and fd:
            settings["write_through"], settings["line_buffering"] = True, False
        if is_raw or (is_unbuffered and fd):
            buffer = raw
        else:
            size = raw._blksize if raw._blksize > 1 else io.DEFAULT_BUFFER_SIZE
            if sys.version_info >= (3, 14):
                size = max(min(size, 8 << 20), io.DEFAULT_BUFFER_SIZE)
            buffer.__init__(raw, size)
        io.TextIOWrapper.__init__(stream, buffer, **settings)


def restore_interpreter(words: list[str]) -> None:
    sys.orig_argv[:] = words
    program = words[0]
    executable = os.path.abspath(program) if "/" in program else f"{os.path.dirname(sys.executable)}/{program}"
    if executable != sys.executable:
        sys.executable = executable
        spawn = sys.modules.get("multiprocessing.spawn")
        if spawn is not None:
            spawn.set_executable(executable)


def refresh_libraries() -> None:
    """Renew what libraries take from the process at their import. (`random` sees to itself after a fork.)"""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed()
    process: Any = sys.modules.get("multiprocessing.process")
    if process is not None:
        process.ORIGINAL_DIR = os.getcwd()
        process.current_process().authkey = os.urandom(32)
    threading = sys.modules.get("threading")
    if threading is not None and hasattr(threading.main_thread(), "_set_native_id"):
        threading.main_thread()._set_native_id()


def new_main() -> None:
    """Put a fresh `__main__` in place, with the names that the interpreter gives it, in their order."""
    main: Any = type(sys)("__main__")
    main.__loader__ = BuiltinImporter
    if sys.version_info < (3, 14):
        main.__annotations__ = {}
    main.__builtins__ = builtins
    kept.append(sys.modules["__main__"])
    sys.modules["__main__"] = main


kept: list[ModuleType] = []
"""The server's own `__main__`, whose code still runs."""


def begin(shim_path: str, header: str, control: str, status: str, parent: str, *modules: str) -> None:
    if not sys.flags.safe_path:
        del sys.path[0]  # this file's folder
    del sys.argv[:]
    loader = ExtensionFileLoader("hdcore._native.shim", shim_path)
    shim = loader.create_module(ModuleSpec("hdcore._native.shim", loader, origin=shim_path))
    loader.exec_module(shim)
    sys.modules.pop("hdcore._native.shim", None)  # it enters itself; a run that imports hdcore finds nothing of it
    request, handlers = serve(shim, int(control), int(status), int(parent), modules)
    become(shim, *split(request, header), handlers)


if __name__ == "__main__":
    begin(*sys.argv[1:])
