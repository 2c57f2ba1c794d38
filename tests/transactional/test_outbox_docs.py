"""The code of docs/outbox.md runs, its blocks one after another."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from django.db import connections
from django.db.utils import ConnectionHandler
from django.test import override_settings
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

import tests.sdk.django_project  # noqa: F401 - configures Django
from tests.support.pages import dead_links, run_page
from tests.support.shop import Shop

PAGE = Path(__file__).parents[2] / "docs" / "outbox.md"


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture(autouse=True)
def project(sqlite_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The reader's: a module ``shop``, and a database in the working directory which is Django's, too."""
    shop: Any = ModuleType("shop")
    shop.Order = Order
    monkeypatch.setitem(sys.modules, "shop", shop)
    monkeypatch.chdir(Path(str(sqlite_shop.url.database)).parent)
    made = ConnectionHandler({"default": sqlite_shop.django})["default"]
    before, connections["default"] = connections["default"], made
    yield
    made.close()
    connections["default"] = before


@override_settings(MAILSVC={"DATABASE": "default"})
def test_the_code_of_the_page_runs(sqlite_shop: Shop) -> None:
    run_page(PAGE, DIRECTORY=Path.cwd())

    assert sqlite_shop.orders() == [17, 18, 19]
    assert len(sqlite_shop.mails()) == 7


def test_its_links_lead_somewhere() -> None:
    assert dead_links(PAGE) == []
