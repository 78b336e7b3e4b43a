"""A Hub on 127.0.0.1 for tests: answers what it was told to, and remembers what it was asked.

Speaks plain HTTP to anything that honours HF_ENDPOINT. Not a fake of huggingface_hub: the real
client talks to it, over a real socket.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit

COMMIT = "531c80e289d6cff3a7cd8c0db8110231d23a6f7a"


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    method: str
    path: str
    """Without the query."""
    query: str
    headers: Mapping[str, str]
    """Names in lower case."""


@dataclass
class Answer:
    """What a path answers; by default a small text file of a Hub."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    """Say nothing until the server closes."""
    endless: bool = False
    """Repeat the body, of no stated length, until the client has had enough."""
    cut: bool = False
    """State twice the length, then hang up."""
    ranges: bool = False
    """Answer a Range header with 206 and that part."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    """Many processes knock at once: of five places, a seventh knocks again after a second."""


class LoopbackHub:
    """The server; use as a context manager. `answers` maps a path to its Answer."""

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.answers: dict[str, Answer] = {}
        self.everything: Answer | None = None
        """Answers every path, where set."""
        self._closing = threading.Event()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub._reply(self)

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )

    @property
    def endpoint(self) -> str:
        """For HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening; the port refuses connections afterwards."""
        if not self._closing.is_set():
            self._closing.set()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def add_model(
        self,
        model_id: str,
        files: Mapping[str, object],
        *,
        revision: str = "main",
        commit: str = COMMIT,
        sizes: Mapping[str, int] | None = None,
        parameters: Mapping[str, int] | None = None,
    ) -> None:
        """A repository: JSON files, sizes of files that are never served, tensor counts."""
        siblings: list[dict[str, object]] = []
        for name, content in files.items():
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            siblings.append({"rfilename": name, "size": len(body)})
            headers = {"X-Repo-Commit": commit, "ETag": f'"{abs(hash(body)):x}"'}
            self.answers[f"/{model_id}/resolve/{revision}/{name}"] = Answer(body, 200, headers)
        siblings += [{"rfilename": name, "size": size} for name, size in (sizes or {}).items()]
        info: dict[str, object] = {"id": model_id, "sha": commit, "siblings": siblings}
        if parameters is not None:
            info["safetensors"] = {
                "parameters": dict(parameters),
                "total": sum(parameters.values()),
            }
        path = f"/api/models/{model_id}"
        if revision != "main":
            path += f"/revision/{revision}"
        self.answers[path] = Answer(json.dumps(info).encode())

    def refuse(self, path: str, status: int, code: str = "", **headers: str) -> None:
        """Answer a path with an error, as the Hub words it."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if code:
            named["X-Error-Code"] = code
        self.answers[path] = Answer(b'{"error":"refused"}', status, named)

    def paths(self, method: str = "") -> list[str]:
        """What was asked for, in order."""
        return [asked.path for asked in self.asked if method in ("", asked.method)]

    def _reply(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        path = unquote(parts.path)
        lower = {name.lower(): value for name, value in handler.headers.items()}
        self.asked.append(Request(handler.command, path, parts.query, lower))
        answer = self.everything or self.answers.get(path) or self._missing(path)
        span = re.fullmatch(r"bytes=(\d+)-(\d+)", lower.get("range", ""))
        if answer.ranges and span:
            answer = Answer(answer.body[int(span[1]) : int(span[2]) + 1], 206, answer.headers)
        if answer.hang:
            self._closing.wait()
            handler.close_connection = True
            return
        try:
            handler.send_response(answer.status)
            for name, value in {"Content-Type": "text/plain", **answer.headers}.items():
                handler.send_header(name, value)
            if not answer.endless and "Content-Length" not in answer.headers:
                handler.send_header("Content-Length", str(len(answer.body) * (1 + answer.cut)))
            handler.end_headers()
            if handler.command == "GET":
                for chunk in self._chunks(answer):
                    handler.wfile.write(chunk)
        except ConnectionError:
            handler.close_connection = True

    def _chunks(self, answer: Answer) -> Iterator[bytes]:
        yield answer.body
        while answer.endless and not self._closing.is_set():
            yield answer.body

    def _missing(self, path: str) -> Answer:
        """404 the way the Hub does it: it says whether the file or the repository is missing."""
        repository = path.partition("/resolve/")[0].removeprefix("/api/models")
        known = any(known.startswith(f"{repository}/resolve/") for known in self.answers)
        code = "EntryNotFound" if known and "/resolve/" in path else "RepoNotFound"
        headers = {"X-Error-Code": code}
        if known:
            headers["X-Repo-Commit"] = COMMIT
        return Answer(b'{"error":"not found"}', 404, headers)
