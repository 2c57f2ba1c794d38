"""Plans the transaction of a group of requests: its statements, and the answer to each request."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sqlalchemy import Connection, select

from mailsvc.apps.suppressions import read_suppressions
from mailsvc.domain.errors import Problem
from mailsvc.eventlog.append import prepare_events
from mailsvc.outbox.idempotency import first_answers, rows_of_keys
from mailsvc.outbox.message_rows import NewMessage
from mailsvc.outbox.request import Answer, IntakeRequest
from mailsvc.store.bulk import Statement, insertion
from mailsvc.store.database import commits_in_turn
from mailsvc.store.tables import body, delivery, idempotency, message, other_message_id, passing_content, recipient

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
    answers = first_answers(connection, group, stored)
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
        other_message_id: _other_ids(new_messages),
        passing_content: [{"message_id": m.message["id"]} for m in new_messages if not m.is_stored],
        idempotency: rows_of_keys(unstored, answers, now),
    }
    dialect = connection.dialect.name
    statements = [statement for table, some in rows.items() for statement in insertion(dialect, table, some)]
    if news := [n for new_message in new_messages for n in new_message.new_events()]:
        statements += commits_in_turn(dialect) + prepare_events(connection, news, now=now)
    return Plan([answers[id(request)] for request in group], statements)


def _recipient_rows(new_messages: Sequence[NewMessage]) -> list[dict[str, Any]]:
    """Addresses are found without regard to case, as suppressions are."""
    rows = []
    for new_message in new_messages:
        common = {"app_id": new_message.app_id, "message_id": new_message.message["id"]}
        addresses = dict.fromkeys(row["recipient"].lower() for row in new_message.deliveries)
        rows += [{"address": address, **common} for address in addresses]
    return rows


def _other_ids(new_messages: Sequence[NewMessage]) -> list[dict[str, Any]]:
    """The Message-IDs that an application gave itself: by them, arriving mails find the message."""
    return [
        {"app_id": m.app_id, "identifier": own, "message_id": m.message["id"], "delivery_id": ""}
        for m in new_messages
        if not (own := m.message["message_id"].strip("<> ")).startswith(m.message["id"][4:])
    ]


def _suppress(connection: Connection, new_messages: Sequence[NewMessage], now: int) -> None:
    """Apply the suppression list."""
    if listed := read_suppressions(
        connection, ((m.app_id, row["recipient"]) for m in new_messages for row in m.deliveries)
    ):
        for new_message in new_messages:
            new_message.suppress(listed, now)
