"""What IPython's magics come to in a notebook that runs without IPython."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hdcore.azure.notebook.translate import CellMagic, installs

_DOLLAR = re.compile(r"\$\$|\$(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)")
_BRACES = re.compile(r"\{(?P<expression>[^{}]+)\}")
_QUIET = frozenset(("matplotlib", "load_ext", "reload_ext", "autoreload", "config", "pylab", "precision", "xmode"))
_SHELLS = {"bash": ["bash", "-c"], "sh": ["sh", "-c"], "script": ["sh", "-c"]}

Evaluate = Callable[[str], Any]


class Magics:
    """The magics of one notebook.

    Parameters
    ----------
    evaluate : callable
        Value of an expression in the notebook; raises as Python does.
    run : callable
        Runs Python source in the notebook.
    note : callable
        Tells the reader that something was left out.
    """

    def __init__(self, evaluate: Evaluate, run: Callable[[str], None], note: Callable[[str], None]) -> None:
        self._evaluate = evaluate
        self._run = run
        self._note = note

    # ------------------------------------------------------------------ lines

    def line(self, text: str, wants_value: bool = False) -> Any:
        """Do what ``%text`` says."""
        name, _, rest = text.strip().partition(" ")
        rest = self.expand(rest.strip())
        if text.startswith("?"):
            self._note(f"{text}: help is not shown")
        elif name in ("pip", "conda", "mamba"):
            self._note(f"%{name} {rest}: not run; install what the notebook needs yourself")
        elif name in ("env", "set_env"):
            return self._environment(rest)
        elif name == "cd":
            os.chdir(os.path.expanduser(rest or "~"))
        elif name == "pwd":
            return os.getcwd()
        elif name in ("ls", "cat", "mkdir", "rm", "cp", "mv"):
            return self.shell(f"{name} {rest}", wants_value)
        elif name in ("time", "timeit", "prun"):
            began = time.perf_counter()
            self._run(rest)
            print(f"Wall time: {time.perf_counter() - began:.3g} s")
        elif name == "run":
            self._run_file(rest)
        elif name not in _QUIET:
            self._note(f"%{name}: not known here; left out")
        return None

    def shell(self, text: str, wants_value: bool = False) -> Any:
        """Run a command line, ``!text``; with `wants_value` return the lines that it prints."""
        tool = installs(f"!{text}")
        if tool is not None:
            what = "install what the notebook needs yourself" if tool != "az" else "nothing is asked of the cloud"
            self._note(f"!{text.strip()}: not run; {what}")
            return [] if wants_value else None
        sys.stdout.flush()
        done = subprocess.run(
            self.expand(text),
            shell=True,
            executable="/bin/bash" if os.path.exists("/bin/bash") else None,
            stdout=subprocess.PIPE if wants_value else None,
            text=True,
            check=False,
        )
        return done.stdout.splitlines() if wants_value else None

    # ------------------------------------------------------------------ cells

    def cell(self, magic: CellMagic) -> None:
        """Do what a ``%%`` cell says."""
        rest = self.expand(magic.rest)
        if magic.name in ("writefile", "file"):
            self._write(rest, magic.body)
        elif magic.name in _SHELLS:
            sys.stdout.flush()
            subprocess.run([*_SHELLS[magic.name], magic.body], check=False)
        elif magic.name == "time" or magic.name == "timeit":
            began = time.perf_counter()
            self._run("\n" + magic.body)  # the first line was the magic's
            print(f"Wall time: {time.perf_counter() - began:.3g} s")
        elif magic.name in ("capture", "prun", "python", "python3"):
            self._run("\n" + magic.body)
        else:
            self._note(f"%%{magic.name}: the cell is left out")

    # ------------------------------------------------------------------ parts

    def expand(self, text: str) -> str:
        """Put values in place of ``{expression}`` and ``$name``; what has none stays as it is."""

        def value(match: re.Match[str], expression: str) -> str:
            try:
                return str(self._evaluate(expression))
            except Exception:
                return match[0]

        def variable(match: re.Match[str]) -> str:
            name, rest = match["name"], ""
            while name is not None:
                try:
                    return f"{self._evaluate(name)}{rest}"
                except Exception:  # $name.py: the rest is no attribute
                    name, dot, last = name.rpartition(".")
                    if not dot:
                        return match[0]
                    rest = f".{last}{rest}"
            return "$"  # $$

        text = _BRACES.sub(lambda match: value(match, match["expression"]), text)
        return _DOLLAR.sub(variable, text)

    def _environment(self, rest: str) -> Any:
        name, mark, value = re.match(r"([^=\s]*)(\s*=\s*|\s+)?(.*)", rest).groups()  # type: ignore[union-attr]
        if not name:
            return dict(os.environ)
        if not mark:
            return os.environ.get(name)
        os.environ[name] = value
        print(f"env: {name}={value}")
        return None

    def _write(self, rest: str, body: str) -> None:
        words = rest.split()
        is_appended = "-a" in words or "--append" in words
        name = " ".join(word for word in words if word not in ("-a", "--append")).strip("'\"")
        path = Path(os.path.expanduser(name))
        word = "Appending to" if is_appended else "Overwriting" if path.exists() else "Writing"
        with open(path, "a" if is_appended else "w", encoding="utf-8") as file:
            file.write(body if body.endswith("\n") or not body else f"{body}\n")
        print(f"{word} {name}")

    def _run_file(self, rest: str) -> None:
        import runpy
        import shlex

        words = [word for word in shlex.split(rest) if word != "-i"]
        before = sys.argv
        sys.argv = words
        try:
            runpy.run_path(words[0], run_name="__main__")
        finally:
            sys.argv = before
