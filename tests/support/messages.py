"""Messages as tests need them: made, submitted through the API, and moved on as a worker would."""

from typing import Any

import msgspec
from sqlalchemy import select, update

from mailsvc import clock
from mailsvc.delivery.claim import ClaimedBatch, fill_apart, take
from mailsvc.domain.bounce import Bounce
from mailsvc.domain.draft import Draft, Limits
from mailsvc.domain.lifecycle import Change
from mailsvc.domain.message_form import check
from mailsvc.domain.relay import Relay
from mailsvc.outbox.message_rows import NewMessage, Terms, build_draft
from mailsvc.outcomes.outcome import Outcome, Try
from mailsvc.outcomes.record import record
from mailsvc.store.leases import DELIVERIES, Quota, claim
from mailsvc.store.tables import delivery
from tests.support.api import ApiHarness, Client

__all__ = ["a_message", "claim_all", "sent_try", "set_statuses", "settle", "submit", "take_all", "writer"]


def a_message(
    *, relay: Relay, to: tuple[str, ...] = ("alice@example.test",), now: int | None = None, **fields: Any
) -> NewMessage:
    """A new message of app ``app_1``, ready to be accepted."""
    at = clock.now() if now is None else now
    draft = msgspec.convert(
        {"from": "Shop <orders@app.test>", "to": list(to), "subject": "Hi", "text": "Hello.", **fields}, Draft
    )
    return build_draft(check(draft, limits=Limits(), now=at), Terms("app_1", relay, at))


def sent_try(outcome: str = "sent", code: int = 250) -> Try:
    """Return one attempt that ended with this code."""
    return Try(clock.now(), 5.0, "eom", code, None, "said so", "rly_a", "mx.app.test", None, outcome)


def writer(harness: ApiHarness, name: str) -> Client:
    """Somebody with an app and a relay."""
    client = harness.create_app(name)
    made = client.post("/relays", {"name": "main", "host": "127.0.0.1", "port": 2525, "tls": "none", "default": True})
    assert made.status_code == 201, made.json
    return client


def submit(client: Client, *to: str, **fields: Any) -> dict[str, Any]:
    """Hand in a message; the answer of the 202."""
    letter = {
        "from": "Shop <orders@app.test>",
        "to": list(to) or ["alice@example.test"],
        "subject": "Hi",
        "text": "Hello.",
    }
    answer = client.post("/messages", letter | fields)
    assert answer.status_code == 202, answer.json
    return dict(answer.json)


def claim_all(harness: ApiHarness) -> list[Any]:
    """Claim what is due, as a worker does."""
    with harness.database.write() as connection:
        relays = connection.execute(select(delivery.c.relay_id).distinct()).scalars().all()
        lanes = [Quota(relay_id, 100) for relay_id in relays]
        now = harness.database.now()
        return claim(connection, DELIVERIES, lanes, owner="wrk_test", now=now, until=now + clock.MINUTE)


def take_all(harness: ApiHarness) -> ClaimedBatch:
    """Claim what is due and read what sending it needs, as a worker does."""
    with harness.database.read() as connection:
        relays = connection.execute(select(delivery.c.relay_id).distinct()).scalars().all()
    claimed = take(harness.database, [Quota(relay_id, 100) for relay_id in relays], owner="wrk_test", lease_seconds=60)
    fill_apart(claimed, harness.database, room=1_000_000)
    return claimed


def settle(
    harness: ApiHarness, held: Any, change: Change, *, code: int = 250, due_in: int | None = None, hard: bool = False
) -> set[str]:
    """Record one attempt's result for a claimed delivery; ``due_in`` microseconds. A hard bounce suppresses."""
    now = harness.database.now()
    due_at = None if due_in is None else now + due_in
    bounce = Bounce("hard", "mailbox_unknown", "smtp") if hard else None
    finding = Outcome(held.id, change, held.lease_token, sent_try(change.value, code), bounce, due_at=due_at)
    with harness.database.write() as connection:
        return record(connection, [finding], now=now)


def set_statuses(harness: ApiHarness, message_id: str, statuses: tuple[str, ...]) -> None:
    """Put the deliveries of a message into these states, in order of their ids."""
    with harness.database.write() as connection:
        ids = connection.execute(
            select(delivery.c.id).where(delivery.c.message_id == message_id).order_by(delivery.c.id)
        ).scalars()
        for id_, status in zip(ids.all(), statuses, strict=True):
            connection.execute(update(delivery).where(delivery.c.id == id_).values(status=status))
