"""/v1/webhooks: the endpoints that are told of events, their secrets, what was posted to them, and telling again."""

import json
from collections.abc import Mapping
from typing import Any, Literal

import msgspec
from flask import Blueprint, request
from sqlalchemy import Connection, delete, insert, select, update

from mailsvc import clock
from mailsvc.api.auth import caller, needs
from mailsvc.api.input import convert, read_json, read_json_if_any, refuse_fields, refuse_unknown_arguments
from mailsvc.api.merge_patch import changes_of, merged
from mailsvc.api.operation import Operation
from mailsvc.api.paging import PAGING, listing, requested_page
from mailsvc.api.parts import services
from mailsvc.apps.relay_form import MASK
from mailsvc.apps.webhook_form import (
    FRESH,
    NewWebhook,
    check_webhook,
    secrets_in_force,
    shown_webhook,
    webhook_form,
    webhook_values,
)
from mailsvc.domain.errors import Conflict, FieldError, Invalid, NotFound
from mailsvc.domain.events import is_pattern
from mailsvc.domain.ids import new_id
from mailsvc.domain.signing import TrialPost, new_secret
from mailsvc.eventlog.replay import Span, queue_again, replay_span
from mailsvc.runtime.wake import NOTIFY
from mailsvc.store.tables import event, webhook, webhook_delivery

__all__ = ["OPERATIONS", "blueprint"]

blueprint = Blueprint("webhooks", __name__)

GRACE, LONGEST_GRACE = 86_400, 30 * 86_400  # seconds
STATUSES = ("queued", "sending", "delivered", "failed")
BATCH = 5000  # rows removed in one transaction


