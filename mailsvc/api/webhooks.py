"""/v1/webhooks: the endpoints that receive events, their secrets, deliveries and replays."""

import json
from typing import Any

import msgspec
from flask import Blueprint, request

from mailsvc import clock
from mailsvc.api.auth import caller, needs
from mailsvc.api.input import read_json, read_json_if_any, refuse_fields, refuse_unknown_arguments
from mailsvc.api.merge_patch import changes_of, merged
from mailsvc.api.operation import Operation
from mailsvc.api.paging import PAGING, listing, requested_page
from mailsvc.api.parts import services
from mailsvc.api.webhook_objects import (
    POST_STATUSES,
    Replay,
    Replayed,
    Rotation,
    Trial,
    WebhookChanges,
    WebhookDeliveryList,
    WebhookList,
    WebhookObject,
    shown_webhook_delivery,
)
from mailsvc.apps import webhooks
from mailsvc.apps.account_checks import MASK
from mailsvc.apps.webhook_form import NewWebhook, shown_webhook, webhook_form
from mailsvc.apps.webhook_posts import list_posts
from mailsvc.domain.errors import Conflict, FieldError, Invalid
from mailsvc.domain.events import is_pattern
from mailsvc.domain.strict_json import convert
from mailsvc.eventlog.replay import Span, replay_event, replay_span
from mailsvc.runtime.wake import NOTIFY

__all__ = ["OPERATIONS", "blueprint"]

blueprint = Blueprint("webhooks", __name__)


@blueprint.post("/v1/webhooks")
@needs("admin")
def create_webhook() -> tuple[dict[str, Any], int]:
    """Create a webhook. The response shows its secret, this once."""
    refuse_unknown_arguments()
    wanted, parts = read_json(NewWebhook), services()
    row, secret = webhooks.create_webhook(
        parts.database, caller().app_id, wanted, vault=parts.vault, targets=parts.settings.targets
    )
    return _show(row, secret=secret), 201


@blueprint.get("/v1/webhooks")
@needs("read")
def list_webhooks() -> dict[str, Any]:
    """The app's webhooks."""
    refuse_unknown_arguments("limit", "cursor")
    page = requested_page("whk")
    rows = webhooks.list_webhooks(services().database, caller().app_id, before=page.before, limit=page.fetch)
    return listing(rows, page, _show)


@blueprint.get("/v1/webhooks/<id_>")
@needs("read")
def get_webhook(id_: str) -> dict[str, Any]:
    """One webhook."""
    refuse_unknown_arguments()
    return _show(_get(id_))


@blueprint.patch("/v1/webhooks/<id_>")
@needs("admin")
def update_webhook(id_: str) -> dict[str, Any]:
    """Change a webhook: a JSON merge patch. Enabling it, or a new URL, clears its record of failures."""
    refuse_unknown_arguments()
    given, parts = read_json(dict[str, Any]), services()

    def edit(row: Any) -> NewWebhook | None:
        changes = changes_of(given, _show(row), form=NewWebhook, mask=MASK, secrets=("secret",))
        if not changes:
            return None
        return convert(merged(msgspec.to_builtins(webhook_form(row)), changes), NewWebhook)

    row = webhooks.update_webhook(parts.database, caller().app_id, id_, edit, targets=parts.settings.targets)
    parts.bell.ring(NOTIFY)
    return _show(row)


@blueprint.delete("/v1/webhooks/<id_>")
@needs("admin")
def delete_webhook(id_: str) -> tuple[str, int]:
    """Delete a webhook and its deliveries."""
    refuse_unknown_arguments()
    webhooks.delete_webhook(services().database, caller().app_id, id_)
    return "", 204


@blueprint.post("/v1/webhooks/<id_>/test")
@needs("admin")
def test_webhook(id_: str) -> dict[str, Any]:
    """Post a signed ``webhook.test`` event now, and report the result."""
    refuse_unknown_arguments()
    refuse_fields()
    parts = services()
    return parts.try_webhook(webhooks.trial_post(_get(id_), parts.vault, now=parts.database.now()))


