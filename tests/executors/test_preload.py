"""Warm starts: each script of a zoo does in the fork server exactly what it does in an interpreter of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from executors.helpers import (
    children_of,
    events_until,
    executor,
    is_alive,
    make_launch,
    numbers_in,
    rows_of,
    run_to_end,
    wait_for,
)

from hdcore.errors import InputError
from hdcore.executors import forkserver
from hdcore.executors.cpus import thread_variables
from hdcore.executors.local import LocalExecutor
from hdcore.executors.preload import Preload, split_command
from hdcore.records import Event, RunEnd
from hdcore.typing import RunStatus

ROOT = Path(__file__).parents[2]
IS_WARM = "import gc; print('warm' if gc.get_freeze_count() else 'cold')\n"


@pytest.fixture(scope="module", autouse=True)
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`python` is ours, and nothing of the surroundings changes how an interpreter behaves."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PYTHON")]:
            patch.delenv(name)
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("PATH", os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]))
        patch.setenv("HDCORE_LEASE_DIR", str(tmp_path_factory.mktemp("runtime")))
        yield


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, **more}


def preload(*modules: str, **more: str) -> Preload:
    base = environment(**more)
    return Preload(modules, {**base, **thread_variables(1, base)})


@pytest.fixture(scope="module")
def warm(plain: None) -> Iterator[LocalExecutor]:
    """An executor for all scripts of the zoo: what one run does to the server, the next ones would show."""
    modules = ("numpy.random", "multiprocessing.pool", "logging", "concurrent.futures")
    with executor(2, preload=preload(*modules)) as it:
        it.notice = pytest.fail  # all of them are warm
        yield it


@pytest.fixture(scope="module")
def cold(warm: LocalExecutor) -> Iterator[LocalExecutor]:
    with executor(2) as it:
        yield it


def start(it: LocalExecutor, folder: Path, argv: list[str], **more: Any) -> tuple[RunEnd, str, str, list[Event]]:
    more.setdefault("environment", environment())
    end, events = run_to_end(it, make_launch(folder, argv=["python", *argv], **more))
    run = folder / "0000"
    out, err = ((run / f"{name}.log").read_text(errors="surrogateescape") for name in ("stdout", "stderr"))
    return end, out.replace(str(folder), "<folder>"), err.replace(str(folder), "<folder>"), events


def script(folder: Path, text: str, name: str = "script.py") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(textwrap.dedent(text))
    return str(folder / name)


ZOO = {
    "prints and ends": "print('out'); import sys; print('err', file=sys.stderr)",
    "uncaught exception": """
        def deep(n):
            if n == 0:
                raise ValueError("boom\\nsecond line")
            deep(n - 1)
        print("before")
        deep(3)
        """,
    "exception with a cause": """
        try:
            1 / 0
        except ZeroDivisionError as error:
            raise RuntimeError("while handling") from error
        """,
    "syntax error": "print('never')\nif True print('x')\n",
    "exit with a number": "import sys; sys.exit(7)",
    "exit with a text": "import sys; sys.exit('no data')",
    "exit without a word": "raise SystemExit",
    "exit with True": "import sys; sys.exit(True)",
    "exit with a float": "import sys; sys.exit(2.5)",
    "exit from a function called at exit": """
        import atexit
        atexit.register(print, "first in, last out")
        atexit.register(print, "last in, first out")
        raise KeyError("boom")
        """,
    "leaves without flushing": "import os; print('lost'); os._exit(9)",
    "killed": "import os, signal; print('x', flush=True); os.kill(os.getpid(), signal.SIGSEGV)",
    "interrupted": "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(60)",
    "terminated": "import os, signal, time; os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
    "own except hook": """
        import sys
        sys.excepthook = lambda kind, value, traceback: print("hook", kind.__name__, value)
        raise RuntimeError("boom")
        """,
    "stdout closed": "import os; print('x'); os.close(1)",
    "threads go on after the main thread": """
        import threading, time
        def work():
            time.sleep(0.05)
            print("thread done", threading.main_thread().is_alive())
        threading.Thread(target=work).start()
        print("main done", threading.current_thread() is threading.main_thread())
        """,
    "an error in a thread": """
        import threading
        thread = threading.Thread(target=lambda: 1 / 0, name="mine")
        thread.start(); thread.join()
        print(threading.get_native_id() == __import__("os").getpid() == threading.main_thread().native_id)
        """,
    "objects with finalisers": """
        class Loud:
            def __del__(self):
                print("deleted", __name__)
        keep = Loud()
        cycle = Loud(); cycle.self = cycle
        """,
    "finalisers that import, print and write": """
        import logging, sys, types
        class Late:
            def __init__(self, name):
                self.name = name
            def __del__(self):
                if self.name == "cycle":
                    import logging
                    print(logging.INFO, "logging" in sys.modules)
                print(self.name)
        at_end = Late("global")
        cycle = Late("cycle"); cycle.self = cycle
        del cycle
        own = types.ModuleType("own")
        own.kept = Late("of a module")
        sys.modules["own"] = own
        del own
        unflushed = open("unflushed.txt", "w")
        unflushed.write("x" * 100)
        """,
    "names of main": """
        import sys
        print(list(globals())[:9], __name__, __file__, __doc__, __package__, __spec__, type(__loader__).__name__)
        print(sys.modules["__main__"].__dict__ is globals(), sys.argv, sys.path[0], sys.orig_argv[1:], sys.executable)
        """,
    "nothing below the first frame": """
        import inspect, sys, traceback, warnings
        print(sys._getframe().f_back, len(inspect.stack()))
        traceback.print_stack()
        def f():
            warnings.warn("from afar", stacklevel=5)
            warnings.warn("old", DeprecationWarning, stacklevel=2)
        f()
        def down(n):
            try:
                return down(n + 1)
            except RecursionError:
                return n
        print(down(0))
        """,
    "standard streams": """
        import sys
        for s in (sys.stdin, sys.stdout, sys.stderr):
            print(s.name, s.mode, s.encoding, s.errors, s.line_buffering, s.write_through, s.newlines, s.buffer)
            print(s.fileno(), s.seekable(), s.readable(), s.writable(), s.isatty())
            print(s is getattr(sys, "__%s__" % s.name[1:-1]))
        print(repr(sys.stdin.read()))
        print("\\xe9 \\u20ac")
        print("\\udcff", file=sys.stderr)
        """,
    "not encodable": "print('\\udcff')",
    "descriptors and limits": """
        import os, resource
        print(sorted(os.listdir("/proc/self/fd")), oct(os.umask(0)), resource.getrlimit(resource.RLIMIT_NOFILE))
        print(os.getsid(0) == os.getpid() == os.getpgrp(), os.getcwd(), os.nice(0))
        """,
    "signal state": """
        import signal
        for number in sorted(signal.valid_signals()):
            if number not in (signal.SIGKILL, signal.SIGSTOP):
                print(number, signal.getsignal(number), end=" ")
        print(signal.pthread_sigmask(signal.SIG_BLOCK, []))
        for line in open("/proc/self/status"):
            if line.startswith(("SigBlk", "SigIgn", "SigCgt")):
                print(line, end="")
        """,
    "environment": """
        import os, subprocess
        print({k: v for k, v in os.environ.items() if k.startswith(("HDCORE_REPORT", "OMP", "PY", "LANG", "LC"))})
        print(list(os.environ) == [line.split("=")[0] for line in subprocess.run(["env", "-0"], text=True,
              stdout=subprocess.PIPE).stdout.split("\\0") if line and line.split("=")[0] in os.environ])
        """,
    "locale": """
        import locale, sys, time
        print(locale.setlocale(locale.LC_ALL), sys.getfilesystemencoding(), locale.getpreferredencoding(), time.tzname)
        """,
    "flags and interpreter": """
        import sys, gc, threading
        print(sys.flags, sys.warnoptions, sys.getswitchinterval(), sys.getrecursionlimit(), gc.isenabled(), sys.prefix)
        print([t.name for t in threading.enumerate()], sys.gettrace(), sys.exc_info(), sys.stdin.closed)
        print([name for name in sys.modules if name.startswith("hdcore")])
        """,
    "pickles its own classes": """
        import pickle
        class Point:
            x = 1
        print(pickle.loads(pickle.dumps(Point())).x, Point)
        """,
    "guard and dataclasses": """
        from __future__ import annotations
        from dataclasses import dataclass
        @dataclass
        class A:
            x: int = 1
        if __name__ == "__main__":
            print(A())
        """,
    "annotations without the future": "x: undefined_name = 1" if False else "x: int = 1\nprint(__annotations__)",
    "imports its neighbour": "import neighbour; print(neighbour.value)",
    "imports itself": """
        import sys
        if __name__ == "__main__":
            import script
            print(script.__name__, script.__file__)
        """,
    "changes the path of modules": """
        import os, sys
        os.makedirs("lib", exist_ok=True)
        open("lib/late.py", "w").write("value = 'late'")
        sys.path.insert(0, os.path.abspath("lib"))
        import late
        print(late.value)
        """,
    "multiprocessing by spawn": """
        import multiprocessing
        def square(x):
            return x * x
        if __name__ == "__main__":
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                print(pool.map(square, [1, 2, 3]), __name__)
        """,
    "multiprocessing by fork": """
        import multiprocessing
        def square(x):
            return x * x
        with multiprocessing.get_context("fork").Pool(2) as pool:
            print(pool.map(square, range(5)))
        """,
    "forks": """
        import os, sys
        print("once", flush=True)
        pid = os.fork()
        if pid == 0:
            print("child")
            sys.exit(3)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
    "executes another program": "import os; print('x', flush=True); os.execvp('echo', ['echo', 'replaced'])",
    "logs": "import logging; logging.warning('careful'); logging.getLogger('x').error('bad')",
    "reports": """
        import json, os
        with open(os.environ["HDCORE_REPORT"], "a") as file:
            file.write(json.dumps({"name": "loss", "value": 0.5}) + "\\n")
        """,
    "reports through the client": "from hdcore import get_run\nget_run().log('loss', 0.25)",
    "uses the compiled part of the server itself": """
        from hdcore._native import shim
        from hdcore.executors.local import LocalExecutor
        print(shim.__name__, shim.MODIFIED)
        with LocalExecutor(1) as executor:
            print(executor.capacity())
        """,
    "runs asyncio": """
        import asyncio
        async def main():
            await asyncio.sleep(0)
            process = await asyncio.create_subprocess_exec("echo", "from a child", stdout=-1)
            print((await process.communicate())[0])
        asyncio.run(main())
        """,
    "computes": "import numpy as np; print(np.linalg.inv(np.array([[2.0, 1.0], [1.0, 3.0]])).sum().round(9))",
    "a thread pool that is left": """
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(2)
        print(pool.submit(lambda: 7).result())
        """,
}


