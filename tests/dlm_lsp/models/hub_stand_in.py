"""A hub on this machine: one repository, served as huggingface.co does, with every failure that it may have."""

import contextlib
import hashlib
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_FILE = re.compile(r"/([\w.-]+/[\w.-]+)/resolve/([\w.-]+)/(.+)")
_MODEL = re.compile(r"/api/models/([\w.-]+/[\w.-]+)(?:/revision/([\w.-]+))?")


@dataclass
class Repository:
    """The files of a repository, and the failures of the hub that serves it.

    Attributes:
        files: Content by name.
        card: Fields of the model's card.
        claimed_sizes: Sizes that the listing names instead of the true ones.
        corrupt: Files whose first byte arrives changed.
        ends_at: The byte of a file at which the connection breaks, at every request.
        stalls_at: The byte of a file at which the connection hangs, for as long as the hub is there.
        storage: Address of the server that files are redirected to; empty for none.
        revisions: Every revision whose listing was asked for.
        requests: Every file asked for, and the byte from which on.
        tokens: The authorization of every request.
    """

    name: str
    files: dict[str, bytes]
    card: dict[str, str] = field(default_factory=lambda: {"license": "apache-2.0"})
    claimed_sizes: dict[str, int] = field(default_factory=dict)
    corrupt: set[str] = field(default_factory=set)
    ends_at: dict[str, int] = field(default_factory=dict)
    stalls_at: dict[str, int] = field(default_factory=dict)
    storage: str = ""
    revisions: list[str | None] = field(default_factory=list)
    requests: list[tuple[str, int]] = field(default_factory=list)
    tokens: list[str | None] = field(default_factory=list)

    def listing(self) -> dict[str, object]:
        """The answer of /api/models."""
        siblings = []
        for name, content in self.files.items():
            entry: dict[str, object] = {"rfilename": name, "size": self.claimed_sizes.get(name, len(content))}
            if name.endswith((".safetensors", ".bin")):
                entry["lfs"] = {"sha256": sha256(content), "size": len(content), "pointerSize": 100}
            siblings.append(entry)
        return {"id": self.name, "sha": COMMIT, "siblings": siblings, "tags": [], "cardData": self.card}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, repository: Repository, request: socket.socket, address: object, server: BaseServer) -> None:
        self.repository = repository  # first, because the base class answers the request in its own __init__
        super().__init__(request, address, server)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path, repository = self.path.partition("?")[0], self.repository
        repository.tokens.append(self.headers.get("Authorization"))
        if (wanted := _MODEL.fullmatch(path)) and wanted[1] == repository.name:
            repository.revisions.append(wanted[2])
            self._answer(200, json.dumps(repository.listing()).encode(), {"Content-Type": "application/json"})
        elif (wanted := _FILE.fullmatch(path)) and wanted[1] == repository.name and wanted[3] in repository.files:
            self._send_file(wanted[3])
        else:
            self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    def _send_file(self, name: str) -> None:
        content = self.repository.files[name]
        start = int(re.match(r"bytes=(\d+)-", self.headers.get("Range", "bytes=0-"))[1])
        if self.command == "GET":
            self.repository.requests.append((name, start))
        headers = {"ETag": f'"{sha256(content)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if self.repository.storage:
            self._answer(302, b"", {**headers, "Location": self.repository.storage + self.path})
            return
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        sent = content[start:]
        if name in self.repository.corrupt and start == 0:
            sent = bytes([sent[0] ^ 1]) + sent[1:]
        stall = self.repository.stalls_at.get(name)
        end = self.repository.ends_at.get(name, len(content) if stall is None else stall)
        stop_after = max(0, end - start)
        self._answer(206 if start else 200, sent, headers, stop_after=stop_after, is_stalling=stall is not None)

    def _answer(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str],
        *,
        stop_after: int | None = None,
        is_stalling: bool = False,
    ) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:stop_after])
            if stop_after is not None and stop_after < len(body):
                self.wfile.flush()
                if is_stalling:
                    with contextlib.suppress(ConnectionError):
                        self.connection.recv(1)  # a client sends nothing more, so that this waits until it has ended
                self.connection.close()
                self.close_connection = True


@contextmanager
def serving(repository: Repository) -> Iterator[str]:
    """The address of a hub that has this repository."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, repository))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
