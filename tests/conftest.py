"""Servers that many tests share; each is started when the first test asks for it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from mailsvc.store.database import Database
from tests.support.mailhost import MailHost, why_no_mailhost
from tests.support.postfix import Postfix
from tests.support.postgres import Postgres
from tests.support.rootserver import why_not
from tests.support.service import Service
from tests.support.tables import empty, with_tables

# No test asserts a time: on a machine that is busy, any example may take long.
_any_time = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The suite runs the same examples each time, so that it says something about a change; `make fuzz` looks for new ones.
settings.register_profile("mailsvc", _any_time, derandomize=True)
settings.register_profile("search", _any_time, max_examples=2000)
settings.load_profile("mailsvc")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, not durable and therefore quick."""
    cluster = Postgres()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """An embedded database for tests that ask for ``database``."""
    return with_tables(f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'mailsvc.db'}")


@pytest.fixture(scope="session")
def postgresql_tables(postgres: Postgres) -> Database:
    """A database on PostgreSQL for tests that ask for ``database``."""
    return with_tables(postgres.fresh_database())


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database with all tables; its tests are run on both kinds."""
    found: Database = request.getfixturevalue(f"{request.param}_tables")
    empty(found)
    yield found
    found.close()  # its connections: the next test opens its own


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


@pytest.fixture(scope="session")
def mailhost() -> Iterator[MailHost]:
    """A real Dovecot with POP3 and IMAP; each test adds users of its own."""
    if reason := why_not() or why_no_mailhost():
        pytest.skip(reason)
    server = MailHost()
    yield server
    server.remove()


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
