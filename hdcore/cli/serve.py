"""`hdcore serve`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hdcore.cli.main import debug_option


@click.command("serve")
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep the sweep in this file, and go on with it: what was acknowledged survives a kill -9.",
)
@debug_option
def serve_command(state: Path | None) -> None:
    """Serve the engine to a program in any language: a line of JSON on stdin, a line of JSON on stdout.

    The program proposes nothing itself: it asks for configurations, reports intervals and tells final values.
    """
    import msgspec

    from hdcore.errors import StoreError
    from hdcore.serve import Server, serve

    server = None
    try:
        server = Server(state)
        serve(server, sys.stdin.buffer, sys.stdout.buffer)
    except StoreError as error:
        # The client reads stdout; the person stderr, where the command line says the same.
        sys.stdout.buffer.write(msgspec.json.encode({"ok": False, "error": str(error), "fatal": True}) + b"\n")
        sys.stdout.buffer.flush()
        raise
    finally:
        if server is not None:
            server.close()
