"""The client for a running service; each of its failures is one sentence.

Every failure is a ``ClickException``: the sentence goes to stderr, the exit code is 1.
"""

import json
import math
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import click
import httpcore

__all__ = ["Client", "Refused", "Reply", "Unreachable", "explain_problem"]

PATIENCE = 60.0  # seconds without a response; a check of a relay takes up to half of it
RETRY_SECONDS = 1.0
LONG_POLL = 30
FEED_PAGE = 200
MOST_NAMED = 20  # invalid fields that are shown
Arguments = Mapping[str, Any] | Sequence[tuple[str, Any]]


class Unreachable(click.ClickException):
    """No service responds at this address."""


class Refused(click.ClickException):
    """The service returned a problem (RFC 9457)."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, dict(problem)
        super().__init__(explain_problem(problem))


@dataclass(frozen=True, slots=True)
class Reply:
    """A successful response; ``json`` is None if there is no body, or no JSON."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    json: Any = None


@dataclass(slots=True)
class Client:
    """One service, with one key.

    Args:
        url: its address, e.g. ``http://127.0.0.1:8025``.
        key: None for requests that need no key.
    """

    url: str
    key: str | None
    _pool: httpcore.ConnectionPool | None = field(default=None, repr=False)

    def get(self, path: str, arguments: Arguments = ()) -> Any:
        """Return the JSON of the response."""
        return self.call("GET", path, arguments=arguments).json

    def post(self, path: str, body: Any = None) -> Any:
        """Return the JSON of the response; ``body`` is sent as JSON unless it is None."""
        return self.call("POST", path, content=None if body is None else json.dumps(body).encode()).json

    def patch(self, path: str, body: Any) -> Any:
        """Return the JSON of the response to this change."""
        return self.call("PATCH", path, content=json.dumps(body).encode()).json

    def call(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        arguments: Arguments = (),
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request.

        Raises:
            Unreachable: nothing listens there, or no response came.
            Refused: the response is a problem.
        """
        reply = self._exchange(
            method, self._address(path, arguments), content, {**self._headers(content), **(headers or {})}
        )
        if reply.status >= 400:
            raise Refused(reply.status, _problem_of(reply))
        return reply

    def pages(self, path: str, arguments: Sequence[tuple[str, Any]] = (), *, most: int = 1_000_000) -> Iterator[Any]:
        """Yield the entries of a list, newest first, page by page."""
        cursor = None
        while most > 0:
            given = [*arguments, ("limit", min(200, most)), *([("cursor", cursor)] if cursor else [])]
            page = self.get(path, given)
            yield from page["data"]
            most -= len(page["data"])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def feed(self, after: str, arguments: Sequence[tuple[str, Any]] = ()) -> Iterator[list[dict[str, Any]]]:
        """Yield the feed's events from ``after`` up to now, page by page."""
        while True:
            page = self.get("/v1/events", [*arguments, ("after", after), ("limit", FEED_PAGE)])
            after = page["next_cursor"]
            yield page["data"]
            if len(page["data"]) < FEED_PAGE:
                return

    def follow(
        self,
        after: str,
        arguments: Sequence[tuple[str, Any]] = (),
        *,
        patience: Callable[[], float | None] = lambda: None,
    ) -> Iterator[list[dict[str, Any]]]:
        """Yield the feed's events from ``after`` on, without end; an empty list if a poll brought none.

        If the service is down, it is polled until it returns; the feed continues at the same position.

        Args:
            patience: returns the seconds to wait at most for the next events; None means without limit.
        """
        if after == "now":  # to keep this position even after a lost connection
            page = self.get("/v1/events", [*arguments, ("after", "now"), ("limit", FEED_PAGE)])
            after = page["next_cursor"]
            yield page["data"]
        while True:
            left = patience()
            wait = LONG_POLL if left is None else min(LONG_POLL, math.ceil(left))
            page = self._get_events_patiently(
                [*arguments, ("after", after), ("wait", wait), ("limit", FEED_PAGE)], left
            )
            after = page["next_cursor"]
            yield page["data"]

    def _get_events_patiently(self, arguments: Sequence[tuple[str, Any]], patience: float | None) -> Any:
        tries = 0
        while True:
            try:
                return self.get("/v1/events", arguments)
            except (Unreachable, Refused) as trouble:
                is_passing = not isinstance(trouble, Refused) or trouble.status in (502, 503, 504)
                if not is_passing or (patience is not None and tries * RETRY_SECONDS >= patience):
                    raise
                if tries == 0:
                    click.echo(f"waiting for {self.url}: {trouble.message}", err=True)
            tries += 1
            threading.Event().wait(RETRY_SECONDS)

    def _address(self, path: str, arguments: Arguments) -> str:
        query = urlencode(list(arguments.items()) if isinstance(arguments, Mapping) else list(arguments))
        return self.url + quote(path, safe="/:") + (f"?{query}" if query else "")

    def _headers(self, content: bytes | None) -> dict[str, str]:
        headers = {"Accept": "application/json", "User-Agent": "mailsvc-cli"}
        if self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        if content is not None:
            headers["Content-Type"] = "application/json"
        return headers

    def _exchange(self, method: str, address: str, content: bytes | None, headers: Mapping[str, str]) -> Reply:
        waits = dict.fromkeys(("connect", "read", "write", "pool"), PATIENCE)
        try:
            pool = self._pool = self._pool or httpcore.ConnectionPool(ssl_context=_tls(self.url))
            answer = pool.request(
                method, address, headers=list(headers.items()), content=content or b"", extensions={"timeout": waits}
            )
        except httpcore.ConnectError as error:
            raise Unreachable(_no_connection(self.url, error)) from error
        except httpcore.TimeoutException as error:
            raise Unreachable(f"{self.url} did not respond within {PATIENCE:.0f} seconds") from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise Unreachable(f"the connection to {self.url} was lost: {error}") from error
        return _reply_of(answer)


def explain_problem(problem: Mapping[str, Any]) -> str:
    """Return the problem's detail; if there are several fields, one line per field."""
    errors = problem.get("errors") or []
    if len(errors) < 2:
        return str(problem.get("detail") or problem.get("title"))
    lines = [f"  {e.get('field')}: {e.get('detail')}" for e in errors[:MOST_NAMED]]
    more = [f"  and {len(errors) - MOST_NAMED} more"] if len(errors) > MOST_NAMED else []
    return "\n".join([str(problem.get("title")), *lines, *more])


def _problem_of(reply: Reply) -> Mapping[str, Any]:
    if isinstance(reply.json, Mapping) and ("detail" in reply.json or "title" in reply.json):
        return reply.json
    if isinstance(reply.json, Mapping) and "checks" in reply.json:  # from /readyz
        return {"detail": "the service is not ready", **reply.json}
    return {"detail": f"the response has status {reply.status} and is not from mailsvc; check the URL"}


def _reply_of(answer: httpcore.Response) -> Reply:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    document = None
    if "json" in headers.get("content-type", ""):
        try:
            document = json.loads(answer.content)
        except ValueError:
            document = None
    return Reply(answer.status, headers, answer.content, document)


def _no_connection(url: str, error: httpcore.ConnectError) -> str:
    if isinstance(error.__context__, ssl.SSLError):
        return f"no secure connection to {url}: {error}"
    return f"mailsvc is not running at {url}: start it with mailsvc serve ({error})"


def _tls(url: str) -> ssl.SSLContext | None:
    return ssl.create_default_context() if url.startswith("https:") else None
