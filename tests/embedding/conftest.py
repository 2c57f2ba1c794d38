"""Programs that embed the service, and where their mail goes."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mailsvc.embedding import Service
from mailsvc.settings import Settings
from tests.support.host import Host
from tests.support.receiver import Receiver


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    """An SMTP server that records what it receives."""
    server = Receiver(tmp_path / "receiver")
    yield server
    server.stop()


@pytest.fixture
def run_host(tmp_path: Path) -> Iterator[Callable[..., Host]]:
    """Runs scripts; they and their children are killed at the end."""
    hosts: list[Host] = []

    def run(script: str, *arguments: object, command: list[str] | None = None) -> Host:
        directory = tmp_path / f"host-{len(hosts)}"
        directory.mkdir()
        hosts.append(Host(directory, script, *arguments, command=command))
        return hosts[-1]

    yield run
    for host in hosts:
        host.kill_all()


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Makes services in this process; they are stopped at the end."""
    made: list[Service] = []

    def make(name: str = "data", *, roles: tuple[str, ...] | None = None, **settings: Any) -> Service:
        options = {} if roles is None else {"roles": roles}
        made.append(Service(Settings(data_dir=tmp_path / name, **settings), **options))
        return made[-1]

    yield make
    for service in made:
        service.stop()
