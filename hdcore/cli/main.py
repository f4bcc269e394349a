"""The `hdcore` command: its table of commands, loaded on use, and what happens to errors.

A command's module is imported when the command is called, so that ``hdcore --help`` pays for click alone. The one
line a command shows in the help therefore stands here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

import hdcore as package
from hdcore.errors import HdcoreError, InputError
from hdcore.views.text import printable

_COMMANDS = {
    "run": ("hdcore.cli.run", "Run a sweep file, a pipeline, or a script with --param options."),
    "resume": ("hdcore.cli.run", "Go on with a stopped or crashed sweep."),
    "cancel": ("hdcore.cli.cancel", "Cancel a sweep or one of its runs."),
    "list": ("hdcore.cli.show", "List the sweeps."),
    "show": ("hdcore.cli.show", "Show a sweep and its runs."),
    "best": ("hdcore.cli.show", "Show the best run of a sweep."),
    "explain": ("hdcore.cli.explain", "Explain how a run came to be and why it ended."),
    "importance": ("hdcore.cli.importance", "Show which parameters matter."),
    "replay": ("hdcore.cli.replay", "Show what policies would have saved and lost in past sweeps."),
    "logs": ("hdcore.cli.logs", "Print what a run wrote."),
    "export": ("hdcore.cli.export", "Write the runs of a sweep as CSV, JSON or Parquet."),
    "report": ("hdcore.cli.report", "Write a sweep as one HTML file to look at offline."),
    "import": ("hdcore.cli.importing", "Store a CSV file, an Optuna study or an MLflow experiment as a sweep."),
    "validate": ("hdcore.cli.validate", "Check a sweep file; nothing is run or created."),
    "azure": ("hdcore.cli.azure", "Run a script or notebook that was written for Azure ML."),
    "ui": ("hdcore.cli.ui", "Show the sweeps in a browser."),
    "serve": ("hdcore.cli.serve", "Ask and tell over stdin and stdout, from any language."),
    "devices": ("hdcore.cli.devices", "List the GPUs and CPUs that runs can use."),
}
_INTERNAL_ERROR = 70  # EX_SOFTWARE: a bug of ours, none of the documented outcomes

_debug = False


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        command = getattr(import_module(_COMMANDS[name][0]), f"{name}_command")
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], _COMMANDS, 1)
            raise InputError(
                f"no such command; did you mean `hdcore {near[0]}`?"
                if near
                else "no such command; see `hdcore --help`",
                source=args[0],
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])


def _set_debug(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    global _debug
    _debug = _debug or value


def debug_option(function: Any) -> Any:
    """Add ``--debug``, which shows tracebacks; understood before and after the command's name."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_set_debug,
        help="Show tracebacks of errors.",
    )(function)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package.__version__, message="hdcore %(version)s")
@debug_option
def hdcore() -> None:
    """Hyperparameter sweeps on your own machine.

    Sweeps are kept under --root DIR, else $HDCORE_ROOT, else ./.hdcore. NAME may be any unique prefix of a sweep's
    name; `last` is the newest sweep.
    """


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    code = run_command_line(arguments)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        forget_stdout()
    sys.exit(code)


def run_command_line(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; errors become one line on stderr."""
    global _debug
    _debug = False
    try:
        code = hdcore.main(
            args=None if arguments is None else list(arguments), prog_name="hdcore", standalone_mode=False
        )
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    except Exception as error:
        if _debug and not isinstance(error, click.exceptions.Exit | BrokenPipeError):
            import traceback

            traceback.print_exc()
        return _tell(error)
    except KeyboardInterrupt:
        return 130
    return code if isinstance(code, int) else 0


def _tell(error: Exception) -> int:
    """Print one line for an error and return the exit code."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.Abort):
        return 130
    if isinstance(error, BrokenPipeError):
        forget_stdout()
        return 0  # `hdcore list | head`: the reader has what it wanted
    code, line = describe(error)
    _complain(line)
    return code


def describe(error: Exception) -> tuple[int, str]:
    """Return exit code and message of an error, without the leading program name."""
    if isinstance(error, InputError):
        parts = [part for part in (error.source, error.field, str(error)) if part]
        return error.exit_code, ": ".join(parts)
    if isinstance(error, HdcoreError):
        return error.exit_code, str(error)
    if isinstance(error, click.UsageError):
        command = "" if error.ctx is None else error.ctx.command_path.removeprefix("hdcore").strip()
        message = error.format_message().replace("\n", " ").rstrip(".")
        if isinstance(error, click.NoSuchOption) and command == "run":
            message = f"{message}{'' if message.endswith('?') else ';'} arguments of the script go after --"
        hint = f"see `hdcore {command} --help`" if command else "see `hdcore --help`"
        return 2, f"{command}: {message}; {hint}" if command else f"{message}; {hint}"
    if isinstance(error, click.ClickException):
        return 2, error.format_message()
    if isinstance(error, ImportError):
        return 2, str(error)
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return 4, f"{name}{error.strerror or error}; check the path, its permissions and the free space"
    return _INTERNAL_ERROR, f"internal error: {type(error).__name__}: {error}; run again with --debug and report it"


def _complain(line: str) -> None:
    try:
        print(f"hdcore: {printable(' '.join(line.split()))}", file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody listens


def forget_stdout() -> None:
    """Nobody reads stdout any more: give the flush at the interpreter's exit a place where it works."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
