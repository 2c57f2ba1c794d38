"""Servers that many tests share; each is started when the first test asks for it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import Postgres
from tests.support.service import Service


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, not durable and therefore quick."""
    cluster = Postgres()
    yield cluster
    cluster.remove()


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
