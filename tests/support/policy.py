"""A policy server for Postfix (Postfix SMTPD_POLICY_README): it greylists, and tests can set its responses."""

import socketserver
import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from typing import Literal

__all__ = ["Policy"]

State = Literal["CONNECT", "MAIL", "RCPT", "DATA", "END-OF-MESSAGE"]
_GREYLISTED = "450 4.2.0 Greylisted, come back later"


class Policy:
    """Greylists recipients whose address begins with ``grey``; allows everything else unless a test sets a response."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()
        policy = self

        class Conversation(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for request in _requests(self.rfile):
                    self.wfile.write(f"action={policy.decide(request)}\n\n".encode())

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Conversation)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def forget(self) -> None:
        """Reset: no responses set, no recipients known, only the first try is greylisted."""
        with self._lock:
            self.greylisted_tries = 1
            self.asked: list[dict[str, str]] = []
            self._told: dict[tuple[str, str], deque[str]] = {}
            self._always: dict[tuple[str, str], str] = {}
            self._seen: Counter[tuple[str, str]] = Counter()

    def say(self, state: State, address: str, action: str, *, times: int | None = None) -> None:
        """Set the response at this stage; ``times=None`` means always.

        Args:
            address: of the recipient at RCPT, of the sender at MAIL and the later stages; ``"*"`` means any, and is the
                only one at CONNECT.
            action: a reply with its codes, ``"451 4.3.2 not now"``; 421 and 521 also end the session.
        """
        with self._lock:
            if times is None:
                self._always[state, address] = action
            else:
                self._told.setdefault((state, address), deque()).extend([action] * times)

    def decide(self, request: dict[str, str]) -> str:
        state = request["protocol_state"]
        sender, recipient = request.get("sender", ""), request.get("recipient", "")
        address = recipient if state == "RCPT" else sender
        with self._lock:
            self.asked.append(request)
            for key in ((state, address), (state, "*")):
                if self._told.get(key):
                    return self._told[key].popleft()
                if key in self._always:
                    return self._always[key]
            if state == "RCPT" and recipient.startswith("grey"):
                self._seen[sender, recipient] += 1
                return _GREYLISTED if self._seen[sender, recipient] <= self.greylisted_tries else "DUNNO"
        return "DUNNO"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _requests(lines: Iterable[bytes]) -> Iterator[dict[str, str]]:
    """Yield requests: each consists of lines ``name=value`` and an empty line."""
    request: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.decode(errors="replace").rstrip("\n").partition("=")
        if equals:
            request[name] = value
        elif request:
            yield request
            request = {}
