"""The Flask application: registers the resources, and gives every response its request id."""

import re
from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response, g, request
from flask.json.provider import DefaultJSONProvider
from flask.sessions import NullSession, SessionInterface
from flask.typing import ResponseReturnValue
from werkzeug.routing import BaseConverter, MapAdapter

from mailsvc.api import (
    actions,
    docs,
    events,
    health,
    inbound,
    keys,
    mailboxes,
    messages,
    metrics,
    preflight,
    problems,
    relays,
    submissions,
    submit,
    suppressions,
    unsubscribe,
    webhooks,
)
from mailsvc.api.deferred import DeferredResponse
from mailsvc.api.parts import EXTENSION, Services, services
from mailsvc.domain.errors import NotFound
from mailsvc.domain.ids import new_id

__all__ = ["REFUSAL", "Api", "create_app", "routed"]

_RESOURCES = (
    health,
    metrics,
    docs,
    submit,
    preflight,
    messages,
    actions,
    events,
    relays,
    mailboxes,
    inbound,
    webhooks,
    submissions,
    suppressions,
    unsubscribe,
    keys,
)
REFUSAL = "mailsvc.refusal"  # in the environ: a problem found by the gateway, to be answered as any other problem
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)


class _MessageId(BaseConverter):
    """Matches only message ids, so that another name below /v1/messages is never taken for a message."""

    regex = "msg_[^/]+"


class _Json(DefaultJSONProvider):
    sort_keys = False
    ensure_ascii = False


class _NoSession(SessionInterface):
    """The API has no sessions; Flask would look for one at each request."""

    null = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:  # noqa: ARG002 - Flask's signature
        return self.null


class Api(Flask):
    """Flask, with views that may return a deferred response.

    It has one hook before each request and one after it. They are called directly, because to look for those of each
    blueprint costs as much as many a view.
    """

    session_interface = _NoSession()

    def preprocess_request(self) -> None:
        """Name the request, and refuse what the gateway refused."""
        _name_request()

    def process_response(self, response: Response) -> Response:
        """Add the header fields of every response."""
        return _stamp_answer(response)

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Nothing is to be done."""

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return the adapter that finds the view. There is one host here, so the Host field is not parsed."""
        if request is None:
            return None
        environ = request.environ
        host, query = environ.get("HTTP_HOST") or environ["SERVER_NAME"], environ.get("QUERY_STRING", "")
        return MapAdapter(self.url_map, host, "/", "", request.scheme, request.path, request.method, query)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function unchanged: no view is a coroutine, and Flask's check costs as much as routing."""
        return func

    def dispatch_request(self) -> ResponseReturnValue:
        """Return the view's response; waits for a deferred one."""
        found: Any = super().dispatch_request()
        return found.wait() if isinstance(found, DeferredResponse) else found

    def respond_here(self, environ: dict[str, Any]) -> Response:
        """Return the response to a request in WSGI form (PEP 3333); every error becomes a response."""
        with self.request_context(environ):
            try:
                return self.full_dispatch_request()
            except Exception as error:  # noqa: BLE001 - every request gets a response
                return self.handle_exception(error)

    async def respond(self, environ: dict[str, Any]) -> Response:
        """As ``respond_here``, in an event loop, which it does not block; WouldBlock passes through."""
        with self.request_context(environ):
            try:
                self.preprocess_request()
                found: Any = super().dispatch_request()
                if isinstance(found, DeferredResponse):
                    found = await found
            except Exception as error:  # noqa: BLE001 - as above
                found = self.handle_user_exception(error)
            return self.finalize_request(found)


def create_app(services: Services) -> Api:
    """Return the API for these services."""
    app = routed()
    app.json = _Json(app)
    app.config["MAX_CONTENT_LENGTH"] = services.settings.max_request_bytes
    app.extensions[EXTENSION] = services
    problems.install(app)
    return app


def routed() -> Api:
    """Return the application with its routes only, which is enough for its OpenAPI document."""
    app = Api("mailsvc", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # it would redirect, with a page of HTML, to the host in the Host field
    app.url_map.converters["message"] = _MessageId
    for module in _RESOURCES:
        app.register_blueprint(module.blueprint)
    return app


def _name_request() -> None:
    environ = request.environ
    given = environ.get("HTTP_X_REQUEST_ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else new_id("req")
    if "\0" in environ["PATH_INFO"]:
        raise NotFound("no path here holds a NUL")  # PostgreSQL rejects it in values
    if REFUSAL in environ:
        raise environ[REFUSAL]


def _stamp_answer(response: Response) -> Response:
    services().meter.count(f"requests.{response.status_code // 100}xx")
    headers = response.headers
    headers["X-Request-Id"] = g.get("request_id", "")
    headers["X-Content-Type-Options"] = "nosniff"
    if request.environ["PATH_INFO"].startswith("/v1/"):
        headers["Cache-Control"] = "no-store"  # the response holds an app's own data, and changes
    return response
