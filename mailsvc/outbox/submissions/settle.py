"""Which submissions are messages already: by their id, or by an idempotency key that was used before."""

import json
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, select

from mailsvc.domain.errors import FieldError, Invalid, Problem
from mailsvc.outbox.message_rows import NewMessage
from mailsvc.outbox.request import Answer, IdempotencyKey, IntakeRequest
from mailsvc.outbox.submissions.check import Checked
from mailsvc.store.submission_tables import taken_submission
from mailsvc.store.tables import message

__all__ = ["Settled", "key_reused", "request_of", "settle", "stored_under"]

KEY_SPACE = "\n"  # before each key: no Idempotency-Key of HTTP begins with it


class Settled(msgspec.Struct):
    """What becomes of the rows of a group."""

    fresh: list[Checked] = []  # with at most one of each key
    followers: list[tuple[Checked, Checked]] = []  # the second use of a key, with the first
    known: list[Checked] = []  # taken up before
    refused: list[tuple[Checked, Problem]] = []


def settle(connection: Connection, checked: Sequence[Checked]) -> Settled:
    """Sort out the rows whose id or key is known; the others are new."""
    settled = Settled()
    ids = [item.id for item in checked]
    taken = connection.execute(select(taken_submission).where(taken_submission.c.id.in_(ids)))
    digests = {row.id: (row.app_id, row.digest) for row in taken}
    stored = set(connection.execute(select(message.c.id).where(message.c.id.in_(ids))).scalars())
    first: dict[str, Checked] = {}
    for item in checked:
        if digests.get(item.id) == (item.new_message.app_id, item.digest):
            settled.known.append(item)
        elif item.id in digests or item.id in stored:
            detail = "is the id of another message; leave it out, or make a new one"
            settled.refused.append((item, Invalid(FieldError("id", detail))))
        elif item.key is None or item.key not in first:
            settled.fresh.append(item)
            if item.key is not None:
                first[item.key] = item
        elif first[item.key].digest == item.digest:
            settled.followers.append((item, first[item.key]))
        else:
            settled.refused.append((item, key_reused()))
    return settled


def key_reused() -> Invalid:
    """The error of a key that was used with another draft."""
    detail = "was used before with another draft; use a new key for a new mail"
    return Invalid(FieldError("idempotency_key", detail), code="idempotency_mismatch")


def request_of(item: Checked) -> IntakeRequest:
    """The request that stores this message."""
    key = None if item.key is None else IdempotencyKey(KEY_SPACE + item.key, item.digest)
    return IntakeRequest(item.new_message.app_id, [item.new_message], _render, key)


def stored_under(answer: Answer) -> str:
    """The id of the message that an answer is about; of the first message, where a key was used before."""
    return str(json.loads(answer.body))


def _render(new_messages: Sequence[NewMessage]) -> Answer:
    return Answer(202, json.dumps(new_messages[0].message["id"]).encode())
