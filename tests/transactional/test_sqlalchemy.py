"""A mail exists if and only if the order beside it does: Sessions and Connections of SQLAlchemy."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, scoped_session, sessionmaker

import mailsvc
from mailsvc import Outbox
from tests.support.shop import MAIL, Shop, orders

Begin = Callable[[Engine], Any]


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    what: Mapped[str | None]


def of_session(engine: Engine) -> Any:
    return Session(engine)


def of_scoped_session(engine: Engine) -> Any:
    return scoped_session(sessionmaker(engine))


def of_connection(engine: Engine) -> Any:
    return engine.connect()


def of_session_on_a_connection(engine: Engine) -> Any:
    """As test suites have it."""
    return Session(engine.connect())


TARGETS = [of_session, of_scoped_session, of_connection, of_session_on_a_connection]


@pytest.fixture(params=TARGETS, ids=lambda make: make.__name__)
def begin(request: pytest.FixtureRequest) -> Begin:
    made: Begin = request.param
    return made


@pytest.fixture
def outbox(engine: Engine) -> Outbox:
    return Outbox(engine)


def order(target: Any, number: int) -> None:
    target.execute(insert(orders).values(id=number))


def test_a_mail_is_committed_with_its_order(shop: Shop, engine: Engine, outbox: Outbox, begin: Begin) -> None:
    target = begin(engine)
    order(target, 1)
    receipt = outbox.send(target, **MAIL)
    before = shop.mails()
    target.commit()
    target.close()

    assert (before, shop.mails(), shop.orders()) == ([], [receipt.id], [1])


def test_a_mail_is_gone_with_a_rollback(shop: Shop, engine: Engine, outbox: Outbox, begin: Begin) -> None:
    target = begin(engine)
    order(target, 1)
    outbox.send(target, **MAIL)
    target.rollback()
    target.close()

    assert (shop.mails(), shop.orders()) == ([], [])


def test_a_mail_is_gone_with_a_transaction_that_is_not_ended(
    shop: Shop, engine: Engine, outbox: Outbox, begin: Begin
) -> None:
    target = begin(engine)
    outbox.send(target, **MAIL)
    target.close()

    assert shop.mails() == []


def test_a_mail_is_gone_with_its_savepoint(shop: Shop, engine: Engine, outbox: Outbox, begin: Begin) -> None:
    target = begin(engine)
    order(target, 1)
    first = outbox.send(target, **MAIL)
    inner = target.begin_nested()
    order(target, 2)
    outbox.send(target, **MAIL)
    inner.rollback()
    target.commit()
    target.close()

    assert (shop.mails(), shop.orders()) == ([first.id], [1])


def test_a_savepoint_that_comes_first_is_gone_with_the_rollback(
    shop: Shop, engine: Engine, outbox: Outbox, begin: Begin
) -> None:
    """SQLite's driver by itself would have committed it at its release."""
    target = begin(engine)
    with target.begin_nested():
        order(target, 1)
        outbox.send(target, **MAIL)
    target.rollback()
    target.close()

    assert (shop.mails(), shop.orders()) == ([], [])


def test_a_savepoint_that_comes_first_is_kept_by_the_commit(
    shop: Shop, engine: Engine, outbox: Outbox, begin: Begin
) -> None:
    target = begin(engine)
    with target.begin_nested():
        receipt = outbox.send(target, **MAIL)
    target.commit()
    target.close()

    assert shop.mails() == [receipt.id]


def test_a_mail_in_autocommit_is_there_at_once(shop: Shop, engine: Engine, outbox: Outbox) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        receipt = outbox.send(connection, **MAIL)
        assert shop.mails() == [receipt.id]
        connection.rollback()

    assert shop.mails() == [receipt.id]


def test_a_connection_is_in_order_again_after_autocommit(shop: Shop, engine: Engine, outbox: Outbox) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(select(orders))
    with engine.connect() as connection:
        with connection.begin_nested():
            outbox.send(connection, **MAIL)
        connection.rollback()

    assert shop.mails() == []


def test_an_engine_in_autocommit_stays_so(shop: Shop) -> None:
    engine = create_engine(shop.url, isolation_level="AUTOCOMMIT")
    outbox = Outbox(engine)
    with engine.connect() as connection:
        receipt = outbox.send(connection, **MAIL)
        assert shop.mails() == [receipt.id]
    engine.dispose()


