"""Plans the transaction of a group of requests: its statements, and the answer to each request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sqlalchemy import Connection, select, tuple_

from mailsvc.apps.suppressions import read_suppressions
from mailsvc.domain.errors import FieldError, Invalid, Problem
from mailsvc.eventlog.append import prepare_events
from mailsvc.outbox.build import NewMessage
from mailsvc.outbox.request import Answer, IntakeRequest
from mailsvc.store.bulk import Statement, insertion
from mailsvc.store.database import commits_in_turn
from mailsvc.store.tables import body, delivery, idempotency, message, recipient

__all__ = ["Plan", "plan_commit", "stored_ids"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The statements of one transaction, and one answer per request of the group."""

    answers: list[Answer | Problem]
    statements: list[Statement]


def stored_ids(connection: Connection, group: Sequence[IntakeRequest]) -> set[str]:
    """The ids of the group's messages that are already stored."""
    ids = list(chain.from_iterable(request.message_ids for request in group))
    return set(connection.execute(select(message.c.id).where(message.c.id.in_(ids))).scalars())


def plan_commit(connection: Connection, group: Sequence[IntakeRequest], stored: set[str], now: int) -> Plan:
    """Prepare the transaction that stores a group; reads only.

    Args:
        stored: ids of messages that an earlier try may have stored: they are not written again.
    """
    answers = _replays(connection, group, stored)
    fresh = [request for request in group if id(request) not in answers]
    new_messages = [m for request in fresh for m in request.new_messages if m.message["id"] not in stored]
    _suppress(connection, new_messages, now)
    for request in fresh:
        answers[id(request)] = request.render(request.new_messages)
    unstored = [request for request in fresh if not stored.issuperset(request.message_ids)]
    rows = {
        message: [m.message for m in new_messages],
        body: [{"message_id": m.message["id"], "content": m.content} for m in new_messages],
        delivery: list(chain.from_iterable(m.deliveries for m in new_messages)),
        recipient: _recipient_rows(new_messages),
        idempotency: _idempotency_rows(unstored, answers, now),
    }
    dialect = connection.dialect.name
    statements = [statement for table, some in rows.items() for statement in insertion(dialect, table, some)]
    if news := [n for new_message in new_messages for n in new_message.new_events()]:
        statements += commits_in_turn(dialect) + prepare_events(connection, news, now=now)
    return Plan([answers[id(request)] for request in group], statements)


def _replays(connection: Connection, group: Sequence[IntakeRequest], stored: set[str]) -> dict[int, Answer | Problem]:
    """The answers to requests whose idempotency key was used before, by the request's ``id()``."""
    keyed = {r.key: r for r in group if r.key is not None and stored.isdisjoint(r.message_ids)}
    if not keyed:
        return {}
    condition = tuple_(idempotency.c.app_id, idempotency.c.key).in_(list(keyed))
    answers: dict[int, Answer | Problem] = {}
    for row in connection.execute(select(idempotency).where(condition)):
        request = keyed[row.app_id, row.key]
        answers[id(request)] = _replay(request, row)
    return answers


def _replay(request: IntakeRequest, row: Any) -> Answer | Problem:
    if request.idempotency_key and row.fingerprint == request.idempotency_key.fingerprint:
        return Answer(row.status, row.response.encode(), replayed=True)
    return Invalid(
        FieldError("Idempotency-Key", "was used before with another request; use a new key for a new request"),
        code="idempotency_mismatch",
    )


def _idempotency_rows(
    requests: Sequence[IntakeRequest], answers: Mapping[int, Answer | Problem], now: int
) -> list[dict[str, Any]]:
    rows = []
    for request in requests:
        answer, key = answers[id(request)], request.idempotency_key
        if key and isinstance(answer, Answer):
            rows.append(
                {
                    "app_id": request.app_id,
                    "key": key.key,
                    "fingerprint": key.fingerprint,
                    "status": answer.status,
                    "response": answer.body.decode(),
                    "created_at": now,
                }
            )
    return rows


def _recipient_rows(new_messages: Sequence[NewMessage]) -> list[dict[str, Any]]:
    """Addresses are found without regard to case, as suppressions are."""
    rows = []
    for new_message in new_messages:
        common = {"app_id": new_message.app_id, "message_id": new_message.message["id"]}
        addresses = dict.fromkeys(row["recipient"].lower() for row in new_message.deliveries)
        rows += [{"address": address, **common} for address in addresses]
    return rows


def _suppress(connection: Connection, new_messages: Sequence[NewMessage], now: int) -> None:
    """Apply the suppression list."""
    if listed := read_suppressions(
        connection, ((m.app_id, row["recipient"]) for m in new_messages for row in m.deliveries)
    ):
        for new_message in new_messages:
            new_message.suppress(listed, now)