@pytest.mark.parametrize("name", ZOO)
def test_a_script_does_what_it_does_in_an_interpreter_of_its_own(
    warm: LocalExecutor, cold: LocalExecutor, tmp_path: Path, name: str
) -> None:
    seen = []
    for kind, it in (("cold", cold), ("warm", warm)):
        path = script(tmp_path, ZOO[name])
        script(tmp_path, "value = __name__, __file__", "neighbour.py")
        end, out, err, events = start(it, tmp_path, [path, "-v", "a b", "", "--lr=0.1"])
        seen.append((end.status, end.reason, end.exit_code, end.signal, out, err, [r.value for r in rows_of(events)]))
        (tmp_path / "0000").rename(tmp_path / kind)
    assert seen[1] == seen[0]


@pytest.mark.parametrize("flag", [[], ["-u"]])
def test_output_is_buffered_as_it_is_without_a_server(
    warm: LocalExecutor, cold: LocalExecutor, tmp_path: Path, flag: list[str]
) -> None:
    path = script(tmp_path, "import os, sys; print('p', sys.stdout.write_through, sys.stdout.buffer); os._exit(0)")
    (_, expected, _, _), (_, found, _, _) = (start(it, tmp_path, [*flag, path]) for it in (cold, warm))
    assert found == expected
    assert bool(found) == bool(flag)


