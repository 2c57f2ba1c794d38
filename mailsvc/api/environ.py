"""Converts between ASGI and PEP 3333: a request's head for Flask, and Flask's response for the server."""

import re
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes

from flask import Response
from werkzeug.exceptions import RequestTimeout

__all__ = ["Environ", "Scope", "Sendable", "content_length", "environ_of", "flaw_of_host", "sendable"]

Scope = MutableMapping[str, Any]
Environ = dict[str, Any]
Sendable = tuple[int, list[tuple[bytes, bytes]], bytes]  # status, headers, body

# RFC 3986 section 3.2, without user information and without the comma, with which a proxy joins two fields. The server
# strips the white space around a value.
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+;=%-]*)(:[0-9]*)?", re.ASCII)

_SAME_FOR_ALL = {
    "wsgi.version": (1, 0),
    "wsgi.errors": sys.stderr,
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.input_terminated": True,
}


def content_length(environ: Environ) -> int | None:
    """The length of the body; None if only its end shows the length."""
    if "HTTP_TRANSFER_ENCODING" in environ:
        return None
    text = environ.get("CONTENT_LENGTH", "0")
    return int(text) if text.isascii() and text.isdigit() else None


def flaw_of_host(scope: Scope) -> str | None:
    """What is wrong with the Host field (RFC 9112 section 3.2). Of two, a proxy and we could use different ones."""
    hosts = sum(name == b"host" for name, _ in scope["headers"])
    if hosts > 1:
        return "there is more than one Host field; send one"
    if hosts == 0 and scope["http_version"] != "1.0":
        return "there is no Host field; send one"
    if any(name == b"host" and not _HOST.fullmatch(value) for name, value in scope["headers"]):
        return "the Host field is not a host name or address, with or without a port"
    return None


def environ_of(scope: Scope, body: Any) -> Environ:
    """The request as PEP 3333 defines it: bytes are decoded as Latin-1."""
    server, client = scope["server"], scope["client"]
    environ: Environ = {
        **_SAME_FOR_ALL,
        "SCRIPT_NAME": scope.get("root_path", "").rstrip("/"),
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": unquote_to_bytes(scope["raw_path"]).decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": "HTTP/" + scope["http_version"],
        "REMOTE_ADDR": client[0],
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body,
    }
    for name, value in scope["headers"]:
        variable, text = _variable(name), value.decode("latin-1")
        environ[variable] = f"{environ[variable]},{text}" if variable in environ else text
    return environ


@lru_cache(256)
def _variable(header: bytes) -> str:
    name = header.decode("latin-1").upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


def sendable(response: Response, environ: Environ) -> Sendable:
    """Return the response in the form of ASGI."""
    # Copying the headers fixes redirects and responses without a body; it takes longer than everything else here.
    headers = response.headers if response.status_code < HTTPStatus.NO_CONTENT else response.get_wsgi_headers(environ)
    named = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    if response.status_code == RequestTimeout.code:
        named.append((b"connection", b"close"))  # the rest of the request's body may still arrive
    return response.status_code, named, b"".join(response.get_app_iter(environ))
