"""An application's own database: its table of orders beside the tables of mailsvc."""

import contextlib
import sqlite3
from collections.abc import Iterator
from typing import Any

import psycopg
from sqlalchemy import Column, Integer, MetaData, Table, Text, make_url

__all__ = ["MAIL", "Shop", "orders"]

MAIL: dict[str, Any] = {
    "from_": "Shop <shop@app.test>",
    "to": "alice@example.test",
    "subject": "Your order",
    "text": "Thank you.",
}
metadata = MetaData()
orders = Table("orders", metadata, Column("id", Integer, primary_key=True), Column("what", Text))


class Shop:
    """Looks at what is committed, by connections of its own."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        with self.driver() as driver:
            driver.execute("CREATE TABLE IF NOT EXISTS orders (id integer PRIMARY KEY, what text)")
            driver.execute("DELETE FROM orders")
            driver.commit()

    @property
    def async_url(self) -> str:
        """For the asynchronous drivers."""
        name = "sqlite+aiosqlite" if self.is_sqlite else "postgresql+asyncpg"
        return self.url.set(drivername=name).render_as_string(hide_password=False)

    @property
    def django(self) -> dict[str, Any]:
        """For ``DATABASES``."""
        if self.is_sqlite:
            return {"ENGINE": "django.db.backends.sqlite3", "NAME": self.url.database}
        at = {"HOST": self.url.host, "PORT": self.url.port, "USER": self.url.username}
        return {"ENGINE": "django.db.backends.postgresql", "NAME": self.url.database, **at}

    @contextlib.contextmanager
    def driver(self) -> Iterator[Any]:
        """A connection of sqlite3 or psycopg."""
        if self.is_sqlite:
            connection: Any = sqlite3.connect(str(self.url.database))
        else:
            connection = psycopg.connect(self.url.set(drivername="postgresql").render_as_string(hide_password=False))
        try:
            yield connection
        finally:
            connection.close()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """What the database says now."""
        with self.driver() as driver:
            return list(driver.execute(statement).fetchall())

    def orders(self) -> list[int]:
        """The numbers of the orders that are committed."""
        return [number for (number,) in self.rows("SELECT id FROM orders ORDER BY id")]

    def mails(self) -> list[str]:
        """The ids of the mails that are committed."""
        return [id_ for (id_,) in self.rows("SELECT id FROM mailsvc_submission ORDER BY id")]