def test_what_a_run_has_written_is_there_whoever_holds_the_file(warm: LocalExecutor, tmp_path: Path) -> None:
    text = """
        import gc, logging
        mine = open("mine.txt", "w"); mine.write("mine")
        logging.held = open("held.txt", "wb"); logging.held.write(b"held")
        assert gc.get_freeze_count()
        """
    end, *_ = start(warm, tmp_path, [script(tmp_path, text)])
    assert end.status is RunStatus.COMPLETED, end
    assert [(tmp_path / "0000" / f"{name}.txt").read_text() for name in ("mine", "held")] == ["mine", "held"]


def test_a_module_is_run_as_python_m_runs_it(warm: LocalExecutor, cold: LocalExecutor, tmp_path: Path) -> None:
    run = tmp_path / "0000"
    script(run / "package", "", "__init__.py")
    text = """
        import sys
        from . import __name__ as package
        print(__name__, __file__, __package__, __spec__.name, package, sys.argv, sys.path[0], sys.orig_argv[1:])
        if len(sys.argv) > 1:
            raise ValueError(sys.argv[1])
        """
    script(run / "package", text, "__main__.py")
    script(run / "package", text, "part.py")
    for words in (["package"], ["package.part", "boom"], ["package.missing"], ["timeit", "-n1", "-r1", "-h"]):
        (e0, *expected, _), (e1, *found, _) = (start(it, tmp_path, ["-m", *words]) for it in (cold, warm))
        assert found == expected
        assert (e1.reason, e1.exit_code) == (e0.reason, e0.exit_code)


