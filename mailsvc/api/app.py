"""The Flask application: puts the resources together, gives every answer its request id."""

import re

from flask import Flask, Response, g, request
from flask.json.provider import DefaultJSONProvider
from werkzeug.routing import BaseConverter

from mailsvc.api import (
    archive,
    docs,
    events,
    health,
    keys,
    messages,
    metrics,
    problems,
    relays,
    steering,
    suppressions,
    webhooks,
)
from mailsvc.api.services import EXTENSION, Services
from mailsvc.domain.errors import NotFound
from mailsvc.domain.ids import new_id
from mailsvc.telemetry import meter

__all__ = ["create_app", "routed"]

_RESOURCES = (health, metrics, docs, messages, archive, steering, events, relays, webhooks, suppressions, keys)
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)


class _MessageId(BaseConverter):
    """Nothing else stands there, so that a name below /v1/messages is never taken for a message."""

    regex = "msg_[^/]+"


class _Json(DefaultJSONProvider):
    sort_keys = False
    ensure_ascii = False


def create_app(services: Services) -> Flask:
    """The API for these services."""
    app = routed()
    app.json = _Json(app)
    app.config["MAX_CONTENT_LENGTH"] = services.settings.max_request_bytes
    app.extensions[EXTENSION] = services
    problems.install(app)
    app.before_request(_name_request)
    app.after_request(_stamp_answer)
    return app


def routed() -> Flask:
    """The application with nothing but its routes, which is all that its description needs."""
    app = Flask("mailsvc", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # it would redirect, by a page of HTML, to what the Host field says
    app.url_map.converters["message"] = _MessageId
    for module in _RESOURCES:
        app.register_blueprint(module.blueprint)
    return app


def _name_request() -> None:
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else new_id("req")
    if "\0" in request.path:
        raise NotFound("no path here holds a NUL")  # PostgreSQL would refuse it as a value


def _stamp_answer(response: Response) -> Response:
    meter.count(f"requests.{response.status_code // 100}xx")
    response.headers["X-Request-Id"] = g.get("request_id", "")
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
