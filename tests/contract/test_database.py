"""The database as all roles use it."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from mailsvc.store.database import Database


@pytest.mark.parametrize(
    "values", [{"secret": "sekret"}, [{"secret": "sekret"}, {"secret": "sekret"}]], ids=["one", "many"]
)
def test_an_error_shows_no_values(database: Database, values: dict[str, str] | list[dict[str, str]]) -> None:
    """It goes into logs, and values are addresses, texts and credentials."""
    with pytest.raises(SQLAlchemyError) as caught, database.write() as connection:
        connection.execute(text("INSERT INTO mailsvc_nowhere (a) VALUES (:secret)"), values)

    assert "mailsvc_nowhere" in str(caught.value)
    assert "sekret" not in str(caught.value)
