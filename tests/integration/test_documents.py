"""What is asked in the drivers' own words: the same bytes come back, and a lost server costs what it must."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from mailsvc.store import migrate
from mailsvc.store.bodies import read_bodies
from mailsvc.store.bulk import carry_out, insertion, update_of
from mailsvc.store.database import Database, is_away
from mailsvc.store.tables import body
from tests.support.postgres import Postgres

BODIES = {
    f"msg_{n}": content
    for n, content in enumerate(
        [
            b"",
            b"\0",
            b"a\0b",
            bytes(range(256)) * 3,
            b"\xff\xfe",
            b"\xed\xa0\x80",
            b"\xc3",
            "é".encode(),
            b"x" * 200_000,
        ]
    )
}


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_bodies_come_back_byte_by_byte(dialect: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Also empty ones, what is no text, and among more ids than a statement may have variables."""
    url: Any = f"sqlite:///{tmp_path / 'mailsvc.db'}"
    database = Database(url if dialect == "sqlite" else request.getfixturevalue("postgres").fresh_database())
    migrate.upgrade(database)
    with database.write() as connection:
        carry_out(
            connection,
            insertion(database.dialect, body, [{"message_id": i, "content": c} for i, c in BODIES.items()]),
        )

    with database.read() as connection:
        assert read_bodies(connection, [*BODIES, *map(str, range(40_000))]) == BODIES
        assert read_bodies(connection, ["msg_none"]) == read_bodies(connection, []) == {}
    database.close()


def test_a_lost_server_fails_one_reader_only(postgres: Postgres) -> None:
    """The pool's other connections are dead as well, and nobody else needs to find that out."""
    database = Database(postgres.fresh_database())
    migrate.upgrade(database)
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(database.read())
    postgres.kill_backends()

    with pytest.raises(DBAPIError) as caught, database.read() as connection:
        read_bodies(connection, ["msg_0"])
    assert is_away(caught.value)
    for _ in range(4):
        with database.read() as connection:
            assert read_bodies(connection, ["msg_0"]) == {}
    database.close()


def test_queries_on_growing_tables_are_not_prepared(postgres: Postgres) -> None:
    """A kept plan from when the table was small reads all of it, until the server has analysed it."""
    database = Database(postgres.fresh_database())
    migrate.upgrade(database)
    wanted = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%mailsvc_message_body%'")
    with database.write() as connection:
        for _ in range(20):
            read_bodies(connection, ["msg_0"])
            carry_out(
                connection,
                update_of(database.dialect, body, ("message_id",), [{"message_id": "msg_0", "content": None}]),
            )
        assert connection.execute(wanted).scalar() == 0
    database.close()
