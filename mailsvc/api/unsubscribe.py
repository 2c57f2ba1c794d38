"""/u/{token}: one-click unsubscribing (RFC 8058). No key is needed: the token names the delivery, and is signed.

GET changes nothing, because scanners follow every link; it shows a page with a button.
"""

import base64
import hashlib
from pathlib import Path

from flask import Blueprint, Response, render_template

from mailsvc.api.operation import Operation
from mailsvc.api.parts import services
from mailsvc.mime.tokens import Purpose, read_token
from mailsvc.outcomes.unsubscribe import find_subscription, suppress_subscription
from mailsvc.runtime.wake import EVENTS, NOTIFY

__all__ = ["OPERATIONS", "blueprint"]

blueprint = Blueprint("unsubscribe", __name__, template_folder="templates")

OPERATIONS = {
    "get_unsubscribe_page": Operation(
        summary="A page with a button that unsubscribes; 404 for a link that is not valid any more.",
        media="text/html",
        problems=(404,),
    ),
    "unsubscribe_recipient": Operation(
        summary="Suppress the recipient whom the token names: for the first tag of that message, or wholly if it has none.",
        media="text/html",
        problems=(404,),
    ),
}

_STYLE = (Path(__file__).parent / "templates" / "unsubscribe.css").read_text("utf-8")
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"


@blueprint.get("/u/<token>")
def get_unsubscribe_page(token: str) -> Response:
    """The page with the button."""
    return _page("ask") if _subscription(token) else _page("unknown", 404)


@blueprint.post("/u/<token>")
def unsubscribe_recipient(token: str) -> Response:
    """Unsubscribe; mail programs post ``List-Unsubscribe=One-Click``, the page an empty form."""
    subscription = _subscription(token)
    if subscription is None:
        return _page("unknown", 404)
    suppress_subscription(services().database, subscription)
    services().bell.ring(NOTIFY, EVENTS)
    return _page("done")


def _subscription(token: str) -> object:
    delivery_id = read_token(token, Purpose.UNSUBSCRIBE, services().vault.signing_keys)
    return find_subscription(services().database, f"dlv_{delivery_id}") if delivery_id else None


def _page(state: str, status: int = 200) -> Response:
    response = Response(render_template("unsubscribe.html", state=state, style=_STYLE), status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    return response
