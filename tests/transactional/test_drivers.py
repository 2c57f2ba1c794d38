"""Connections of the drivers themselves: sqlite3 and psycopg."""

import asyncio
import sqlite3

import psycopg
import pytest

from mailsvc import Outbox
from tests.support.shop import MAIL, Shop

outbox = Outbox()


def test_a_mail_is_committed_with_its_order(shop: Shop) -> None:
    with shop.driver() as driver:
        driver.execute("INSERT INTO orders (id) VALUES (1)")
        receipt = outbox.send(driver, **MAIL)
        before = shop.mails()
        driver.commit()

    assert (before, shop.mails(), shop.orders()) == ([], [receipt.id], [1])


def test_a_mail_is_gone_with_a_rollback(shop: Shop) -> None:
    with shop.driver() as driver:
        driver.execute("INSERT INTO orders (id) VALUES (1)")
        outbox.send_many(driver, [MAIL, MAIL])
        driver.rollback()

    assert (shop.mails(), shop.orders()) == ([], [])


def test_a_mail_is_gone_with_its_savepoint(shop: Shop) -> None:
    with shop.driver() as driver:
        first = outbox.send(driver, **MAIL)
        driver.execute("SAVEPOINT one")
        outbox.send(driver, **MAIL)
        driver.execute("ROLLBACK TO SAVEPOINT one")
        driver.commit()

    assert shop.mails() == [first.id]


def test_the_row_is_the_same_as_by_sqlalchemy(shop: Shop) -> None:
    with shop.driver() as driver:
        receipts = [
            outbox.send(driver, app="shop", idempotency_key="100 %s ?", **{**MAIL, "text": "100 % ü"}),
            *outbox.send_many(driver, [MAIL] * 3),
        ]
        driver.commit()

    assert shop.mails() == [receipt.id for receipt in receipts]
    assert shop.rows(f"SELECT app, idempotency_key FROM mailsvc_submission WHERE id = '{receipts[0].id}'") == [
        ("shop", "100 %s ?")
    ]


def test_autocommit_is_what_it_says(postgresql_shop: Shop, sqlite_shop: Shop) -> None:
    for shop, driver in (
        (postgresql_shop, psycopg.connect(postgresql_shop.url.set(drivername="postgresql").render_as_string(False))),
        (sqlite_shop, sqlite3.connect(str(sqlite_shop.url.database), isolation_level=None)),
    ):
        if isinstance(driver, psycopg.Connection):
            driver.autocommit = True
        receipt = outbox.send(driver, **MAIL)
        assert shop.mails() == [receipt.id]
        driver.close()


def test_an_asynchronous_driver_is_refused_in_words(postgresql_shop: Shop) -> None:
    async def send() -> None:
        url = postgresql_shop.url.set(drivername="postgresql").render_as_string(False)
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await outbox.asend(connection, **MAIL)

    with pytest.raises(TypeError, match="psycopg.AsyncConnection"):
        asyncio.run(send())
