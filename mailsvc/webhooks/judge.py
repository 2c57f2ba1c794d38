"""Decides from responses when an event is posted again and when a webhook is disabled."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from mailsvc import clock
from mailsvc.apps import webhooks
from mailsvc.apps.webhook_posts import fail_waiting_posts
from mailsvc.store.bulk import carry_out, update_of
from mailsvc.store.database import Database
from mailsvc.store.leases import DuePost
from mailsvc.store.tables import webhook, webhook_delivery
from mailsvc.webhooks.post import Answer
from mailsvc.webhooks.schedule import next_attempt

__all__ = ["PostResult", "note_failure", "record_results"]

GIVE_UP_AFTER = 5 * clock.DAY
GONE = 410
_KEYS = ("webhook_id", "event_id", "lease_token")


@dataclass(frozen=True, slots=True)
class PostResult:
    """The result of one POST."""

    row: DuePost
    answer: Answer


def record_results(connection: Connection, results: Sequence[PostResult], *, now: int) -> None:
    """Write the results of POSTs, and what follows for their webhooks."""
    settled = [_settlement(result, now) for result in results]
    carry_out(connection, update_of(connection.dialect.name, webhook_delivery, _KEYS, settled))
    by_hook: dict[str, list[Answer]] = {}
    for result in results:
        by_hook.setdefault(result.row.webhook_id, []).append(result.answer)
    for hook_id, answers in by_hook.items():
        _judge(connection, hook_id, answers, now)


def note_failure(database: Database, webhook_id: str) -> None:
    """Show a webhook as failing because of an error of ours."""
    with database.write() as connection:
        webhooks.mark_failing(connection, webhook_id, now=database.now())


def _judge(connection: Connection, hook_id: str, answers: Sequence[Answer], now: int) -> None:
    """A success clears the failing state; 410 or five days of failures disable the webhook."""
    hook = connection.execute(select(webhook).where(webhook.c.id == hook_id)).first()
    if hook is None:
        return
    if not hook.enabled:  # disabled by another post, or by hand: posts in progress are not retried
        fail_waiting_posts(connection, hook.id, hook.disabled_reason or "by hand")
        return
    gone = any(answer.status == GONE for answer in answers)
    if any(answer.is_success for answer in answers) and not gone:
        if hook.failing_since is not None:
            webhooks.mark_working(connection, hook_id)
    elif gone or (hook.failing_since is not None and now - hook.failing_since >= GIVE_UP_AFTER):
        reason = "it answered 410 Gone" if gone else "it failed for five days"
        webhooks.disable_webhook(connection, hook, reason, now=now)
    elif hook.failing_since is None:
        webhooks.mark_failing(connection, hook_id, now=now)


def _settlement(result: PostResult, now: int) -> dict[str, Any]:
    row, answer, attempts = result.row, result.answer, result.row.attempts + 1
    due_at = None
    if not answer.is_success and answer.status != GONE:
        due_at = next_attempt(attempts, now=now, chance=random.random(), retry_after=answer.retry_after)  # noqa: S311 - jitter
    status = "delivered" if answer.is_success else "queued" if due_at is not None else "failed"
    return {
        "webhook_id": row.webhook_id,
        "event_id": row.event_id,
        "lease_token": row.lease_token,
        "status": status,
        "due_at": due_at,
        "attempts": attempts,
        "status_code": answer.status,
        "error": answer.error,
        "response": _shown(answer) if status != "delivered" else None,
        "duration_ms": answer.duration * 1000,
        "lease_owner": None,
        "updated_at": now,
    }


def _shown(answer: Answer) -> str | None:
    return answer.body.decode("utf-8", "replace").replace("\0", "�") if answer.body else None