@pytest.mark.parametrize("how", ["missing", "folder", "archive", "view", "relative"])
def test_scripts_of_every_kind_are_found(warm: LocalExecutor, cold: LocalExecutor, tmp_path: Path, how: str) -> None:
    run, code = tmp_path / "0000", tmp_path / "code"
    run.mkdir()
    text = "import sys, helper; print(__file__, sys.argv, sys.path[0], helper.__file__)"
    script(code, text, "train.py")
    script(code, "", "helper.py")
    words = ["train.py"]
    if how == "missing":
        words = ["nowhere.py"]
    elif how == "folder":
        script(code, text, "__main__.py")
        words = [str(code)]
    elif how == "archive":
        script(code, "print(__file__)", "__main__.py")
        subprocess.run([sys.executable, "-m", "zipfile", "-c", "app.py", "__main__.py"], cwd=code, check=True)
        words = [str(code / "app.py")]
    else:
        (run / "train.py").symlink_to("../code/train.py")
        words = ["./train.py" if how == "relative" else "train.py"]
    (e0, *expected, _), (e1, *found, _) = (start(it, tmp_path, [*words, "x"]) for it in (cold, warm))
    assert found == expected
    assert e1.exit_code == e0.exit_code


# ---- what is warm, and what is not


def test_modules_are_there_without_being_imported_again(tmp_path: Path) -> None:
    library = tmp_path / "library"
    script(
        library,
        "import os; print('imported', flush=True); print('half a'); pid = os.getpid()",
        "heavy.py",
    )
    path = script(
        tmp_path, "import os, sys; print('heavy' in sys.modules); import heavy; print(heavy.pid == os.getpid())"
    )
    search = os.pathsep.join([str(ROOT), str(library)])
    with executor(1, preload=preload("heavy", PYTHONPATH=search)) as it:
        outs = [start(it, tmp_path, [path], environment=environment(PYTHONPATH=search))[1] for _ in range(2)]
    assert outs == ["True\nFalse\n"] * 2  # what a module prints at its import comes once, and in no run


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["python", "s.py"], "s.py"),
        (["python3", "-u", "s.py", "-c"], "s.py"),
        (["python", "-m", "package", "-x"], ""),
        (["python", "-u", "-m", "package"], ""),
        (["python"], None),
        (["python", "-"], None),
        (["python", "-c", "1"], None),
        (["python", "-O", "s.py"], None),
        (["python", "-X", "dev", "s.py"], None),
        (["python", "-m"], None),
        (["python", "-um", "package"], None),
        (["python", ""], None),
    ],
)
def test_which_command_lines_can_be_warm(argv: list[str], expected: str | None) -> None:
    assert split_command(argv) == expected


