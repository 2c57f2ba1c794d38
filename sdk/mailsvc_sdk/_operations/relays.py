"""Relays: ``/v1/relays``."""

from collections.abc import Iterable
from typing import Unpack

from mailsvc_sdk._exchange import Operation
from mailsvc_sdk._listing import Query
from mailsvc_sdk._models.objects import Relay, RelayCheck
from mailsvc_sdk._operations import objects
from mailsvc_sdk._operations.fields import NewRelay, RelayChanges
from mailsvc_sdk._operations.paths import HasId, parameters, path
from mailsvc_sdk._options import Options

__all__ = ["check", "create", "delete", "get", "list_", "pause", "resume", "update"]


def list_(
    options: Options,
    *,
    name: str | Iterable[str] | None = None,
    page_size: int = 200,
    limit: int | None = None,
    cursor: str | None = None,
) -> Query[Relay]:
    """List the app's relays, newest first.

    Args:
        name: of those to list.
    """
    return objects.query(options, Relay, path("relays"), parameters(name=name), page=(page_size, limit, cursor))


def get(options: Options, id: str | HasId) -> Operation[Relay]:
    """Return a relay. Raises NotFound."""
    return (yield from objects.fetch(options, Relay, "relays", id))


def create(options: Options, **fields: Unpack[NewRelay]) -> Operation[Relay]:
    """Make a relay; a field that is left out or None has its default. Raises ValidationError, Conflict if the name is taken."""
    return (yield from objects.create(options, Relay, "relays", fields))


def update(options: Options, id: str | HasId, /, **fields: Unpack[RelayChanges]) -> Operation[Relay]:
    """Change a relay; None resets a field. Raises NotFound, ValidationError, Conflict if the name is taken."""
    return (yield from objects.change(options, Relay, ("relays", id), fields))


def delete(options: Options, id: str | HasId) -> Operation[None]:
    """Delete a relay. Raises NotFound, Conflict."""
    return (yield from objects.remove(options, "relays", id))


def check(options: Options, id: str | HasId) -> Operation[RelayCheck]:
    """Connect and log in, and return what each step gave. Raises NotFound."""
    return (yield from objects.act(options, RelayCheck, "relays", id, "check"))


def pause(options: Options, id: str | HasId, *, reason: str | None = None) -> Operation[Relay]:
    """Do not use a relay until it is resumed. Raises NotFound."""
    return (yield from objects.act(options, Relay, "relays", id, "pause", fields={"reason": reason}))


def resume(options: Options, id: str | HasId) -> Operation[Relay]:
    """Use a relay again, at once. Raises NotFound."""
    return (yield from objects.act(options, Relay, "relays", id, "resume"))
