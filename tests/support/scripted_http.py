"""An HTTP server that answers as a test says, one answer a request."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    hang_up: bool = False  # after the request was read


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    client: tuple[str, int]


class ScriptedServer:
    """Gives the answers in their order, the last one for ever, and records what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[Asked] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def next(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(script: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *args: object) -> None:
            pass

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.asked.append(Asked(self.command, self.path, dict(self.headers), body, self.client_address))
            answer = script.next()
            if answer.hang_up:
                self.close_connection = True
                return
            content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(0 if answer.status == 204 else len(content)))
            self.end_headers()
            if answer.status != 204:
                self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer

    return Handler


@contextmanager
def scripted(*answers: Answer) -> Iterator[ScriptedServer]:
    """Run a server with these answers."""
    server = ScriptedServer(*answers)
    try:
        yield server
    finally:
        server.close()
