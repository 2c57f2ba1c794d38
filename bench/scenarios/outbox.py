"""What ``outbox.send`` adds to an application's transaction, against a plain INSERT of a row of the same size beside it.

Both go by the same Session, in turn and in the same transactions; the commits are outside of what is measured. A transaction
also has the application's own INSERT, as the order that the mail belongs to.
"""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from sqlalchemy import Column, Integer, MetaData, Table, Text, create_engine, insert
from sqlalchemy.orm import Session

from bench import mail
from bench.figure import Figure, Run
from bench.postgres import cluster
from mailsvc import Outbox, new_message_id
from mailsvc.alembic import upgrade
from mailsvc.transactional.sending.draft import canonical

_TRANSACTIONS, _QUICK, _WARM, _EACH = 400, 40, 20, 5

_metadata = MetaData()
_orders = Table("orders", _metadata, Column("id", Integer, primary_key=True))
_plain = Table(
    "plain",
    _metadata,
    Column("id", Text, primary_key=True),
    *(Column(name, Text) for name in ("app", "draft", "idempotency_key")),
)


def measure(run: Run) -> Figure:
    """On SQLite and on PostgreSQL."""
    transactions = _QUICK if run.quick else _TRANSACTIONS
    with cluster(run.directory) as postgres:
        urls = {"sqlite": f"sqlite:///{run.directory / 'shop.db'}", "pg": postgres.create_database("shop")}
        values: dict[str, float] = {}
        for name, url in urls.items():
            plain, sent = _in_turn(url, transactions)
            values |= {
                f"{name}_plain_ms": plain * 1000,
                f"{name}_send_ms": sent * 1000,
                f"{name}_inserts": sent / plain,
            }
    return Figure(values)


def _in_turn(url: str, transactions: int) -> tuple[float, float]:
    """The medians in seconds: of a plain INSERT, and of a send."""
    engine = create_engine(url)
    outbox = Outbox(engine)
    with engine.begin() as connection:
        upgrade(connection)
        _metadata.create_all(connection)
    spent: tuple[list[float], list[float]] = ([], [])
    for number in range(_WARM + transactions):
        fields = mail.fields(number)
        kinds: list[Callable[[Session], object]] = [
            lambda session, fields=fields: _insert_plain(session, fields),
            lambda session, fields=fields: outbox.send(session, fields),
        ]
        with Session(engine) as session:
            session.execute(insert(_orders).values(id=number))
            for turn in range(2 * _EACH):
                kind = (number + turn) % 2
                began = time.perf_counter()
                kinds[kind](session)
                if number >= _WARM:
                    spent[kind].append(time.perf_counter() - began)
            session.commit()
    engine.dispose()
    return median(spent[0]), median(spent[1])


def _insert_plain(session: Session, fields: dict[str, Any]) -> None:
    """What an application would write itself: JSON, an id, an INSERT."""
    row = {"id": new_message_id(), "app": "default", "draft": canonical(fields).decode(), "idempotency_key": None}
    session.connection().execute(insert(_plain).inline(), row)
