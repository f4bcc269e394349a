"""The server of the portal: its socket, its token, its life."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable
from pathlib import Path

try:
    import anyio
    import uvicorn
    from starlette.datastructures import State

    from hdcore.ui.app import make_app
except ModuleNotFoundError as missing:
    raise ImportError(
        f"the portal needs hdcore[ui]: {missing.name} is not installed; pip install 'hdcore[ui]'"
    ) from None

from hdcore.errors import InputError, RefusedError
from hdcore.ui.gate import Gate

_TOKEN_FILE = "portal-token"
_TOKEN_LENGTH = 43  # 256 bits in base64
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_LARGEST_HEAD = 16 * 1024


def serve(
    root: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    is_remote_allowed: bool = False,
    ready: Callable[[str, str], None],
) -> None:
    """Serve the sweeps under `root` until a signal ends it.

    Parameters
    ----------
    root : Path
        Where sweeps are kept; need not exist yet.
    host : str
        Address to listen on.
    port : int
        0 takes a free one.
    is_remote_allowed : bool
        Needed for an address that other machines reach.
    ready : callable
        Called once requests are answered, with the address to print and one that opens a browser once.

    Raises
    ------
    InputError
        If the address is not this machine's, or other machines could reach it and that was not allowed.
    RefusedError
        If the port is taken.
    """
    is_loopback = host in ("127.0.0.1", "localhost", "::1", "[::1]")
    if not is_loopback and not is_remote_allowed:
        raise InputError(
            "other machines could reach the portal there; add --allow-remote if that is meant", field="--host"
        )
    listener = _listen(host, port)
    port = listener.getsockname()[1]
    token = _token(root)
    names = _LOOPBACK if is_loopback else (*_LOOPBACK, host, socket.gethostname(), socket.getfqdn())
    app = make_app(root)
    gate = Gate(app, token, port, names)
    server = _Server(
        uvicorn.Config(
            gate,
            http="h11",
            ws="none",
            lifespan="off",
            access_log=False,  # it would hold the token of the first request
            log_level="error",
            server_header=False,
            date_header=False,
            h11_max_incomplete_event_size=_LARGEST_HEAD,
            timeout_graceful_shutdown=1,
        )
    )
    shown = host if not is_loopback else "127.0.0.1" if listener.family == socket.AF_INET else "[::1]"
    address = f"http://{shown}:{port}/?token="
    # A browser that is slow to hang up at the end is no error that anybody could mend.
    logging.getLogger("uvicorn.error").addFilter(lambda record: "graceful shutdown" not in str(record.msg))
    server.state = app.state
    server.ready = lambda: ready(address + token, address + gate.one_time_token())
    # Threads that read a large sweep must not hold up the loop, which answers thirty small requests at the same time.
    sys.setswitchinterval(0.0005)
    try:
        server.run(sockets=[listener])
    finally:
        app.state.replays.close()
        listener.close()


class _Server(uvicorn.Server):
    """Says when it answers, and tells those who follow a sweep when it ends."""

    ready: Callable[[], None]
    state: State

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.state.ending = anyio.Event()
        await super().startup(sockets)
        self.ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.state.ending.set()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((bare, port))
    except OSError as error:
        listener.close()
        if isinstance(error, socket.gaierror):
            raise InputError(f"{host!r} is no address of this machine", field="--host") from None
        raise RefusedError(f"{host}:{port}: {error.strerror}; choose another with --port") from None
    return listener


def _token(root: Path) -> str:
    """The token of a root, the same each time, so that an open tab survives a restart; only the user can read it."""
    path = root / _TOKEN_FILE
    try:
        found = path.read_text("ascii").strip()
        if len(found) == _TOKEN_LENGTH and path.stat().st_mode & 0o077 == 0 and path.stat().st_uid == os.getuid():
            return found
        path.unlink()
    except (OSError, ValueError):
        pass
    token = secrets.token_urlsafe(32)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return token  # no root yet, or one that cannot be written: the token lives as long as the server
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
    return token