def test_what_cannot_be_warm_starts_cold_and_is_told_once(tmp_path: Path) -> None:
    told: list[str] = []
    path = script(tmp_path, IS_WARM)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    with executor(1, preload=preload("_heapq")) as it:
        it.notice = told.append
        assert start(it, tmp_path, [path])[1] == "warm\n"
        assert told == []
        assert start(it, tmp_path, ["-O", path])[1] == "cold\n"
        assert len(told) == 1
        assert "cold" in told[0]
        assert "python SCRIPT" in told[0]
        assert start(it, tmp_path, [path], environment=environment(PYTHONHASHSEED="5"))[1] == "cold\n"
        other = environment(PATH=f"{tmp_path / 'bin'}:{os.environ['PATH']}")
        assert start(it, tmp_path, [path], environment=other)[1] == "cold\n"
        run_to_end(it, make_launch(tmp_path, argv=["/bin/sh", "-c", f"python {path}"], environment=environment()))
        assert (tmp_path / "0000/stdout.log").read_text() == "cold\n"
        assert start(it, tmp_path, [path])[1] == "warm\n"
    assert len(told) == 1


def test_a_module_of_the_scripts_own_folder_wins_over_a_preloaded_one(tmp_path: Path) -> None:
    told: list[str] = []
    path = script(tmp_path / "code", "import colorsys; print(colorsys.mine)")
    with executor(1, preload=preload("colorsys")) as it:
        it.notice = told.append
        assert start(it, tmp_path, [path])[0].exit_code == 1
        script(tmp_path / "code", "mine = 'own'", "colorsys.py")
        assert start(it, tmp_path, [path])[1] == "own\n"
    assert "'colorsys'" in told[0]


# ---- what runs do not share


