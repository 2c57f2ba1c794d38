"""A real service sends what applications committed, under the ids that they were told."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from mailsvc import Outbox, Receipt
from tests.support.postgres import Postgres
from tests.support.service import Service
from tests.support.shop import MAIL


@pytest.fixture(params=["sqlite", "postgresql", "schema"])
def options(request: pytest.FixtureRequest, postgres: Postgres, tmp_path: Any) -> dict[str, str]:
    """Where the application's database is."""
    if request.param == "sqlite":
        return {"database_url": f"sqlite:///{tmp_path / 'shop.db'}"}
    where = {"database_url": postgres.fresh_database()}
    return where | ({"database_schema": "mail"} if request.param == "schema" else {})


def shown(service: Service, id_: str) -> dict[str, Any]:
    with service.client() as client:
        answer = client.get(f"/v1/messages/{id_}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def as_told(receipt: Receipt) -> dict[str, Any]:
    return {
        "id": receipt.id,
        "message_id": receipt.message_id,
        "deliveries": [(d.id, d.recipient) for d in receipt.deliveries],
    }


def as_found(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": message["id"],
        "message_id": message["message_id"],
        "deliveries": [(d["id"], d["recipient"]) for d in message["deliveries"]],
    }


def test_what_was_committed_is_sent_under_the_ids_of_its_receipt(
    run_service: Callable[..., Service], options: dict[str, str]
) -> None:
    service = run_service(**options)
    engine = create_engine(options["database_url"])
    outbox = Outbox(engine, schema=options.get("database_schema"), data_dir=service.data_dir)
    outbox.check(engine)
    mail = {**MAIL, "to": ["ok+1@sandbox.test", "ok+2@sandbox.test"], "bcc": "ok+3@sandbox.test"}
    with Session(engine) as session:
        outbox.send(session, **{**MAIL, "to": "ok+0@sandbox.test"})
        session.rollback()
        receipts = [outbox.send(session, **mail), outbox.send(session, idempotency_key="order-17", **mail)]
        again = outbox.send(session, idempotency_key="order-17", **mail)
        later = outbox.send(session, scheduled_at=timedelta(hours=1), **mail)
        session.commit()
        early = {receipt.id: as_found(shown(service, receipt.id)) for receipt in [*receipts, later]}
    engine.dispose()
    events = service.wait_for_events(lambda seen: sum(e["type"] == "message.sent" for e in seen) >= 6, 30)
    taken = {receipt.id: as_found(shown(service, receipt.id)) for receipt in [*receipts, later]}

    assert early == taken == {receipt.id: as_told(receipt) for receipt in [*receipts, later]}
    assert shown(service, later.id)["status"] == later.status == "scheduled"
    assert shown(service, again.id)["id"] == receipts[1].id
    assert {e["data"]["recipient"] for e in events if e["type"] == "message.sent"} == {
        f"ok+{n}@sandbox.test" for n in (1, 2, 3)
    }
