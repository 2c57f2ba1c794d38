"""The kinds of columns that the tables share."""

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, Text, text

metadata = MetaData()

Instant = BigInteger
# SQLite assigns increasing numbers only to a column of exactly this type.
Position = BigInteger().with_variant(Integer, "sqlite")


def id_column() -> Column[str]:
    return Column("id", Text, primary_key=True)


def text_column(name: str) -> Column[str]:
    return Column(name, Text, nullable=False)


def optional_text(name: str) -> Column[str]:
    return Column(name, Text)


def instant_column(name: str) -> Column[int]:
    return Column(name, Instant, nullable=False)


def where(condition: str) -> dict[str, Any]:
    """Of a partial index."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


def where_not_null(column: str) -> dict[str, Any]:
    """Of a partial index."""
    return where(f"{column} IS NOT NULL")
