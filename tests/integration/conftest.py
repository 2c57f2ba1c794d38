"""What integration tests share: a service without workers, and who uses it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailsvc.store.database import Database
from tests.support.api import ApiHarness, Client, open_harness
from tests.support.messages import writer


@pytest.fixture
def furnishing() -> dict[str, Any]:
    """What a module's houses have beside the usual: parts of their Services, and settings."""
    return {}


@pytest.fixture
def harness(database: Database, tmp_path: Path, furnishing: dict[str, Any]) -> Iterator[ApiHarness]:
    """A service without workers, on an empty database."""
    harness = open_harness(tmp_path, database, **furnishing)
    yield harness
    harness.close()


@pytest.fixture
def shop(harness: ApiHarness) -> Client:
    """An app with a relay."""
    return writer(harness, "shop")


@pytest.fixture
def alice(harness: ApiHarness) -> Client:
    """The admin of an app that has nothing yet."""
    return harness.create_app("alice")
