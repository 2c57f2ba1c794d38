"""The same Idempotency-Key gives the first answer again, whatever process gave it."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select, tuple_

from mailsvc.domain.errors import FieldError, Invalid, Problem
from mailsvc.outbox.request import Answer, IntakeRequest
from mailsvc.store.tables import idempotency

__all__ = ["first_answers", "rows_of_keys"]


def first_answers(
    connection: Connection, group: Sequence[IntakeRequest], stored: set[str]
) -> dict[int, Answer | Problem]:
    """The answers to requests whose idempotency key was used before, by the request's ``id()``.

    Args:
        stored: ids of messages that an earlier try of the same requests stored: their keys are their own.
    """
    keyed = {r.key: r for r in group if r.key is not None and stored.isdisjoint(r.message_ids)}
    if not keyed:
        return {}
    condition = tuple_(idempotency.c.app_id, idempotency.c.key).in_(list(keyed))
    answers: dict[int, Answer | Problem] = {}
    for row in connection.execute(select(idempotency).where(condition)):
        request = keyed[row.app_id, row.key]
        answers[id(request)] = _first_answer(request, row)
    return answers


def _first_answer(request: IntakeRequest, row: Any) -> Answer | Problem:
    if request.idempotency_key and row.fingerprint == request.idempotency_key.fingerprint:
        return Answer(row.status, row.response.encode(), replayed=True)
    return Invalid(
        FieldError("Idempotency-Key", "was used before with another request; use a new key for a new request"),
        code="idempotency_mismatch",
    )


def rows_of_keys(
    requests: Sequence[IntakeRequest], answers: Mapping[int, Answer | Problem], now: int
) -> list[dict[str, Any]]:
    """The rows that keep the answers to requests with an idempotency key."""
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
