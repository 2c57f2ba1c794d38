"""``GET /openapi.yaml`` and ``GET /docs``: the description of the API, for programs and for people. No key is needed.

The page is built from the document and a guide in Markdown. It needs no script and loads nothing, as its
Content-Security-Policy says.
"""

import base64
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, current_app, render_template, request

from mailsvc.api.markdown import Markdown
from mailsvc.api.openapi import describe, to_yaml
from mailsvc.api.operation import Operation
from mailsvc.api.parts import services
from mailsvc.api.reference import Reference
from mailsvc.domain.events import VOCABULARY

__all__ = ["OPERATIONS", "blueprint"]

blueprint = Blueprint("docs", __name__, template_folder="templates")

OPERATIONS = {
    "get_openapi": Operation(summary="The OpenAPI 3.1 document of this API.", media="application/yaml"),
    "get_docs": Operation(summary="This page.", media="text/html"),
}

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "docs.css").read_text("utf-8")
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

_made_lock = threading.Lock()


@blueprint.get("/openapi.yaml")
def get_openapi() -> Response:
    """The OpenAPI document with this service's limits."""
    text = _made_once(f"mailsvc-openapi {request.script_root}", lambda: to_yaml(_describe()))
    return Response(text, content_type="application/yaml; charset=utf-8")


@blueprint.get("/docs")
def get_docs() -> Response:
    """The guide and the document as one HTML page."""
    response = Response(
        _made_once(f"mailsvc-docs {request.script_root}", _render), content_type="text/html; charset=utf-8"
    )
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _describe() -> dict[str, Any]:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001 - the documented way
    return describe(app, services().settings.limits, root=request.script_root)


def _made_once(name: str, make: Callable[[], str]) -> str:
    with _made_lock:
        if name not in current_app.extensions:
            current_app.extensions[name] = make()
        made: str = current_app.extensions[name]
        return made


def _render() -> str:
    document, markdown = _describe(), Markdown()
    reference = Reference(document)
    guide, sections = markdown.page((_TEMPLATES / "guide.md").read_text("utf-8"))
    return render_template(
        "docs.html",
        info=document["info"],
        guide=guide,
        sections=sections,
        groups=reference.groups(),
        objects=list(reference.objects()),
        events=VOCABULARY,
        style=_STYLE,
        md=markdown.line,
        root=request.script_root,
    )
