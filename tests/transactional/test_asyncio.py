"""Sessions and connections of SQLAlchemy's asyncio extension, on aiosqlite and asyncpg."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)

from mailsvc import Outbox, TablesMissing
from tests.support.shop import MAIL, Shop, orders


@pytest.fixture
async def engine(shop: Shop) -> AsyncIterator[AsyncEngine]:
    found = create_async_engine(shop.async_url)
    yield found
    await found.dispose()


@pytest.fixture
def outbox(engine: AsyncEngine) -> Outbox:
    return Outbox(engine)


def of_session(engine: AsyncEngine) -> Any:
    return AsyncSession(engine)


def of_scoped_session(engine: AsyncEngine) -> Any:
    return async_scoped_session(async_sessionmaker(engine), scopefunc=lambda: 1)


def of_connection(engine: AsyncEngine) -> Any:
    return engine.connect()


@pytest.fixture(params=[of_session, of_scoped_session, of_connection], ids=lambda make: make.__name__)
async def target(request: pytest.FixtureRequest, engine: AsyncEngine) -> AsyncIterator[Any]:
    found = request.param(engine)
    if hasattr(found, "start"):
        await found.start()
    yield found
    await found.close()


async def test_a_mail_is_committed_with_its_order(shop: Shop, outbox: Outbox, target: Any) -> None:
    await target.execute(insert(orders).values(id=1))
    receipt = await outbox.asend(target, **MAIL)
    before = shop.mails()
    await target.commit()

    assert (before, shop.mails(), shop.orders()) == ([], [receipt.id], [1])


async def test_a_mail_is_gone_with_a_rollback(shop: Shop, outbox: Outbox, target: Any) -> None:
    await target.execute(insert(orders).values(id=1))
    await outbox.asend_many(target, [MAIL, MAIL])
    await target.rollback()

    assert (shop.mails(), shop.orders()) == ([], [])


async def test_a_savepoint_that_comes_first_is_gone_with_the_rollback(shop: Shop, outbox: Outbox, target: Any) -> None:
    async with target.begin_nested():
        await target.execute(insert(orders).values(id=1))
        await outbox.asend(target, **MAIL)
    await target.rollback()

    assert (shop.mails(), shop.orders()) == ([], [])


async def test_a_mail_is_gone_with_its_savepoint(shop: Shop, outbox: Outbox, target: Any) -> None:
    first = await outbox.asend(target, **MAIL)
    inner = await target.begin_nested()
    await outbox.asend(target, **MAIL)
    await inner.rollback()
    await target.commit()

    assert shop.mails() == [first.id]


async def test_in_a_savepoint_of_an_engine_that_is_not_in_order_nothing_is_promised(sqlite_shop: Shop) -> None:
    engine = create_async_engine(sqlite_shop.async_url)
    async with AsyncSession(engine) as session, session.begin_nested():
        with pytest.raises(RuntimeError, match="outbox.use"):
            await Outbox().asend(session, **MAIL)
    await engine.dispose()


async def test_autocommit_is_what_it_says(shop: Shop, engine: AsyncEngine, outbox: Outbox) -> None:
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        receipt = await outbox.asend(connection, **MAIL)
        assert shop.mails() == [receipt.id]


async def test_code_in_run_sync_sends_by_the_synchronous_name(shop: Shop, engine: AsyncEngine, outbox: Outbox) -> None:
    async with AsyncSession(engine) as session:
        await session.run_sync(lambda sync: outbox.send(sync, **MAIL))
        await session.commit()

    assert len(shop.mails()) == 1


async def test_send_names_asend(outbox: Outbox, target: Any) -> None:
    with pytest.raises(TypeError, match="asend"):
        outbox.send(target, **MAIL)


async def test_asend_names_send(sqlite_shop: Shop) -> None:
    with sqlite_shop.driver() as driver, pytest.raises(TypeError, match=r"outbox\.send"):
        await Outbox().asend(driver, **MAIL)
    with pytest.raises(TypeError, match="scoped_session"):
        await Outbox().asend(object(), **MAIL)


async def test_an_asynchronous_engine_is_no_target(engine: AsyncEngine) -> None:
    with pytest.raises(TypeError, match="whose"):
        await Outbox().asend(engine, **MAIL)


async def test_the_tables_are_checked_on_a_connection(engine: AsyncEngine, outbox: Outbox, postgres: Any) -> None:
    async with engine.connect() as connection:
        await connection.run_sync(outbox.check)
    empty = create_async_engine(postgres.fresh_database().replace("psycopg", "asyncpg"))
    async with empty.connect() as connection:
        with pytest.raises(TablesMissing):
            await connection.run_sync(outbox.check)
    await empty.dispose()
