"""Servers on the loopback that play an engine: pages, and metrics that grow with each look."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Page = str | bytes | Mapping[str, Any] | tuple[int, str]


class _Handler(BaseHTTPRequestHandler):
    pages: Mapping[str, list[Page]]
    seen: list[tuple[str, str | None]]

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Authorization")))
        answers = self.pages.get(self.path)
        if not answers:
            self.send_error(404)
            return
        page = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(page, tuple):
            self.send_response(page[0])
            self.send_header("Location", page[1])
            self.end_headers()
            return
        body = (
            page
            if isinstance(page, bytes)
            else page.encode()
            if isinstance(page, str)
            else json.dumps(page).encode()
        )
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def playing(pages: Mapping[str, list[Page]]) -> Iterator[tuple[str, list[tuple[str, str | None]]]]:
    """(the address of a server with these pages, what it was asked): a page's answers in turn."""
    seen: list[tuple[str, str | None]] = []
    handler = type("Handler", (_Handler,), {"pages": pages, "seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
