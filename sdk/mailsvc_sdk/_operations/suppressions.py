"""Suppressions: ``/v1/suppressions``."""

from collections.abc import Iterable

from mailsvc_sdk._exchange import Operation
from mailsvc_sdk._listing import Query
from mailsvc_sdk._models.objects import Suppression
from mailsvc_sdk._models.words import SuppressionReason
from mailsvc_sdk._operations import objects
from mailsvc_sdk._operations.paths import HasId, parameters, path
from mailsvc_sdk._options import Options

__all__ = ["create", "delete", "get", "list_", "update"]


def list_(
    options: Options,
    *,
    address: str | Iterable[str] | None = None,
    reason: SuppressionReason | Iterable[SuppressionReason] | None = None,
    tag: str | Iterable[str] | None = None,
    page_size: int = 200,
    limit: int | None = None,
    cursor: str | None = None,
) -> Query[Suppression]:
    """List the app's suppressions, newest first."""
    filters = parameters(address=address, reason=reason, tag=tag)
    return objects.query(options, Suppression, path("suppressions"), filters, page=(page_size, limit, cursor))


def get(options: Options, id: str | HasId) -> Operation[Suppression]:
    """Return a suppression. Raises NotFound."""
    return (yield from objects.fetch(options, Suppression, "suppressions", id))


def create(
    options: Options,
    address: str,
    *,
    reason: SuppressionReason | None = None,
    tag: str | None = None,
    note: str | None = None,
    event_id: str | None = None,
) -> Operation[Suppression]:
    """Send nothing to an address any more. Raises ValidationError.

    Args:
        tag: only nothing with this tag.
    """
    fields = {"address": address, "reason": reason, "tag": tag, "note": note, "event_id": event_id}
    return (yield from objects.create(options, Suppression, "suppressions", fields))


def update(
    options: Options, id: str | HasId, *, note: str | None = None, reason: SuppressionReason | None = None
) -> Operation[Suppression]:
    """Change a suppression. Raises NotFound, ValidationError."""
    fields = {name: value for name, value in {"note": note, "reason": reason}.items() if value is not None}
    return (yield from objects.change(options, Suppression, ("suppressions", id), fields))


def delete(options: Options, id: str | HasId) -> Operation[None]:
    """Allow mail to the address again. Raises NotFound."""
    return (yield from objects.remove(options, "suppressions", id))
