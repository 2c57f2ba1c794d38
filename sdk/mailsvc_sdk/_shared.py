"""Clients that a whole process shares, for frameworks that make a new backend for every mail."""

from mailsvc_sdk import _interception as interception
from mailsvc_sdk._client import Mailsvc
from mailsvc_sdk._options import ApiKey

__all__ = ["has_key", "shared_client"]

_clients: dict[tuple[str | None, str | None], Mailsvc] = {}


def shared_client(url: str | None, api_key: str | None) -> Mailsvc:
    """Return the process's client of a service; None is the environment's. It is never closed."""
    known = ApiKey.of(api_key).value
    return _clients.setdefault((url, known), Mailsvc(url, api_key=known))


def has_key(api_key: str | None) -> bool:
    """Whether there is a key, or nobody who asks for one."""
    return bool(ApiKey.of(api_key).value) or interception.current() is not None