def test_runs_draw_their_own_random_numbers(warm: LocalExecutor, tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
        import multiprocessing, numpy, random
        print(random.random(), numpy.random.random(), multiprocessing.current_process().authkey.hex())
        """,
    )
    drawn = [start(warm, tmp_path, [path])[1].split() for _ in range(3)]
    assert len({tuple(row) for row in drawn}) == 3
    assert all(len(set(column)) == 3 for column in zip(*drawn, strict=True))


def test_two_runs_at_once_have_their_own_masks_folders_and_cpus(tmp_path: Path) -> None:
    path = script(
        tmp_path,
        """
        import os, time
        open("here", "w").write(str(os.getpid()))
        while not all(os.path.exists(f"../000{k}/here") for k in (0, 1)):
            time.sleep(0.005)
        print(os.environ["CUDA_VISIBLE_DEVICES"], os.getcwd(), sorted(os.sched_getaffinity(0)))
        """,
    )
    ends: dict[int, RunEnd] = {}
    with executor(2, preload=preload("_heapq")) as it:
        for k in range(2):
            more = environment(CUDA_VISIBLE_DEVICES=f"GPU-{k}")
            it.start(make_launch(tmp_path, k, ["python", path], environment=more))
        while len(ends) < 2:
            ends |= {e.number: e for e in it.poll(10.0) if isinstance(e, RunEnd)}
        shares = [sorted(share or os.sched_getaffinity(0)) for share in it._places.cpus.shares]
    for k in range(2):
        assert (tmp_path / f"000{k}/stdout.log").read_text() == f"GPU-{k} {tmp_path}/000{k} {shares[k]}\n"


def test_thread_counts_of_libraries_are_those_of_the_run(tmp_path: Path) -> None:
    """A pool of threads that a library starts when it is loaded is ended before the server forks."""
    path = script(
        tmp_path,
        """
        import numpy as np, threadpoolctl
        np.ones((300, 300)) @ np.ones((300, 300))
        print([pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"])
        """,
    )
    counts = thread_variables(2, {})
    seen = []
    for given in (None, Preload(("numpy", "threadpoolctl"), environment(**counts))):
        with executor(1, cpus_per_run=2, preload=given) as it:
            end, out, err, _ = start(it, tmp_path, [path], cpus=2, environment=environment(**counts))
            assert end.exit_code == 0, err
            seen.append(out)
    assert seen[1] == seen[0]


def test_the_background_thread_of_jemalloc_is_no_hindrance(tmp_path: Path) -> None:
    text = """
        import threading
        def work():
            with open("/proc/thread-self/comm", "w") as file:
                file.write("jemalloc_bg_thd")
            begun.set()
            threading.Event().wait()
        begun = threading.Event()
        threading.Thread(target=work, daemon=True).start()
        begun.wait()
        """
    script(tmp_path / "library", text, "heavy.py")
    with executor(1, preload=preload("heavy", PYTHONPATH=str(tmp_path / "library"))) as it:
        it.notice = pytest.fail
        path = script(tmp_path, IS_WARM + "import os; print(len(os.listdir('/proc/self/task')))")
        end, out, err, _ = start(it, tmp_path, [path], environment=environment(PYTHONPATH=str(tmp_path / "library")))
    assert (end.exit_code, out, err) == (0, "warm\n1\n", "")


# ---- refusals


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "'heavy' cannot be imported (ModuleNotFoundError: No module named 'heavy')"),
        ("raise ValueError('two\\nlines')", "'heavy' cannot be imported (ValueError: two lines)"),
        ("raise SystemExit(3)", "'heavy' cannot be imported (SystemExit: 3)"),
        ("import os; os._exit(0)", "'heavy' ends the interpreter when it is imported"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "'heavy' ends the interpreter"),
        (
            "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
            "'heavy' leaves a thread running when it is imported",
        ),
        ("import subprocess; p = subprocess.Popen(['sleep', '600'])", "'heavy' leaves a process running"),
        (
            "import sys, types; t = sys.modules['torch.cuda'] = types.ModuleType('c'); t.is_initialized = lambda: True",
            "'heavy' initialises the GPU when it is imported (torch.cuda.is_initialized())",
        ),
    ],
)
def test_a_module_that_cannot_be_preloaded_is_named(tmp_path: Path, text: str | None, words: str) -> None:
    if text is not None:
        script(tmp_path, text, "heavy.py")
    before = set(children_of(os.getpid()))
    with pytest.raises(InputError) as caught:
        LocalExecutor(1, preload=preload("_heapq", "heavy", PYTHONPATH=str(tmp_path)))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.field == "hdcore.preload"
    assert set(children_of(os.getpid())) <= before


def test_a_gpu_context_is_seen_by_its_open_device_and_by_the_driver_library(tmp_path: Path) -> None:
    links, maps = tmp_path / "fd", tmp_path / "maps"
    links.mkdir()
    maps.write_text("")
    (links / "3").symlink_to("/dev/null")
    assert forkserver.gpu_in_use(str(links), str(maps)) is None
    (links / "4").symlink_to("/dev/nvidia0")
    assert forkserver.gpu_in_use(str(links), str(maps)) == "/dev/nvidia0 is open"
    (links / "4").unlink()
    for code, expected in ((3, None), (0, "cuInit was called")):
        library = tmp_path / f"{code}" / "libcuda.so.1"
        library.parent.mkdir()
        (tmp_path / "cuda.c").write_text(f"int cuCtxGetCurrent(void **context) {{ *context = 0; return {code}; }}")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(tmp_path / "cuda.c")], check=True)
        maps.write_text(f"7f00-7f01 r-xp 00000000 08:01 1234                     {library}\n")
        assert forkserver.gpu_in_use(str(links), str(maps)) == expected


# ---- faults


def pids_script(folder: Path) -> tuple[str, Path]:
    path = script(
        folder,
        """
        import os, sys, time
        out = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.environ.clear()
            os.write(out, b"%d\\n" % os.getpid())
            time.sleep(600)
        os.write(out, b"%d\\n" % os.getpid())
        if sys.argv[2] == "stay":
            time.sleep(600)
        while open(sys.argv[1]).read().count("\\n") < 3:
            time.sleep(0.005)
        """,
    )
    return path, folder / "pids"


@pytest.mark.parametrize("how", ["leave", "cancel", "timeout"])
def test_what_a_warm_run_leaves_is_gone_at_its_end(warm: LocalExecutor, tmp_path: Path, how: str) -> None:
    path, pids = pids_script(tmp_path)
    argv = ["python", path, str(pids), "leave" if how == "leave" else "stay"]
    timeout_s = 3.0 if how == "timeout" else None
    warm.start(make_launch(tmp_path, argv=argv, environment=environment(), timeout_s=timeout_s))
    alive = numbers_in(pids, 3)
    if how == "cancel":
        warm.cancel(0, "stop")
    (end,) = [e for e in events_until(warm, lambda event: isinstance(event, RunEnd)) if isinstance(e, RunEnd)]
    assert end.reason == {"leave": None, "cancel": "stop", "timeout": "run timeout of 3 s"}[how]
    assert not [pid for pid in alive if is_alive(pid)]


def test_a_server_that_dies_loses_no_run(tmp_path: Path) -> None:
    waits = script(tmp_path, "import os, time\nwhile not os.path.exists('go'): time.sleep(0.005)\nprint('done')")
    quick = script(tmp_path, IS_WARM, "quick.py")
    ends: dict[int, RunEnd] = {}
    with executor(3, preload=preload("_heapq")) as it:
        it.start(make_launch(tmp_path, 0, ["python", waits], environment=environment()))
        events_until(it, lambda event: event.number == 0)
        first = it._supervisors.spawner.pid
        os.kill(first, signal.SIGSTOP)  # it will not take up the next one
        it.start(make_launch(tmp_path, 1, ["python", quick], environment=environment()))
        os.kill(first, signal.SIGKILL)
        it.start(make_launch(tmp_path, 2, ["python", quick], environment=environment()))
        while len(ends) < 2:
            ends |= {e.number: e for e in it.poll(10.0) if isinstance(e, RunEnd)}
        (tmp_path / "0000/go").touch()
        while len(ends) < 3:
            ends |= {e.number: e for e in it.poll(10.0) if isinstance(e, RunEnd)}
        assert it._supervisors.spawner.pid != first
    assert {end.status for end in ends.values()} == {RunStatus.COMPLETED}
    assert [(tmp_path / f"000{k}/stdout.log").read_text() for k in range(3)] == ["done\n", "warm\n", "warm\n"]


DRIVER = """
import sys
from pathlib import Path
from executors.helpers import make_launch, start_and_wait
from executors.test_preload import environment, preload
from hdcore.executors.local import LocalExecutor
folder, *argv = sys.argv[1:]
(Path(folder) / "begun").touch()
executor = LocalExecutor(1, preload=preload(argv.pop(0), PYTHONPATH=folder))
executor.start(make_launch(Path(folder), argv=argv, environment=environment(PYTHONPATH=folder)))
(Path(folder) / "spawner").write_text(f"{executor._supervisors.spawner.pid}\\n")
while True:
    executor.poll(3600)
"""


@contextmanager
def driver(folder: Path, module: str, argv: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(folder), module, *argv], env={**os.environ, "PYTHONPATH": path}
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_nothing_lives_after_the_driver_is_killed(tmp_path: Path) -> None:
    path, pids = pids_script(tmp_path)
    with driver(tmp_path, "_heapq", ["python", path, str(pids), "stay"]):
        alive = numbers_in(pids, 3)
        server = numbers_in(tmp_path / "spawner", 1)
        alive += [*server, *children_of(server[0])]
    wait_for(lambda: not [pid for pid in alive if is_alive(pid)], "the end of all")


def test_a_server_that_imports_dies_with_its_driver(tmp_path: Path) -> None:
    script(
        tmp_path, "import os, time; open(__file__ + '.pid', 'w').write(f'{os.getpid()}\\n'); time.sleep(600)", "slow.py"
    )
    with driver(tmp_path, "slow", ["true"]):
        (server,) = numbers_in(tmp_path / "slow.py.pid", 1)
        assert is_alive(server)
    wait_for(lambda: not is_alive(server), "the end of the server")


@pytest.mark.slow
def test_five_hundred_runs_leave_the_server_as_it_was(tmp_path: Path) -> None:
    path = script(tmp_path, "import numpy; print(numpy.zeros(1000).sum())")
    launches = [make_launch(tmp_path, k, ["python", path], environment=environment()) for k in range(500)]

    def look(it: LocalExecutor) -> tuple[int, int]:
        pid = it._supervisors.spawner.pid
        status = Path(f"/proc/{pid}/status").read_text()
        return len(os.listdir(f"/proc/{pid}/fd")), int(status.partition("VmRSS:")[2].split()[0])

    with executor(2, preload=preload("numpy")) as it:
        first, begun, ended = (0, 0), 0, 0
        while ended < len(launches):
            while begun < len(launches) and it.capacity():
                it.start(launches[begun])
                begun += 1
            for event in it.poll(10.0):
                if isinstance(event, RunEnd):
                    assert event.status is RunStatus.COMPLETED
                    ended += 1
                    if ended == 20:
                        first = look(it)
        wait_for(lambda: not children_of(it._supervisors.spawner.pid), "the end of the last shim")
        last = look(it)
    assert last[0] <= first[0]
    assert last[1] - first[1] < 512  # KiB
