"""A shop whose processes are killed in the middle of their work: ``python -m tests.support.killed_shop URL TIMES SEED``.

Each process takes orders, each in a transaction with its mail: some in savepoints, some rolled back, some without any mail.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from itertools import count

from sqlalchemy import create_engine, insert
from sqlalchemy.orm import Session

from mailsvc import Outbox
from tests.support.shop import MAIL, orders


def take_orders(url: str, first: int, chance: random.Random, tell: Callable[[], object]) -> None:
    engine = create_engine(url)
    outbox = Outbox(engine)
    for number in count(first):
        with Session(engine) as session:
            take_order(session, outbox, number, chance)
        tell()


def take_order(session: Session, outbox: Outbox, number: int, chance: random.Random) -> None:
    kind = chance.choice(["plain", "plain", "first in a savepoint", "undone savepoint", "rolled back"])
    if kind == "undone savepoint":
        with session.begin_nested() as inner:
            outbox.send(session, **MAIL)
            inner.rollback()
    if kind == "first in a savepoint":
        with session.begin_nested():
            receipt = outbox.send(session, **MAIL)
        session.execute(insert(orders).values(id=number, what=receipt.id))
    else:
        receipt = outbox.send(session, **MAIL)
        session.execute(insert(orders).values(id=number, what=receipt.id))
    if kind == "rolled back":
        session.rollback()
    else:
        session.commit()


def kill_one(url: str, first: int, chance: random.Random) -> None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        take_orders(url, first, chance, lambda: os.write(writing, b"."))
    os.close(writing)
    os.read(reading, chance.randint(1, 3))  # it is at work
    time.sleep(chance.uniform(0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(reading)


if __name__ == "__main__":
    for round_ in range(int(sys.argv[2])):
        kill_one(sys.argv[1], round_ * 100_000, random.Random(f"{sys.argv[3]} {round_}"))
