"""A door before the sandbox that does not know ``/_sandbox/``: what is behind it looks like the real thing."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

NOT_PASSED_ON = {"host", "connection", "transfer-encoding", "content-length", "keep-alive"}


@contextmanager
def before(port: int) -> Iterator[int]:
    """Serves in front of a port of this machine while inside; yields its own."""
    server = _Server(("127.0.0.1", 0), _handler(port))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed leaves in the middle of a word."""


def _handler(port: int) -> type[BaseHTTPRequestHandler]:
    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass_on()

        def do_POST(self) -> None:
            self._pass_on()

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path.startswith("/_sandbox"):
                self._answer(404, {}, b"")
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() not in NOT_PASSED_ON}
            behind = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                behind.request(self.command, self.path, body=body or None, headers=headers)
                said = behind.getresponse()
                kept = {name: value for name, value in said.getheaders() if name.lower() not in NOT_PASSED_ON}
                self._answer(said.status, kept, said.read())
            finally:
                behind.close()

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    return Door
