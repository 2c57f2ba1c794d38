"""Waits on loopback for a browser that comes back from an authorization server (RFC 8252 section 7.3)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Redirect", "answer_in", "listen_for_redirect"]

HOST = "127.0.0.1"
IDLE_SECONDS = 10.0  # browsers open connections that they may never use
_DONE = "mailsvc has got the answer. You can close this window and go back to the terminal.\n"
_OTHER = "This is not the answer that mailsvc waits for.\n"


class Redirect:
    """The listener; ``port`` is open until the block of ``listen_for_redirect`` ends."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._arrived = threading.Event()
        self._state: str | None = None
        self._answer: dict[str, str] = {}

    def expect(self, state: str) -> None:
        """Take an answer with this state only: any page in the browser could send others."""
        self._state = state

    def wait(self, seconds: float) -> dict[str, str] | None:
        """The query of the redirect; None if none came."""
        return self._answer if self._arrived.wait(seconds) else None

    def take(self, path: str) -> bool:
        """Whether a request is the answer; only the first counts."""
        answer = answer_in(path)
        if self._arrived.is_set() or self._state is None or answer.get("state") != self._state:
            return False
        if "code" not in answer and "error" not in answer:
            return False
        self._answer = answer
        return True

    def taken(self) -> None:
        """The browser was told."""
        self._arrived.set()


def answer_in(url: str) -> dict[str, str]:
    """The query of a URL; none if it is no URL."""
    try:
        return dict(parse_qsl(urlsplit(url.strip()).query))
    except ValueError:
        return {}


@contextmanager
def listen_for_redirect(port: int = 0) -> Iterator[Redirect]:
    """Listen on this port of 127.0.0.1, by default any free one; raises OSError where it is in use."""
    server = ThreadingHTTPServer((HOST, port), _Handler)
    server.daemon_threads = True
    redirect = Redirect(server.server_address[1])
    server.redirect = redirect  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="redirect", daemon=True)
    thread.start()
    try:
        yield redirect
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        redirect: Redirect = self.server.redirect  # type: ignore[attr-defined]
        is_answer = redirect.take(self.path)
        try:
            self._say(200 if is_answer else 404, _DONE if is_answer else _OTHER)
        finally:
            if is_answer:
                redirect.taken()

    def _say(self, status: int, text: str) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": "text/plain; charset=utf-8",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        }
        for name, value in {**headers, "Content-Length": str(len(text))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None: ...  # noqa: A002 - the base class's name
