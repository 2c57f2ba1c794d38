"""Django's connections: in ``atomic``, nested, and outside."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connections
from django.db.transaction import atomic, on_commit
from django.db.utils import ConnectionHandler

import tests.sdk.django_project  # noqa: F401 - configures Django
from mailsvc import Outbox, new_message_id
from mailsvc.runtime.wake import SUBMISSIONS, Ear
from tests.support.shop import MAIL, Shop

outbox = Outbox()


@pytest.fixture
def connection(shop: Shop) -> Iterator[Any]:
    made = ConnectionHandler({"default": {}, "shop": shop.django})["shop"]
    connections["shop"] = made
    yield made
    made.close()
    del connections["shop"]


def order(connection: Any, number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO orders (id) VALUES (%s)", [number])


def test_a_mail_is_committed_with_its_order(shop: Shop, connection: Any) -> None:
    with atomic("shop"):
        order(connection, 1)
        receipt = outbox.send(connection, **{**MAIL, "text": "100 % %s"})
        before = shop.mails()

    assert (before, shop.mails(), shop.orders()) == ([], [receipt.id], [1])


def test_a_mail_is_gone_with_a_rollback(shop: Shop, connection: Any) -> None:
    with pytest.raises(ZeroDivisionError), atomic("shop"):
        order(connection, 1)
        outbox.send_many(connection, [MAIL, MAIL])
        1 / 0  # noqa: B018

    assert (shop.mails(), shop.orders()) == ([], [])


def test_a_nested_rollback_takes_its_mail_only(shop: Shop, connection: Any) -> None:
    with atomic("shop"):
        first = outbox.send(connection, **MAIL)
        with pytest.raises(ZeroDivisionError), atomic("shop"):
            outbox.send(connection, **MAIL)
            1 / 0  # noqa: B018

    assert shop.mails() == [first.id]


def test_a_nested_block_that_comes_first_is_gone_with_the_rollback(shop: Shop, connection: Any) -> None:
    with pytest.raises(ZeroDivisionError), atomic("shop"):
        with atomic("shop"):
            outbox.send(connection, **MAIL)
        1 / 0  # noqa: B018

    assert shop.mails() == []


def test_outside_of_atomic_a_mail_is_there_at_once(shop: Shop, connection: Any) -> None:
    receipt = outbox.send(connection, **MAIL)

    assert shop.mails() == [receipt.id]


def test_an_alias_of_djangos_is_a_target(shop: Shop, connection: Any) -> None:
    from django.utils.connection import ConnectionProxy

    receipt = outbox.send(ConnectionProxy(connections, "shop"), **MAIL)

    assert shop.mails() == [receipt.id]


def test_a_failing_insert_is_djangos_own_error(connection: Any) -> None:
    id_ = new_message_id()
    outbox.send(connection, id=id_, **MAIL)
    with pytest.raises(IntegrityError):
        outbox.send(connection, id=id_, **MAIL)


def test_a_mail_rings_when_it_is_committed(connection: Any, tmp_path: Path) -> None:
    told: list[str] = []
    ear = Ear(tmp_path / "data", "intake")
    ear._socket.setblocking(False)
    mine = Outbox(data_dir=tmp_path / "data")
    with atomic("shop"):
        mine.send(connection, **MAIL)
        with pytest.raises(BlockingIOError):
            ear._socket.recv(64)
        on_commit(lambda: told.append("committed"), using="shop")
    heard = ear._socket.recv(64)
    ear.close()

    assert (told, heard) == (["committed"], SUBMISSIONS)
