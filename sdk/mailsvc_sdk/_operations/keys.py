"""API keys: ``/v1/keys``."""

from typing import Unpack

from mailsvc_sdk._exchange import Operation
from mailsvc_sdk._listing import Query
from mailsvc_sdk._models.objects import Key
from mailsvc_sdk._operations import objects
from mailsvc_sdk._operations.fields import KeyChanges, NewKey
from mailsvc_sdk._operations.paths import HasId, path
from mailsvc_sdk._options import Options

__all__ = ["create", "get", "list_", "revoke", "update"]


def list_(options: Options, *, page_size: int = 200, limit: int | None = None, cursor: str | None = None) -> Query[Key]:
    """List the app's keys, newest first."""
    return objects.query(options, Key, path("keys"), page=(page_size, limit, cursor))


def get(options: Options, id: str | HasId) -> Operation[Key]:
    """Return what is known of a key, without the key. Raises NotFound."""
    return (yield from objects.fetch(options, Key, "keys", id))


def create(options: Options, name: str, **fields: Unpack[NewKey]) -> Operation[Key]:
    """Make a key. Only this result shows the ``key``. Raises ValidationError."""
    return (yield from objects.create(options, Key, "keys", {"name": name, **fields}))


def update(options: Options, id: str | HasId, /, **fields: Unpack[KeyChanges]) -> Operation[Key]:
    """Change a key. Raises NotFound, ValidationError."""
    return (yield from objects.change(options, Key, ("keys", id), fields))


def revoke(options: Options, id: str | HasId) -> Operation[None]:
    """Revoke a key at once. Raises NotFound."""
    return (yield from objects.remove(options, "keys", id))
