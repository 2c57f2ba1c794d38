"""A row holds something that no program of ours writes: every loop goes on with the rows of others.

Generated from the tables: every column of a row of its own gets every poison, so that a new column is covered as soon
as it is there. Only SQLite lets a row hold values of another type.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Column, Table, insert, text
from sqlalchemy.exc import IntegrityError

from mailsvc.apps.mailbox_form import NewMailbox
from mailsvc.apps.mailboxes import MailboxRules, create_mailbox
from mailsvc.apps.oauth_tokens import AccessTokens
from mailsvc.domain.ids import new_id
from mailsvc.domain.relay import Relay
from mailsvc.eventlog.append import NewEvent, append_events
from mailsvc.inbound.worker import IngestContext, IngestWorker
from mailsvc.runtime import error_log
from mailsvc.runtime.heartbeat import Heartbeat
from mailsvc.runtime.wake import Bell
from mailsvc.settings import Settings
from mailsvc.store import migrate
from mailsvc.store.database import Database
from mailsvc.store.mailbox_tables import arrival, mailbox, mailbox_cursor
from mailsvc.store.tables import body, delivery, event, message, relay, webhook, webhook_delivery
from mailsvc.telemetry import Meter
from mailsvc.upkeep.loop import Upkeep
from mailsvc.webhooks.post import Poster
from mailsvc.webhooks.worker import WebhookWorker
from tests.support.dispatch import Dispatch
from tests.support.faulty import FaultyServer
from tests.support.faultypop3 import FaultyPop3
from tests.support.sasl import PASSWORD, USER
from tests.support.webhook_sink import Sink, open_sink

POISONS = {"bytes": "x'ff'", "text": "'nonsense'", "negative": "-1", "large": str(2**62), "nothing": "NULL"}
ROWS_OF_A_RELAY = {
    relay: "id = '{0}'",
    message: "relay_id = '{0}'",
    body: "message_id IN (SELECT id FROM mailsvc_message WHERE relay_id = '{0}')",
    delivery: "relay_id = '{0}'",
}
ROWS_OF_A_WEBHOOK = {
    webhook: "id = '{0}'",
    webhook_delivery: "webhook_id = '{0}'",
    event: "id IN (SELECT event_id FROM mailsvc_webhook_delivery WHERE webhook_id = '{0}')",
}
A_RELAY = Relay(id="rly_good", name="good", host="127.0.0.1", port=587, tls="starttls", username="u", password="p")


@pytest.fixture(autouse=True)
def _nothing_said_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(error_log, "_logged_at", {})


@pytest.fixture
def dispatch(tmp_path: Path) -> Iterator[Dispatch]:
    database = Database(f"sqlite:///{tmp_path / 'mailsvc.db'}")
    migrate.upgrade(database)
    yield Dispatch(database, tmp_path)
    database.close()


def poisoned(table: Table) -> Iterator[tuple[str, Column[Any], str]]:
    """A name, a column and a poison for it, in all combinations."""
    for column, (name, value) in itertools.product(table.columns, POISONS.items()):
        yield f"{column.name}-{name}", column, value


def poison(database: Database, column: Column[Any], value: str, where: str) -> None:
    """Put the value there, unless a constraint forbids it."""
    with contextlib.suppress(IntegrityError), database.write() as connection:
        connection.execute(text(f"UPDATE {column.table.name} SET {column.name} = {value} WHERE {where}"))  # noqa: S608


def poison_relays(dispatch: Dispatch, like: Relay, table: Table) -> None:
    """For each column and poison, store a relay with a message, and the poison in its row of this table."""
    for name, column, value in poisoned(table):
        bad = dispatch.add(dataclasses.replace(like, id=f"rly_{name}", name=name))
        dispatch.put(bad)
        poison(dispatch.database, column, value, ROWS_OF_A_RELAY[table].format(bad.id))


@pytest.mark.parametrize("table", list(ROWS_OF_A_RELAY), ids=str)
async def test_delivery_goes_on(dispatch: Dispatch, table: Table) -> None:
    """What is there is sent, and so is what comes afterwards."""
    async with FaultyServer() as server:
        good = dispatch.add(server.relay(id="rly_good", name="good"))
        await asyncio.to_thread(poison_relays, dispatch, good, table)
        async with dispatch.at_work():
            for _ in range(2):
                await asyncio.to_thread(dispatch.put, good, 2)
                await dispatch.until(lambda: dispatch.statuses(good) == {"sent"})


@pytest.mark.parametrize("table", list(ROWS_OF_A_RELAY), ids=str)
async def test_upkeep_goes_on(dispatch: Dispatch, table: Table) -> None:
    """What is past its time expires."""
    good = dispatch.add(A_RELAY)
    await asyncio.to_thread(dispatch.put, good, 2)
    await asyncio.to_thread(poison_relays, dispatch, good, table)
    with dispatch.database.write() as connection:
        connection.execute(text("UPDATE mailsvc_delivery SET expires_at = 1 WHERE typeof(expires_at) = 'integer'"))
    stop = asyncio.Event()
    work = asyncio.create_task(Upkeep(dispatch.database, Bell(dispatch.directory), Meter()).run(stop))
    try:
        await dispatch.until(lambda: dispatch.statuses(good) == {"expired"})
    finally:
        stop.set()
        await work


def subscribe(dispatch: Dispatch, app_id: str, sink: Sink) -> str:
    """Store a webhook of the app for all events; its path at the sink is the app's id."""
    row = {
        "id": new_id("whk"), "app_id": app_id, "url": sink.url(f"/{app_id}"), "events": '["*"]',
        "enabled": True, "managed": False, "secret": dispatch.vault.encrypt("whsec_" + "QUJD" * 10),
        "created_at": 1, "updated_at": 1,
    }  # fmt: skip
    with dispatch.database.write() as connection:
        connection.execute(insert(webhook).values(row))
    return row["id"]


