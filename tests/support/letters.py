"""Messages of a house: submitted through its API, and processed as a worker would."""

from typing import Any

from sqlalchemy import select, update

from mailsvc import clock
from mailsvc.delivery.claim import ClaimedBatch, fill_apart, take
from mailsvc.domain.lifecycle import Change
from mailsvc.outcomes.record import Bounce, Outcome, record
from mailsvc.store.leases import DELIVERIES, Quota, claim
from mailsvc.store.tables import delivery
from tests.support.api import Client, House
from tests.support.messages import sent_try

__all__ = ["claim_all", "set_statuses", "settle", "submit", "take_all", "writer"]


def writer(house: House, name: str) -> Client:
    """Return a client of an app with a relay."""
    client = house.move_in(name)
    made = client.post("/relays", {"name": "main", "host": "127.0.0.1", "port": 2525, "tls": "none", "default": True})
    assert made.status_code == 201, made.json
    return client


def submit(client: Client, *to: str, **fields: Any) -> dict[str, Any]:
    """Submit a message. Returns the JSON of the 202."""
    letter = {
        "from": "Shop <orders@app.test>",
        "to": list(to) or ["alice@example.test"],
        "subject": "Hi",
        "text": "Hello.",
    }
    answer = client.post("/messages", letter | fields)
    assert answer.status_code == 202, answer.json
    return dict(answer.json)


def claim_all(house: House) -> list[Any]:
    """Claim all due deliveries, as a worker does."""
    with house.database.write() as connection:
        relays = connection.execute(select(delivery.c.relay_id).distinct()).scalars().all()
        lanes = [Quota(relay_id, 100) for relay_id in relays]
        now = house.database.now()
        return claim(connection, DELIVERIES, lanes, owner="wrk_test", now=now, until=now + clock.MINUTE)


def take_all(house: House) -> ClaimedBatch:
    """Claim all due deliveries and read the data for sending them, as a worker does."""
    with house.database.read() as connection:
        relays = connection.execute(select(delivery.c.relay_id).distinct()).scalars().all()
    claimed = take(house.database, [Quota(relay_id, 100) for relay_id in relays], owner="wrk_test", lease_seconds=60)
    fill_apart(claimed, house.database, room=1_000_000)
    return claimed


def settle(
    house: House, held: Any, change: Change, *, code: int = 250, due_in: int | None = None, hard: bool = False
) -> set[str]:
    """Record one attempt's result for a claimed delivery; ``due_in`` is in microseconds. A hard bounce suppresses."""
    now = house.database.now()
    due_at = None if due_in is None else now + due_in
    bounce = Bounce("hard", "mailbox_unknown", "smtp") if hard else None
    finding = Outcome(held.id, change, held.lease_token, sent_try(change.value, code), bounce, due_at=due_at)
    with house.database.write() as connection:
        return record(connection, [finding], now=now)


def set_statuses(house: House, message_id: str, statuses: tuple[str, ...]) -> None:
    """Set the deliveries of a message to these states, in order of their ids."""
    with house.database.write() as connection:
        ids = connection.execute(
            select(delivery.c.id).where(delivery.c.message_id == message_id).order_by(delivery.c.id)
        ).scalars()
        for id_, status in zip(ids.all(), statuses, strict=True):
            connection.execute(update(delivery).where(delivery.c.id == id_).values(status=status))