class WebhookObject(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A webhook as it is shown; its secret only where it was made just now."""

    id: str
    url: str
    events: list[str]
    description: str | None
    ca_pem: str | None
    enabled: bool
    secret: str
    old_secret_until: str | None
    managed: bool
    failing_since: str | None
    disabled_reason: str | None
    created_at: str
    updated_at: str


class WebhookList(msgspec.Struct):
    """A page of webhooks, newest first."""

    data: list[WebhookObject]
    next_cursor: str | None


class WebhookChanges(msgspec.Struct, kw_only=True):
    """A JSON merge patch: what is given changes, null puts back to the default."""

    url: str | msgspec.UnsetType = msgspec.UNSET
    events: list[str] | msgspec.UnsetType | None = msgspec.UNSET
    description: str | msgspec.UnsetType | None = msgspec.UNSET
    ca_pem: str | msgspec.UnsetType | None = msgspec.UNSET
    enabled: bool | msgspec.UnsetType | None = msgspec.UNSET


class Rotation(msgspec.Struct, forbid_unknown_fields=True):
    """How long the secret before signs along."""

    grace_seconds: int = GRACE


class Trial(msgspec.Struct):
    """How posting a ``webhook.test`` event went."""

    delivered: bool
    status_code: int | None
    duration_ms: float
    error: str | None


class Replay(msgspec.Struct, forbid_unknown_fields=True):
    """One event by its id, or those of a time range; ``types`` takes what ``events`` of a webhook takes."""

    event_id: str | None = None
    since: str | None = None
    until: str | None = None
    types: list[str] | None = None


class Replayed(msgspec.Struct):
    """How many events are queued again."""

    queued: int


class WebhookDelivery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One event on its way to one webhook; ``response`` is what the endpoint last said where it failed."""

    event_id: str
    type: str | None
    status: Literal["queued", "sending", "delivered", "failed"]
    attempts: int
    next_attempt_at: str | None
    status_code: int | None
    error: str | None
    response: str | None
    duration_ms: float | None
    created_at: str
    updated_at: str


class WebhookDeliveryList(msgspec.Struct):
    """A page of deliveries, newest event first."""

    data: list[WebhookDelivery]
    next_cursor: str | None


@blueprint.post("/v1/webhooks")
@needs("admin")
def create_webhook() -> tuple[dict[str, Any], int]:
    """Add a webhook. The answer shows its secret, this once."""
    refuse_unknown_arguments()
    wanted = read_json(NewWebhook)
    parts = services()
    check_webhook(wanted, targets=parts.settings.targets)
    secret, now = new_secret(), parts.database.now()
    values = webhook_values(wanted) | {"secret": parts.vault.encrypt(secret), "managed": False}
    with parts.database.write() as connection:
        row = connection.execute(
            insert(webhook)
            .values(id=new_id("whk"), app_id=caller().app_id, created_at=now, updated_at=now, **values)
            .returning(webhook)
        ).one()
    return shown_webhook(row, now=now, secret=secret), 201


@blueprint.get("/v1/webhooks")
@needs("read")
def list_webhooks() -> dict[str, Any]:
    """The app's webhooks."""
    refuse_unknown_arguments("limit", "cursor")
    page = requested_page("whk")
    wanted = select(webhook).where(webhook.c.app_id == caller().app_id)
    if page.before is not None:
        wanted = wanted.where(webhook.c.id < page.before)
    with services().database.read() as connection:
        rows = connection.execute(wanted.order_by(webhook.c.id.desc()).limit(page.fetch)).all()
    return listing(rows, page, _show)


@blueprint.get("/v1/webhooks/<id_>")
@needs("read")
def get_webhook(id_: str) -> dict[str, Any]:
    """One webhook."""
    refuse_unknown_arguments()
    with services().database.read() as connection:
        return _show(_find(connection, id_))


@blueprint.patch("/v1/webhooks/<id_>")
@needs("admin")
def update_webhook(id_: str) -> dict[str, Any]:
    """Change a webhook: a JSON merge patch. Switching it on, or a new URL, clears its record of failures."""
    refuse_unknown_arguments()
    given = read_json(dict[str, Any])
    parts = services()
    with parts.database.write() as connection:
        before = _find(connection, id_, for_update=True)
        changes = changes_of(given, _show(before), form=NewWebhook, mask=MASK, secrets=("secret",))
        if not changes:
            return _show(before)
        wanted = convert(merged(msgspec.to_builtins(webhook_form(before)), changes), NewWebhook)
        check_webhook(wanted, targets=parts.settings.targets)
        is_fresh = wanted.url != before.url or (wanted.enabled and not before.enabled)
        row = _change(connection, id_, webhook_values(wanted) | (FRESH if is_fresh else {}))
    parts.bell.ring(NOTIFY)
    return _show(row)


@blueprint.delete("/v1/webhooks/<id_>")
@needs("admin")
def delete_webhook(id_: str) -> tuple[str, int]:
    """Remove a webhook and what is known of its deliveries."""
    refuse_unknown_arguments()
    database = services().database
    with database.write() as connection:
        _find(connection, id_)
        connection.execute(delete(webhook).where(webhook.c.id == id_))
    own = webhook_delivery.c.webhook_id == id_
    some = select(webhook_delivery.c.event_id).where(own).limit(BATCH).scalar_subquery()
    removed = BATCH
    while removed == BATCH:  # not all in one go: other writers want their turn
        with database.write() as connection:
            gone = connection.execute(delete(webhook_delivery).where(own, webhook_delivery.c.event_id.in_(some)))
            removed = gone.rowcount
    return "", 204


@blueprint.post("/v1/webhooks/<id_>/test")
@needs("admin")
def test_webhook(id_: str) -> dict[str, Any]:
    """Post a signed ``webhook.test`` event now, and tell how it went."""
    refuse_unknown_arguments()
    refuse_fields()
    parts = services()
    with parts.database.read() as connection:
        row = _find(connection, id_)
    event_id, now = new_id("evt"), parts.database.now()
    told = {
        "id": event_id,
        "type": "webhook.test",
        "timestamp": clock.rfc3339(now),
        "sequence": None,
        "data": {"webhook_id": row.id, "url": row.url},
    }
    secrets = secrets_in_force(row, parts.vault, now=now)
    return parts.try_webhook(TrialPost(row.url, row.ca_pem, msgspec.json.encode(told), secrets, event_id))


@blueprint.post("/v1/webhooks/<id_>/rotate-secret")
@needs("admin")
def rotate_webhook_secret(id_: str) -> dict[str, Any]:
    """Make a new secret, shown this once; the one before signs along for ``grace_seconds``."""
    refuse_unknown_arguments()
    grace = read_json_if_any(Rotation).grace_seconds
    if not 0 <= grace <= LONGEST_GRACE:
        raise Invalid(FieldError("grace_seconds", f"must be from 0 to {LONGEST_GRACE}"))
    parts = services()
    secret = new_secret()
    with parts.database.write() as connection:
        before = _find(connection, id_, for_update=True)
        now = parts.database.now()
        old = {
            "old_secret": before.secret if grace else None,
            "old_secret_until": now + grace * clock.SECOND if grace else None,
        }
        row = _change(connection, id_, {"secret": parts.vault.encrypt(secret), **old})
    return shown_webhook(row, now=now, secret=secret)


@blueprint.get("/v1/webhooks/<id_>/deliveries")
@needs("read")
def list_webhook_deliveries(id_: str) -> dict[str, Any]:
    """What was posted to the webhook, or waits to be."""
    refuse_unknown_arguments("limit", "cursor", "status")
    page = requested_page("evt")
    wanted = (
        select(webhook_delivery, event.c.type)
        .outerjoin(event, event.c.id == webhook_delivery.c.event_id)
        .where(webhook_delivery.c.webhook_id == id_)
    )
    if page.before is not None:
        wanted = wanted.where(webhook_delivery.c.event_id < page.before)
    if statuses := _statuses():
        wanted = wanted.where(webhook_delivery.c.status.in_(statuses))
    with services().database.read() as connection:
        _find(connection, id_)
        rows = connection.execute(wanted.order_by(webhook_delivery.c.event_id.desc()).limit(page.fetch)).all()
    return listing(rows, page, _shown_delivery, key="event_id")


@blueprint.post("/v1/webhooks/<id_>/replay")
@needs("admin")
def replay_webhook(id_: str) -> dict[str, Any]:
    """Post events again, under the same webhook-id."""
    refuse_unknown_arguments()
    wanted = read_json(Replay)
    parts = services()
    with parts.database.read() as connection:
        row = _find(connection, id_)
    if not row.enabled:
        raise Conflict("the webhook is disabled: enable it first with PATCH")
    queued = (
        _replay_one(row, wanted)
        if wanted.event_id is not None
        else replay_span(parts.database, row.id, _span(row, wanted))
    )
    parts.bell.ring(NOTIFY)
    return {"queued": queued}


def _replay_one(row: Any, wanted: Replay) -> int:
    if any(given is not None for given in (wanted.since, wanted.until, wanted.types)):
        raise Invalid(FieldError("event_id", "can't go with since, until or types"))
    database = services().database
    with database.write() as connection:
        own = (event.c.id == wanted.event_id) & (event.c.app_id == row.app_id)
        if connection.execute(select(event.c.id).where(own)).first() is None:
            raise NotFound(f"there is no event {str(wanted.event_id)[:100]!r}, or it is not kept any more")
        return queue_again(connection, row.id, [str(wanted.event_id)], now=database.now())


def _span(row: Any, wanted: Replay) -> Span:
    if wanted.since is None or wanted.until is None:
        name = "since" if wanted.since is None else "until"
        raise Invalid(FieldError(name, "is required unless event_id is given"))
    types = json.loads(row.events) if wanted.types is None else wanted.types
    unknown = [
        FieldError(f"types.{n}", "is not an event type or a family of them")
        for n, t in enumerate(types)
        if not is_pattern(t)
    ]
    if unknown:
        raise Invalid(*unknown)
    return Span(row.app_id, _instant("since", wanted.since), _instant("until", wanted.until), tuple(types))


def _instant(field: str, text: str) -> int:
    try:
        return clock.parse_rfc3339(text)
    except ValueError as error:
        raise Invalid(FieldError(field, f"is {error}")) from None


def _statuses() -> list[str]:
    wanted = request.args.getlist("status")
    if any(status not in STATUSES for status in wanted):
        raise Invalid(FieldError("status", f"must be one of {', '.join(STATUSES)}"))
    return wanted


def _show(row: Any) -> dict[str, Any]:
    return shown_webhook(row, now=services().database.now())


def _shown_delivery(row: Any) -> dict[str, Any]:
    # While it is being posted, due_at is the end of the worker's lease, not a time of another attempt.
    waits = row.status == "queued" and row.due_at is not None
    return {
        "event_id": row.event_id,
        "type": row.type,
        "status": row.status,
        "attempts": row.attempts,
        "next_attempt_at": clock.rfc3339(row.due_at) if waits else None,
        "status_code": row.status_code,
        "error": row.error,
        "response": row.response,
        "duration_ms": row.duration_ms,
        "created_at": clock.rfc3339(row.created_at),
        "updated_at": clock.rfc3339(row.updated_at),
    }


def _find(connection: Connection, id_: str, *, for_update: bool = False) -> Any:
    wanted = select(webhook).where(webhook.c.id == id_, webhook.c.app_id == caller().app_id)
    row = connection.execute(wanted.with_for_update() if for_update else wanted).first()
    if row is None:
        raise NotFound(f"there is no webhook {id_[:100]!r}")
    return row


def _change(connection: Connection, id_: str, values: Mapping[str, Any]) -> Any:
    changed = {**values, "updated_at": services().database.now()}
    return connection.execute(update(webhook).where(webhook.c.id == id_).values(**changed).returning(webhook)).one()


OPERATIONS = {
    "create_webhook": Operation(
        summary="Add a webhook; its secret is shown this once.", request=NewWebhook, answer=WebhookObject, status=201
    ),
    "list_webhooks": Operation(summary="List the app's webhooks.", answer=WebhookList, query=PAGING),
    "get_webhook": Operation(summary="Show one webhook.", answer=WebhookObject),
    "update_webhook": Operation(summary="Change a webhook.", request=WebhookChanges, answer=WebhookObject),
    "delete_webhook": Operation(summary="Remove a webhook with its deliveries.", status=204),
    "test_webhook": Operation(summary="Post a signed webhook.test event now.", answer=Trial),
    "rotate_webhook_secret": Operation(
        summary="Make a new secret, shown this once; the old one signs along for a while.",
        request=Rotation,
        answer=WebhookObject,
    ),
    "list_webhook_deliveries": Operation(
        summary="List what was posted to a webhook or waits to be, newest event first.",
        answer=WebhookDeliveryList,
        query={**PAGING, "status": "Only those of this status; may be repeated."},
    ),
    "replay_webhook": Operation(
        summary="Post events again, under the same webhook-id.", request=Replay, answer=Replayed
    ),
}