def statements_of(engine: Engine, act: Callable[[], object]) -> list[str]:
    seen: list[str] = []

    def see(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", see)
    act()
    event.remove(engine, "before_cursor_execute", see)
    return [statement for statement in seen if statement != "BEGIN"]


def test_a_send_is_one_insert_without_returning_and_flushes_nothing(engine: Engine, outbox: Outbox) -> None:
    with Session(engine) as session:
        session.add(Order(id=1))
        (statement,) = statements_of(engine, lambda: outbox.send(session, **MAIL))
        is_pending = bool(session.new)

    assert statement.startswith("INSERT INTO mailsvc_submission (id, app, draft, idempotency_key) VALUES")
    assert "RETURNING" not in statement
    assert is_pending


def test_many_mails_are_one_insert(shop: Shop, engine: Engine, outbox: Outbox) -> None:
    with Session(engine) as session:
        some: list[mailsvc.Receipt] = []
        seen = statements_of(engine, lambda: some.extend(outbox.send_many(session, [MAIL] * 100, app="shop")))
        session.commit()

    assert len(seen) == 1
    assert shop.mails() == [receipt.id for receipt in some]
    assert shop.rows("SELECT DISTINCT app FROM mailsvc_submission") == [("shop",)]


def test_as_many_mails_as_allowed_fit_into_a_statement(shop: Shop, engine: Engine, outbox: Outbox) -> None:
    with Session(engine) as session:
        outbox.send_many(session, [MAIL] * 8000)
        session.commit()

    assert len(shop.mails()) == 8000


def test_no_mails_are_no_statement(engine: Engine, outbox: Outbox) -> None:
    with Session(engine) as session:
        assert statements_of(engine, lambda: outbox.send_many(session, [])) == []


def test_one_bad_mail_of_many_leaves_the_transaction_as_it_was(shop: Shop, engine: Engine, outbox: Outbox) -> None:
    with Session(engine) as session:
        order(session, 1)
        with pytest.raises(mailsvc.ValidationError):
            outbox.send_many(session, [MAIL, {**MAIL, "to": "nobody"}])
        session.commit()

    assert (shop.mails(), shop.orders()) == ([], [1])


def test_the_row_is_what_the_application_gave(shop: Shop, engine: Engine) -> None:
    outbox = Outbox(app="shop")
    id_ = mailsvc.new_message_id()
    with engine.begin() as connection:
        outbox.send(connection, id=id_, idempotency_key="order-17", **MAIL)
        outbox.send(connection, app="billing", **MAIL)

    assert shop.rows(f"SELECT app, idempotency_key, errors FROM mailsvc_submission WHERE id = '{id_}'") == [
        ("shop", "order-17", None)
    ]
    assert shop.rows("SELECT count(*) FROM mailsvc_submission WHERE app = 'billing'") == [(1,)]


def test_an_id_that_is_taken_is_the_databases_own_error(engine: Engine) -> None:
    outbox, id_ = Outbox(), mailsvc.new_message_id()
    with engine.begin() as connection:
        outbox.send(connection, id=id_, **MAIL)
    with engine.connect() as connection, pytest.raises(IntegrityError):
        outbox.send(connection, id=id_, **MAIL)


def test_missing_tables_are_the_databases_own_error_and_told_in_words(postgres: Any) -> None:
    engine = create_engine(postgres.fresh_database())
    outbox = Outbox(engine)
    with engine.connect() as connection, pytest.raises(DBAPIError):
        outbox.send(connection, **MAIL)
    with pytest.raises(mailsvc.TablesMissing, match="run mailsvc migrate"):
        outbox.check(engine)
    engine.dispose()


def test_tables_of_this_version_pass_the_check(engine: Engine, outbox: Outbox) -> None:
    outbox.check(engine)
    with engine.connect() as connection:
        outbox.check(connection)


def test_a_metadata_of_the_application_can_make_the_table(tmp_path: Any) -> None:
    from sqlalchemy import MetaData

    engine, metadata = create_engine(f"sqlite:///{tmp_path / 'x.db'}"), MetaData()
    outbox = Outbox(engine)
    table = outbox.tables(metadata)
    metadata.create_all(engine)
    with engine.begin() as connection:
        receipt = outbox.send(connection, **MAIL)
        assert connection.execute(select(table.c.id)).scalars().all() == [receipt.id]


def test_the_role_of_the_documented_grants_can_send(postgresql_shop: Shop) -> None:
    """Neither RETURNING nor a look at other rows is needed, also not to check the tables."""
    with postgresql_shop.driver() as driver:
        driver.execute(
            "DROP ROLE IF EXISTS only_sends; CREATE ROLE only_sends LOGIN; GRANT USAGE ON SCHEMA public TO only_sends;"
            "GRANT INSERT (id, app, draft, idempotency_key), SELECT (id) ON mailsvc_submission TO only_sends"
        )
        driver.commit()
    engine = create_engine(postgresql_shop.url.set(username="only_sends"))
    with engine.begin() as connection:
        Outbox().check(connection)
        receipts = [Outbox().send(connection, **MAIL), *Outbox().send_many(connection, [MAIL, MAIL])]
    engine.dispose()
    with postgresql_shop.driver() as driver:
        driver.execute("DROP OWNED BY only_sends; DROP ROLE only_sends")
        driver.commit()

    assert postgresql_shop.mails() == [receipt.id for receipt in receipts]


def test_a_schema_is_named(postgres: Any) -> None:
    engine = create_engine(postgres.fresh_database())
    outbox = Outbox(engine, schema='ma"il')
    with engine.connect() as connection, pytest.raises(DBAPIError, match='INTO "ma""il".mailsvc_submission'):
        outbox.send(connection, **MAIL)
    engine.dispose()


@pytest.mark.parametrize("target", [object(), "session", None, 17])
def test_what_is_no_transaction_is_refused_in_words(target: Any) -> None:
    with pytest.raises(TypeError, match="scoped_session, Connection, AsyncSession"):
        Outbox().send(target, **MAIL)


def test_an_engine_is_refused_in_words(engine: Engine) -> None:
    with pytest.raises(TypeError, match="whose"):
        Outbox().send(engine, **MAIL)


def test_an_outbox_takes_no_other_thing_for_an_engine(engine: Engine) -> None:
    with engine.connect() as connection, pytest.raises(TypeError, match="Connection"):
        Outbox(connection)  # type: ignore[arg-type]


def test_another_kind_of_database_is_refused() -> None:
    from sqlalchemy.dialects import mysql

    from mailsvc.transactional.targets import insert_rows

    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        connection.dialect = mysql.dialect()
        with pytest.raises(TypeError, match="not in mysql"):
            Outbox().send(connection, **MAIL)
    assert insert_rows
    assert isinstance(connection, Connection)
