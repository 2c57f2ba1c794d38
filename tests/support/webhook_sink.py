"""An application's endpoints: a real HTTP server on loopback that stores requests, and responds as a test sets."""

import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Sink", "Told", "open_sink"]

PATIENCE = 10.0  # seconds until a wait counts as failed


@dataclass(frozen=True)
class Told:
    """One received request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


class Sink:
    """The server's requests and behaviour, by path."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.answers: defaultdict[str, deque[int]] = defaultdict(deque)  # statuses in order, then 204
        self.hanging: set[str] = set()
        self._told: list[Told] = []
        self._changed = threading.Condition()

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def told(self, path: str) -> list[Told]:
        with self._changed:
            return [told for told in self._told if told.path == path]

    def wait(self, path: str, count: int = 1) -> list[Told]:
        """Wait until this number of requests has arrived at the path, and return them."""
        with self._changed:
            enough = self._changed.wait_for(lambda: sum(t.path == path for t in self._told) >= count, PATIENCE)
        assert enough, f"{path} was told {len(self.told(path))} times, not {count}"
        return self.told(path)

    def wait_for_events(self, path: str, ids: set[str], *, seconds: float = PATIENCE) -> None:
        """Wait until the path has received all these events; duplicates are possible."""
        with self._changed:
            enough = self._changed.wait_for(lambda: ids <= {t.id for t in self._told if t.path == path}, seconds)
        assert enough, f"{path} was not told of {len(ids - {told.id for told in self.told(path)})} events"

    def release(self, path: str) -> None:
        """Let an endpoint that hangs respond."""
        with self._changed:
            self.hanging.discard(path)
            self._changed.notify_all()

    def take(self, told: Told) -> int:
        """Store the request. Returns the status of the response."""
        with self._changed:
            self._told.append(told)
            self._changed.notify_all()
            self._changed.wait_for(lambda: told.path not in self.hanging)
            answers = self.answers[told.path]
            return answers.popleft() if answers else 204


@contextmanager
def open_sink() -> Iterator[Sink]:
    """Listen until the block ends."""

    class Endpoint(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = sink.take(Told(self.path, headers, body))
            said = b"" if status == 204 else b"no thanks"
            self.send_response(status)
            if status != 204:
                self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002 - the base class's name

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None: ...  # a client that has disconnected

    server = Server(("127.0.0.1", 0), Endpoint)
    sink = Sink(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        for path in list(sink.hanging):
            sink.release(path)
        server.shutdown()
        server.server_close()
        thread.join()
