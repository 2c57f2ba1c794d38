"""Servers that many tests share; each is started when the first test asks for it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.postfix import Postfix
from tests.support.postgres import Postgres
from tests.support.rootserver import why_not
from tests.support.service import Service


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, not durable and therefore quick."""
    cluster = Postgres()
    yield cluster
    cluster.remove()


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A durable PostgreSQL for one test, which may stop and kill it."""
    cluster = Postgres(durable=True)
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def shared_postfix() -> Iterator[Postfix]:
    """A real Postfix with Dovecot's logins; tests ask for ``postfix``."""
    if reason := why_not():
        pytest.skip(reason)
    server = Postfix()
    yield server
    server.remove()


@pytest.fixture
def postfix(shared_postfix: Postfix) -> Postfix:
    """A real Postfix that remembers nothing of earlier tests."""
    shared_postfix.forget()
    return shared_postfix


@pytest.fixture
def run_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Starts real services; whatever is left of them is killed at the end."""
    started: list[Service] = []

    def run(name: str = "data", *, start: bool = True, **options: Any) -> Service:
        service = Service(tmp_path / name, **options)
        started.append(service)
        return service.start() if start else service

    yield run
    for service in started:
        service.kill9()
