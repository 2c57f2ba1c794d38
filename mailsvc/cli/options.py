"""Options shared by many commands."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from mailsvc.cli.client import Client
from mailsvc.cli.find_service import find_service, require_key

__all__ = ["address_options", "json_option", "with_service"]

P = ParamSpec("P")
R = TypeVar("R")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
_url = click.option(
    "--url",
    "service_url",
    metavar="URL",
    help="The service's URL (default: MAILSVC_URL, else MAILSVC_BIND on this host).",
)
_key = click.option(
    "--key",
    "service_key",
    metavar="KEY",
    help="The API key (default: MAILSVC_API_KEY, else the file api-key in the data directory).",
)


def address_options(command: Callable[P, R]) -> Callable[P, R]:
    """Add ``--url``, ``--key`` and ``--json`` as ``service_url``, ``service_key`` and ``as_json``."""
    return _url(_key(json_option(command)))


def with_service(command: Callable[Concatenate[Client, P], R]) -> Callable[..., R]:
    """Add ``--url``, ``--key`` and ``--json``; the command gets a ``Client`` first instead of the first two."""

    @wraps(command)
    def found(*args: Any, service_url: str | None, service_key: str | None, **kwargs: Any) -> R:
        return command(require_key(find_service(service_url, service_key)), *args, **kwargs)

    return address_options(found)