def happen(dispatch: Dispatch, app_id: str) -> str:
    """Append an event of the app. Returns its id."""
    new = NewEvent(app_id, "message.sent", {"recipient": "bob@example.test"})
    with dispatch.database.write() as connection:
        append_events(connection, [new], now=dispatch.database.now())
    return new.id


@pytest.mark.parametrize("table", list(ROWS_OF_A_WEBHOOK), ids=str)
async def test_notifying_goes_on(dispatch: Dispatch, table: Table) -> None:
    """The webhooks of others are called, for the events that are there and for later ones."""
    with open_sink() as sink:
        subscribe(dispatch, "app_good", sink)
        for name, column, value in poisoned(table):
            bad = subscribe(dispatch, f"app_{name}", sink)
            happen(dispatch, f"app_{name}")
            poison(dispatch.database, column, value, ROWS_OF_A_WEBHOOK[table].format(bad))
        stop = asyncio.Event()
        bell = Bell(dispatch.directory)
        worker = WebhookWorker(dispatch.database, dispatch.vault, bell, owner="wrk_test", poster=Poster("any"))
        work = asyncio.create_task(worker.run(stop))
        try:
            for _ in range(2):
                event_id = happen(dispatch, "app_good")
                worker.wake()
                await dispatch.until(lambda wanted=event_id: wanted in {told.id for told in sink.told("/app_good")})
        finally:
            stop.set()
            await work


A_MAIL = b"From: bob@example.test\r\nTo: shop@app.test\r\nSubject: Hi\r\n\r\nHello\r\n"
ROWS_OF_A_MAILBOX = {mailbox: "id = '{0}'", mailbox_cursor: "mailbox_id = '{0}'"}


def watch_one(dispatch: Dispatch, name: str, port: int) -> str:
    """Create a POP3 mailbox. Returns its id."""
    wanted = NewMailbox(
        name=name, protocol="pop3", host="127.0.0.1", port=port, tls="none", username=USER, password=PASSWORD,
        first_read="all", poll_interval=1,
    )  # fmt: skip
    rules = MailboxRules(allow_plaintext=True, targets="any")
    return str(create_mailbox(dispatch.database, "app_1", wanted, vault=dispatch.vault, rules=rules).id)


def arrivals_in(dispatch: Dispatch, mailbox_id: str) -> int:
    return len([row for row in dispatch.rows(arrival, arrival.c.mailbox_id == mailbox_id) if row.kind])


@pytest.mark.parametrize("table", list(ROWS_OF_A_MAILBOX), ids=str)
async def test_reading_mailboxes_goes_on(dispatch: Dispatch, table: Table) -> None:
    """What arrives in another mailbox is read, at first and later."""
    with FaultyPop3(messages=[A_MAIL]) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        for name, column, value in poisoned(table):
            bad = watch_one(dispatch, name.replace("_", "-"), closed.getsockname()[1])
            poison(dispatch.database, column, value, ROWS_OF_A_MAILBOX[table].format(bad))
        good = watch_one(dispatch, "good", server.account().port)
        context = IngestContext(
            database=dispatch.database,
            vault=dispatch.vault,
            settings=Settings(data_dir=dispatch.directory, min_free_disk_bytes=0),
            bell=Bell(dispatch.directory),
            heartbeat=Heartbeat(dispatch.database, ("ingest",)),
            tokens=AccessTokens(dispatch.database, dispatch.vault),
            targets_of=lambda _: "any",
        )
        stop = asyncio.Event()
        work = asyncio.create_task(IngestWorker(context).run(stop))
        try:
            await dispatch.until(lambda: arrivals_in(dispatch, good) == 1)
            server.messages[2] = A_MAIL.replace(b"Hi", b"Again")
            await dispatch.until(lambda: arrivals_in(dispatch, good) == 2)
        finally:
            stop.set()
            await work
