"""The Flask application: puts the resources together, gives every answer its request id."""

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
    keys,
    messages,
    metrics,
    problems,
    relays,
    submit,
    suppressions,
    webhooks,
)
from mailsvc.api.deferred import DeferredResponse
from mailsvc.api.parts import EXTENSION, Services
from mailsvc.domain.errors import NotFound
from mailsvc.domain.ids import new_id
from mailsvc.telemetry import meter

__all__ = ["REFUSAL", "Api", "create_app", "routed"]

_RESOURCES = (health, metrics, docs, submit, messages, actions, events, relays, webhooks, suppressions, keys)
REFUSAL = "mailsvc.refusal"  # in the environ: the problem that the gateway found, to be told as any other
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)


class _MessageId(BaseConverter):
    """Nothing else stands there, so that a name below /v1/messages is never taken for a message."""

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
    """Flask, whose views may promise their answer.

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
        """What finds the view: there is one host here, so its name need not be understood."""
        if request is None:
            return None
        environ = request.environ
        host, query = environ.get("HTTP_HOST") or environ["SERVER_NAME"], environ.get("QUERY_STRING", "")
        return MapAdapter(self.url_map, host, "/", "", request.scheme, request.path, request.method, query)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """As it is: no view here is a coroutine, and asking each time costs as much as routing."""
        return func

    def dispatch_request(self) -> ResponseReturnValue:
        """What the view returns; a promise is waited for."""
        found: Any = super().dispatch_request()
        return found.wait() if isinstance(found, DeferredResponse) else found

    def respond_here(self, environ: dict[str, Any]) -> Response:
        """The response to a request of PEP 3333, whatever happens."""
        with self.request_context(environ):
            try:
                return self.full_dispatch_request()
            except Exception as error:  # noqa: BLE001 - everybody gets an answer
                return self.handle_exception(error)

    async def respond(self, environ: dict[str, Any]) -> Response:
        """The same in an event loop, which goes on while a promise is awaited; WouldBlock passes through."""
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
    """The API for these services."""
    app = routed()
    app.json = _Json(app)
    app.config["MAX_CONTENT_LENGTH"] = services.settings.max_request_bytes
    app.extensions[EXTENSION] = services
    problems.install(app)
    return app


def routed() -> Api:
    """The application with nothing but its routes, which is all that its description needs."""
    app = Api("mailsvc", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # it would redirect, by a page of HTML, to what the Host field says
    app.url_map.converters["message"] = _MessageId
    for module in _RESOURCES:
        app.register_blueprint(module.blueprint)
    return app


def _name_request() -> None:
    environ = request.environ
    given = environ.get("HTTP_X_REQUEST_ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else new_id("req")
    if "\0" in environ["PATH_INFO"]:
        raise NotFound("no path here holds a NUL")  # PostgreSQL would refuse it as a value
    if REFUSAL in environ:
        raise environ[REFUSAL]


def _stamp_answer(response: Response) -> Response:
    meter.count(f"requests.{response.status_code // 100}xx")
    headers = response.headers
    headers["X-Request-Id"] = g.get("request_id", "")
    headers["X-Content-Type-Options"] = "nosniff"
    if request.environ["PATH_INFO"].startswith("/v1/"):
        headers["Cache-Control"] = "no-store"  # what stands there is an app's own, and changes
    return response
