"""The HTTP API as a blueprint of a Flask application: it answers below its prefix, and leaves everything else alone."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from flask import Blueprint, request
from flask import Request as FlaskRequest
from werkzeug import Response

from mailsvc.api.auth import ACCESS, Access
from mailsvc.embedding.mounted import Mounted

__all__ = ["Authorize", "make_blueprint"]

Authorize = Callable[[FlaskRequest], Access | None]

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
_PATHS = ("/v1/<path:rest>", "/u/<path:rest>", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.yaml")


def make_blueprint(mounted: Mounted, *, authorize: Authorize | None = None) -> Blueprint:
    """Return the blueprint ``mailsvc``.

    Args:
        authorize: says for a request which app it may act for, instead of an API key; it runs in the context of the host's
            application and request, before the body is read.
    """
    blueprint = Blueprint("mailsvc", __name__)

    def answer(rest: str = "") -> Response:  # noqa: ARG001 - part of the path, which the API reads by itself
        prefix, granted = blueprint_path(request), {}
        if authorize is not None and request.path.removeprefix(prefix).startswith("/v1/"):
            granted[ACCESS] = authorize(request._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001 - documented
        return Response.from_app(mounted.wsgi, _environ_below(prefix) | granted)

    for path in _PATHS:
        blueprint.add_url_rule(path, "api", answer, methods=_METHODS, provide_automatic_options=False)
    return blueprint


def blueprint_path(of: FlaskRequest) -> str:
    """The prefix of the blueprint in the path of this request."""
    rule = of.url_rule.rule if of.url_rule else ""
    for path in _PATHS:
        if rule.endswith(path):
            return rule.removesuffix(path)
    return ""


def _environ_below(prefix: str) -> dict[str, Any]:
    """The request in WSGI form, with its path below the prefix. Its body is read by the API, at most as far as it allows."""
    environ: dict[str, Any] = {
        name: value for name, value in request.environ.items() if not name.startswith(("werkzeug.", "flask."))
    }
    environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
    environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(prefix)
    if "_cached_data" in vars(request):  # a hook of the host's has read the body already
        environ["wsgi.input"] = BytesIO(request.get_data())
    return environ
