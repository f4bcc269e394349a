"""`hdcore ui`."""

from __future__ import annotations

from pathlib import Path

import click

from hdcore.cli.common import common_options, write


@click.command("ui")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="P", help="Port [default: a free one].")
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option("--allow-remote", is_flag=True, help="Allow an address that other machines reach.")
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@common_options
def ui_command(port: int, host: str, allow_remote: bool, no_browser: bool, root: Path | None) -> None:
    """Show the sweeps in a browser: live, on this machine alone, until Ctrl-C.

    The address that is printed holds a token: it opens the portal for whoever has it.
    """
    from hdcore.store import find_root
    from hdcore.ui.serve import serve

    def ready(address: str, once: str) -> None:
        write(address)
        if not no_browser:
            import webbrowser

            webbrowser.open(once)

    serve(find_root(root), host=host, port=port, is_remote_allowed=allow_remote, ready=ready)
