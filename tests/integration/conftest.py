"""What integration tests share: a service without workers, and who uses it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mailsvc.store.database import Database
from tests.support.api import Client, House, open_house
from tests.support.letters import writer


@pytest.fixture
def furnishing() -> dict[str, Any]:
    """What a module's houses have beside the usual: parts of their Services, and settings."""
    return {}


@pytest.fixture
def house(database: Database, tmp_path: Path, furnishing: dict[str, Any]) -> Iterator[House]:
    """A service without workers, on an empty database."""
    house = open_house(tmp_path, database, **furnishing)
    yield house
    house.close()


@pytest.fixture
def shop(house: House) -> Client:
    """An app with a relay."""
    return writer(house, "shop")


@pytest.fixture
def alice(house: House) -> Client:
    """The admin of an app that has nothing yet."""
    return house.move_in("alice")