@blueprint.post("/v1/webhooks/<id_>/rotate-secret")
@needs("admin")
def rotate_webhook_secret(id_: str) -> dict[str, Any]:
    """Create a new secret, shown this once; the previous one also signs for ``grace_seconds``."""
    refuse_unknown_arguments()
    grace, parts = read_json_if_any(Rotation).grace_seconds, services()
    row, secret = webhooks.rotate_webhook_secret(
        parts.database, caller().app_id, id_, grace_seconds=grace, vault=parts.vault
    )
    return _show(row, secret=secret)


@blueprint.get("/v1/webhooks/<id_>/deliveries")
@needs("read")
def list_webhook_deliveries(id_: str) -> dict[str, Any]:
    """The webhook's deliveries, done and waiting."""
    refuse_unknown_arguments("limit", "cursor", "status")
    page, statuses = requested_page("evt"), _statuses()
    row = _get(id_)
    rows = list_posts(services().database, row.id, statuses=statuses, before=page.before, limit=page.fetch)
    return listing(rows, page, shown_webhook_delivery, key="event_id")


@blueprint.post("/v1/webhooks/<id_>/replay")
@needs("admin")
def replay_webhook(id_: str) -> dict[str, Any]:
    """Post events again, under the same webhook-id."""
    refuse_unknown_arguments()
    wanted, parts = read_json(Replay), services()
    row = _get(id_)
    if not row.enabled:
        raise Conflict("the webhook is disabled: enable it first with PATCH")
    queued = (
        replay_event(parts.database, row.id, _only_event(wanted), app_id=row.app_id)
        if wanted.event_id is not None
        else replay_span(parts.database, row.id, _span(row, wanted))
    )
    parts.bell.ring(NOTIFY)
    return {"queued": queued}


def _get(id_: str) -> Any:
    return webhooks.get_webhook(services().database, caller().app_id, id_)


def _show(row: Any, *, secret: str = MASK) -> dict[str, Any]:
    return shown_webhook(row, now=services().database.now(), secret=secret)


def _only_event(wanted: Replay) -> str:
    if any(given is not None for given in (wanted.since, wanted.until, wanted.types)):
        raise Invalid(FieldError("event_id", "can't be combined with since, until or types"))
    return str(wanted.event_id)


def _span(row: Any, wanted: Replay) -> Span:
    if wanted.since is None or wanted.until is None:
        name = "since" if wanted.since is None else "until"
        raise Invalid(FieldError(name, "is required unless event_id is given"))
    types = json.loads(row.events) if wanted.types is None else wanted.types
    unknown = [
        FieldError(f"types.{n}", "is not an event type, a family such as message.*, or *")
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
    if any(status not in POST_STATUSES for status in wanted):
        raise Invalid(FieldError("status", f"must be one of {', '.join(POST_STATUSES)}"))
    return wanted


OPERATIONS = {
    "create_webhook": Operation(
        summary="Create a webhook; its secret is shown this once.", request=NewWebhook, answer=WebhookObject, status=201
    ),
    "list_webhooks": Operation(summary="List the app's webhooks.", answer=WebhookList, query=PAGING),
    "get_webhook": Operation(summary="Get one webhook.", answer=WebhookObject),
    "update_webhook": Operation(summary="Change a webhook.", request=WebhookChanges, answer=WebhookObject),
    "delete_webhook": Operation(summary="Delete a webhook with its deliveries.", status=204),
    "test_webhook": Operation(summary="Post a signed webhook.test event now.", answer=Trial),
    "rotate_webhook_secret": Operation(
        summary="Create a new secret, shown this once; the previous one also signs for grace_seconds.",
        request=Rotation,
        answer=WebhookObject,
    ),
    "list_webhook_deliveries": Operation(
        summary="List what was posted to a webhook, or waits to be posted, newest event first.",
        answer=WebhookDeliveryList,
        query={**PAGING, "status": "Only deliveries with this status; may be repeated."},
    ),
    "replay_webhook": Operation(
        summary="Post events again, under the same webhook-id.", request=Replay, answer=Replayed
    ),
}
