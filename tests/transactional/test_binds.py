"""Which transaction a mail goes into, where a Session has several."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, insert
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from mailsvc import Outbox
from mailsvc.transactional.sessions import require_same_database
from tests.support.shop import MAIL, Shop, orders
from tests.support.tables import copy_empty_sqlite

POSTGRESQL = "postgresql+psycopg://shop@db.test"


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def other(tmp_path: Path) -> Shop:
    """Another database."""
    copy_empty_sqlite(tmp_path / "other.db")
    return Shop(f"sqlite:///{tmp_path / 'other.db'}")


@pytest.fixture
def other_engine(other: Shop) -> Iterator[Engine]:
    found = create_engine(other.url)
    yield found
    found.dispose()


def test_the_default_bind_has_the_mail(shop: Shop, engine: Engine, other_engine: Engine) -> None:
    with Session(engine, binds={Order: other_engine}) as session:
        receipt = Outbox(engine).send(session, **MAIL)
        session.commit()

    assert shop.mails() == [receipt.id]


def test_another_bind_has_it_where_that_is_the_engine_of_the_outbox(
    shop: Shop, other: Shop, engine: Engine, other_engine: Engine
) -> None:
    with Session(other_engine, binds={Order: engine}) as session:
        receipt = Outbox(engine).send(session, **MAIL)
        session.add(Order(id=1))
        session.flush()
        before = shop.mails()
        session.commit()

    assert (before, shop.mails(), shop.orders(), other.mails()) == ([], [receipt.id], [1], [])


def test_a_session_with_binds_by_class_only_uses_that_of_the_outbox(shop: Shop, engine: Engine) -> None:
    with Session(binds={Order: engine}) as session:
        Outbox(engine).send(session, **MAIL)
        session.rollback()

    assert shop.mails() == []


def test_a_session_that_knows_no_engine_for_it_is_refused(engine: Engine, other_engine: Engine) -> None:
    with Session(binds={Order: other_engine}) as session:
        with pytest.raises(TypeError, match="default bind"):
            Outbox(engine).send(session, **MAIL)
        with pytest.raises(TypeError, match="default bind"):
            Outbox().send(session, **MAIL)


def test_two_engines_of_one_database_share_the_sessions_transaction(shop: Shop, engine: Engine) -> None:
    """Asked for the Outbox's engine, the session would open a second connection: on SQLite, a deadlock with oneself."""
    twin = create_engine(shop.url)
    outbox = Outbox(twin)
    outbox.use(engine)
    with Session(engine) as session:
        session.execute(insert(orders).values(id=1))
        with session.begin_nested():
            outbox.send(session, **MAIL)
        session.rollback()
    twin.dispose()

    assert (shop.mails(), shop.orders()) == ([], [])


def test_another_database_than_that_of_the_outbox_is_refused(engine: Engine, other_engine: Engine) -> None:
    for target in (Session(engine), engine.connect()):
        with target, pytest.raises(ValueError, match="committed apart"):
            Outbox(other_engine).send(target, **MAIL)


def test_the_same_file_by_another_name_is_the_same_database(sqlite_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(str(sqlite_shop.url.database))
    monkeypatch.chdir(path.parent)
    with create_engine(f"sqlite:///{path.name}").begin() as connection:
        Outbox(create_engine(sqlite_shop.url)).send(connection, **MAIL)

    assert len(sqlite_shop.mails()) == 1


def test_the_same_host_by_another_name_is_the_same_database(postgresql_shop: Shop) -> None:
    outbox = Outbox(create_engine(postgresql_shop.url.set(host="localhost", drivername="postgresql+asyncpg")))
    engine = create_engine(postgresql_shop.url)
    with engine.begin() as connection:
        outbox.send(connection, **MAIL)
    engine.dispose()

    assert len(postgresql_shop.mails()) == 1


def test_the_usual_port_need_not_be_named() -> None:
    require_same_database(create_engine(f"{POSTGRESQL}/shop"), create_engine(f"{POSTGRESQL}:5432/shop"))
    with pytest.raises(ValueError, match="committed apart"):
        require_same_database(create_engine(f"{POSTGRESQL}/shop"), create_engine(f"{POSTGRESQL}:5433/shop"))


def test_flask_sqlalchemys_session_commits_the_mail_with_the_order(shop: Shop, other: Shop) -> None:
    db, app = flask_shop(shop, other)
    with app.app_context():
        outbox = Outbox(db.engine)
        db.session.add(app.Order(id=1))
        receipt = outbox.send(db.session, **MAIL)
        db.session.commit()
        with db.session.begin_nested():
            outbox.send(db.session, **MAIL)
        db.session.rollback()
        close(db)

    assert (shop.mails(), shop.orders(), other.mails()) == ([receipt.id], [1], [])


def test_a_bind_of_flask_sqlalchemy_can_be_that_of_the_outbox(shop: Shop, other: Shop) -> None:
    db, app = flask_shop(shop, other)
    with app.app_context():
        receipt = Outbox(db.engines["other"]).send(db.session, **MAIL)
        db.session.commit()
        close(db)

    assert (shop.mails(), other.mails()) == ([], [receipt.id])


def flask_shop(shop: Shop, other: Shop) -> tuple[Any, Any]:
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    app: Any = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = shop.url
    app.config["SQLALCHEMY_BINDS"] = {"other": other.url}
    db = SQLAlchemy(app)
    app.Order = type("Order", (db.Model,), {"__tablename__": "orders", "id": db.Column(db.Integer, primary_key=True)})
    return db, app


def close(db: Any) -> None:
    db.session.remove()
    for engine in db.engines.values():
        engine.dispose()
