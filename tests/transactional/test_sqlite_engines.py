"""SQLAlchemy on SQLite breaks the promise as it comes; an Outbox puts its engine in order."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import Connection, Engine, NullPool, StaticPool, create_engine, event, text
from sqlalchemy.orm import Session

from mailsvc import Outbox
from tests.support.shop import MAIL, Shop


@pytest.fixture
def shop(sqlite_shop: Shop) -> Shop:
    return sqlite_shop


def test_in_a_savepoint_of_an_engine_that_is_not_in_order_nothing_is_promised(shop: Shop, engine: Engine) -> None:
    with Session(engine) as session, session.begin_nested(), pytest.raises(RuntimeError, match="outbox.use"):
        Outbox().send(session, **MAIL)

    assert shop.mails() == []


def test_outside_of_savepoints_such_an_engine_will_do(shop: Shop, engine: Engine) -> None:
    with engine.connect() as connection:
        Outbox().send(connection, **MAIL)
        connection.rollback()
        receipt = Outbox().send(connection, **MAIL)
        connection.commit()

    assert shop.mails() == [receipt.id]


def test_an_outbox_comes_before_the_first_connection(engine: Engine) -> None:
    with engine.connect():
        with pytest.raises(RuntimeError, match="before the first"):
            Outbox(engine)
    with pytest.raises(RuntimeError, match="before the first"):
        Outbox(engine)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite+pysqlite:///:memory:"])
def test_connections_in_memory_count_too(url: str) -> None:
    for options in ({}, {"poolclass": StaticPool}):
        engine = create_engine(url, **options)
        engine.connect().close()
        with pytest.raises(RuntimeError, match="before the first"):
            Outbox(engine)
        engine.dispose()


def test_an_engine_that_keeps_no_connections_can_be_given_at_any_time(shop: Shop) -> None:
    engine = create_engine(shop.url, poolclass=NullPool)
    engine.connect().close()
    outbox = Outbox(engine)
    with engine.connect() as connection:
        with connection.begin_nested():
            outbox.send(connection, **MAIL)
        connection.rollback()

    assert shop.mails() == []


def test_a_second_outbox_finds_the_engine_in_order(engine: Engine) -> None:
    Outbox(engine)
    with engine.connect():
        Outbox(engine, app="billing")


def test_connections_leave_checkpoints_to_the_service_and_wait_for_its_writes(shop: Shop) -> None:
    engine = create_engine(shop.url, connect_args={"timeout": 0.1})
    Outbox(engine)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA wal_autocheckpoint")).scalar() == 0
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 5000
    engine.dispose()


def test_a_longer_wait_of_the_application_is_kept(shop: Shop) -> None:
    engine = create_engine(shop.url, connect_args={"timeout": 60})
    Outbox(engine)
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 60_000
    engine.dispose()


@pytest.mark.parametrize("is_whole_recipe", [True, False])
def test_the_begin_of_an_application_is_respected(shop: Shop, is_whole_recipe: bool) -> None:
    """SQLAlchemy's recipe, with a BEGIN of its own; or only this, since the rest is the Outbox's."""
    engine = create_engine(shop.url)
    if is_whole_recipe:
        event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    outbox = Outbox(engine)
    with engine.connect() as connection:
        with connection.begin_nested():
            outbox.send(connection, **MAIL)
        connection.rollback()
        receipt = outbox.send(connection, **MAIL)
        connection.commit()
    engine.dispose()

    assert shop.mails() == [receipt.id]


def test_the_recipe_without_an_outbox_will_do_too(shop: Shop) -> None:
    engine = create_engine(shop.url)
    event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    with engine.connect() as connection:
        with connection.begin_nested():
            Outbox().send(connection, **MAIL)
        connection.rollback()
    engine.dispose()

    assert shop.mails() == []


@pytest.mark.skipif(not hasattr(sqlite3, "LEGACY_TRANSACTION_CONTROL"), reason="Python 3.12 has it")
def test_the_transactions_of_python_3_12_are_respected(shop: Shop) -> None:
    engine = create_engine(shop.url, connect_args={"autocommit": False})
    outbox = Outbox(engine)
    with engine.connect() as connection:
        with connection.begin_nested():
            outbox.send(connection, **MAIL)
        connection.rollback()
        receipt = outbox.send(connection, **MAIL)
        connection.commit()
    engine.dispose()

    assert shop.mails() == [receipt.id]


@pytest.mark.skipif(sqlalchemy.__version__ < "2.0.43", reason="SQLAlchemy 2.0.43 has it")
def test_an_engine_that_would_leave_out_rollbacks_is_refused(shop: Shop) -> None:
    with pytest.raises(RuntimeError, match="skip_autocommit_rollback"):
        Outbox(create_engine(shop.url, skip_autocommit_rollback=True))


def test_making_an_outbox_opens_nothing(tmp_path: Path) -> None:
    Outbox(create_engine(f"sqlite:///{tmp_path / 'not-there.db'}"), data_dir=tmp_path / "data")

    assert list(tmp_path.iterdir()) == []
