"""A portal in a process of its own, and requests that no ordinary client would send."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Answer:
    status: int  # 0: the connection was closed without one
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Portal:
    port: int
    token: str
    process: subprocess.Popen[str]

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def bearer(self) -> tuple[str, str]:
        return ("Authorization", f"Bearer {self.token}")

    def raw(self, data: bytes) -> Answer:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            received = b""
            try:
                connection.sendall(data)
                while part := connection.recv(1 << 16):
                    received += part
            except ConnectionError:
                pass
        head, _, body = received.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        found = re.match(r"HTTP/1\.\d (\d{3})", lines[0])
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
        return Answer(int(found[1]) if found else 0, headers, body)

    def request(
        self, method: str, path: str, *headers: tuple[str, str], body: bytes = b"", host: str | None = ""
    ) -> Answer:
        """Send one request; `host` "" is the right one, None leaves it out."""
        lines = [f"{method} {path} HTTP/1.1"]
        if host is not None:
            lines.append(f"Host: {host or self.host}")
        lines += [f"{name}: {value}" for name, value in headers]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        lines.append("Connection: close")
        return self.raw("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    def get(self, path: str) -> Answer:
        return self.request("GET", path, self.bearer)

    def post(self, path: str, body: bytes = b"{}") -> Answer:
        return self.request("POST", path, self.bearer, ("Content-Type", "application/json"), body=body)


@contextmanager
def portal(root: Path, *options: str) -> Iterator[Portal]:
    """Run `hdcore ui` on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hdcore", "ui", "--root", str(root), "--no-browser", "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/\?token=([\w-]{43})\n", line)
        assert found, line
        yield Portal(int(found[1]), found[2], process)
    finally:
        process.terminate()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()
