"""A service on the same host is told after the commit, where the application says where it is."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from mailsvc import Outbox
from mailsvc.runtime.wake import SUBMISSIONS, Ear
from tests.support.shop import MAIL


class Listener:
    """Of a service."""

    def __init__(self, data_dir: Path) -> None:
        self.ear = Ear(data_dir, "intake")
        self.ear._socket.setblocking(False)

    def heard(self) -> list[bytes]:
        found = []
        while True:
            try:
                found.append(self.ear._socket.recv(64))
            except BlockingIOError:
                return found


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    found = Listener(tmp_path / "data")
    yield found
    found.ear.close()


def test_a_session_rings_once_after_its_outermost_transaction(
    engine: Engine, tmp_path: Path, listener: Listener
) -> None:
    outbox = Outbox(engine, data_dir=tmp_path / "data")
    with Session(engine) as session:
        with session.begin_nested():
            outbox.send(session, **MAIL)
            outbox.send(session, **MAIL)
        assert listener.heard() == []
        session.commit()
        assert listener.heard() == [SUBMISSIONS]
        session.commit()

    assert listener.heard() == []


def test_the_environment_names_the_data_directory(
    engine: Engine, tmp_path: Path, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAILSVC_DATA_DIR", str(tmp_path / "data"))
    with Session(engine) as session:
        Outbox(engine).send(session, **MAIL)
        session.commit()

    assert listener.heard() == [SUBMISSIONS]


def test_a_service_that_is_not_there_harms_nobody(engine: Engine, tmp_path: Path) -> None:
    with Session(engine) as session:
        Outbox(engine, data_dir=tmp_path / "nowhere").send(session, **MAIL)
        session.commit()

    assert not (tmp_path / "nowhere").exists()


def test_a_forked_process_rings_too(engine: Engine, tmp_path: Path, listener: Listener) -> None:
    outbox = Outbox(engine, data_dir=tmp_path / "data")
    outbox._place.ring()
    assert listener.heard() == [SUBMISSIONS]
    child = os.fork()
    if child == 0:
        outbox._place.ring()
        os._exit(0)
    os.waitpid(child, 0)

    assert listener.heard() == [SUBMISSIONS]
