"""Finds what answers a request."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from mailsvc_sdk._exchange import Request, Response
from mailsvc_sdk.testing import _feed, _messages, _suppressions
from mailsvc_sdk.testing._acceptance import Acceptance
from mailsvc_sdk.testing._fates import Fates
from mailsvc_sdk.testing._problem import Problem, answer
from mailsvc_sdk.testing._state import State

__all__ = ["Routes"]

Handler = Callable[..., Response]


@dataclass(frozen=True, slots=True)
class Routes:
    """The fake's API."""

    state: State
    acceptance: Acceptance
    fates: Fates

    def answer(self, request: Request) -> Response:
        """Answer a request."""
        with self.state.lock:
            try:
                return self._route(request)
            except Problem as problem:
                return answer(problem.status, problem.document())

    def _route(self, request: Request) -> Response:
        if request.path == "/v1/messages" and request.method == "POST":
            return self.acceptance.submit(request)
        if request.path == "/v1/messages/validate":
            return answer(200, self.acceptance.preflight(request))
        if request.path == "/v1/messages/batch":
            return self.acceptance.submit_batch(request)
        for method, pattern, handler in _ROUTES:
            found = pattern.fullmatch(request.path)
            if found and method == request.method:
                return handler(self.state, request, *map(unquote, found.groups()))
        action = _ACTION.fullmatch(request.path)
        if action:
            return _messages.act(self.state, self.fates, request, *map(unquote, action.groups()))
        raise Problem(404, "not_found", f"FakeMail has no {request.method} {request.path}")


def _ready(_: State, __: Request) -> Response:
    return answer(200, {"status": "ready", "checks": {}})


_ACTION = re.compile("/v1/messages/([^/]+)/(cancel|hold|release|retry)")
_PATHS: list[tuple[str, str, Handler]] = [
    ("GET", "/readyz", _ready),
    ("GET", "/v1/messages", _messages.list_),
    ("GET", "/v1/messages/ID", _messages.get),
    ("PATCH", "/v1/messages/ID", _messages.update),
    ("GET", "/v1/messages/ID/raw", _messages.raw),
    ("GET", "/v1/messages/ID/events", _messages.events),
    ("GET", "/v1/messages/ID/attempts", _messages.attempts),
    ("GET", "/v1/events", _feed.events),
    ("GET", "/v1/inbound", _feed.list_inbound),
    ("GET", "/v1/inbound/ID", _feed.get_inbound),
    ("GET", "/v1/inbound/ID/raw", _feed.raw_inbound),
    ("GET", "/v1/inbound/ID/attachments/ID", _feed.inbound_attachment),
    ("GET", "/v1/suppressions", _suppressions.list_),
    ("POST", "/v1/suppressions", _suppressions.create),
    ("GET", "/v1/suppressions/ID", _suppressions.get),
    ("PATCH", "/v1/suppressions/ID", _suppressions.update),
    ("DELETE", "/v1/suppressions/ID", _suppressions.delete),
]
_ROUTES = [(method, re.compile(path.replace("ID", "([^/]+)")), handler) for method, path, handler in _PATHS]
