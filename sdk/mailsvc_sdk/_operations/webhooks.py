"""Webhooks: ``/v1/webhooks``."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Unpack

from mailsvc_sdk._exchange import Operation
from mailsvc_sdk._listing import Query
from mailsvc_sdk._models.objects import Replayed, Webhook, WebhookDelivery, WebhookTrial
from mailsvc_sdk._operations import objects
from mailsvc_sdk._operations.fields import NewWebhook, WebhookChanges
from mailsvc_sdk._operations.paths import HasId, parameters, path
from mailsvc_sdk._options import Options
from mailsvc_sdk._sending.times import When, seconds

__all__ = ["create", "delete", "deliveries", "get", "list_", "replay", "rotate_secret", "test", "update"]


def list_(
    options: Options, *, page_size: int = 200, limit: int | None = None, cursor: str | None = None
) -> Query[Webhook]:
    """List the app's webhooks, newest first."""
    return objects.query(options, Webhook, path("webhooks"), page=(page_size, limit, cursor))


def get(options: Options, id: str | HasId) -> Operation[Webhook]:
    """Return a webhook. Raises NotFound."""
    return (yield from objects.fetch(options, Webhook, "webhooks", id))


def create(options: Options, **fields: Unpack[NewWebhook]) -> Operation[Webhook]:
    """Make a webhook. Only this result shows its ``secret``. Raises ValidationError.

    Args:
        fields: ``events`` takes ``*``, ``message.*`` and exact types.
    """
    return (yield from objects.create(options, Webhook, "webhooks", fields))


def update(options: Options, id: str | HasId, /, **fields: Unpack[WebhookChanges]) -> Operation[Webhook]:
    """Change a webhook; None resets a field. Raises NotFound, ValidationError."""
    return (yield from objects.change(options, Webhook, ("webhooks", id), fields))


def delete(options: Options, id: str | HasId) -> Operation[None]:
    """Delete a webhook. Raises NotFound."""
    return (yield from objects.remove(options, "webhooks", id))


def test(options: Options, id: str | HasId) -> Operation[WebhookTrial]:
    """Send a ``webhook.test`` now, and return what came of it. Raises NotFound."""
    return (yield from objects.act(options, WebhookTrial, "webhooks", id, "test"))


def rotate_secret(
    options: Options, id: str | HasId, *, grace_seconds: int | timedelta | None = None
) -> Operation[Webhook]:
    """Make a new secret, shown in this result only. Raises NotFound.

    Args:
        grace_seconds: how long events are signed with the old one too; a day by default.
    """
    grace = None if grace_seconds is None else seconds(grace_seconds)
    fields = {"grace_seconds": grace}
    return (yield from objects.act(options, Webhook, "webhooks", id, "rotate-secret", fields=fields))


def replay(
    options: Options,
    id: str | HasId,
    *,
    event_id: str | None = None,
    since: When | None = None,
    until: When | None = None,
    types: Iterable[str] | None = None,
) -> Operation[Replayed]:
    """Queue events once more: one, or those of a span of time. Raises NotFound, ValidationError."""
    fields = {"event_id": event_id, "since": since, "until": until, "types": types}
    return (yield from objects.act(options, Replayed, "webhooks", id, "replay", fields=fields))


def deliveries(
    options: Options,
    id: str | HasId,
    *,
    status: str | Iterable[str] | None = None,
    page_size: int = 200,
    limit: int | None = None,
    cursor: str | None = None,
) -> Query[WebhookDelivery]:
    """List the events for a webhook, with what came of each; newest first."""
    where, filters = path("webhooks", id, "deliveries"), parameters(status=status)
    return objects.query(options, WebhookDelivery, where, filters, page=(page_size, limit, cursor))
