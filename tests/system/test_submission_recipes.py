"""The recipes of docs/submissions.md work as they stand there."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.support.postgres import Postgres
from tests.support.receiver import Receiver
from tests.support.service import Service
from tests.support.waiting import wait_until

_TEXT = (Path(__file__).parents[2] / "docs" / "submissions.md").read_text()
_BLOCKS = re.findall(r"```(\w+)\n(.*?)```", _TEXT, re.DOTALL)


def _block(language: str, part: str) -> str:
    (found,) = (code for named, code in _BLOCKS if named == language and part in code)
    return found


def _run(code: str, directory: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_recipe_for_sqlite(run_service: Callable[..., Service], tmp_path: Path) -> None:
    receiver = Receiver(tmp_path / "receiver")
    run_service("mailsvc-data", relay_url=receiver.relay_url)
    _run(_block("python", "sqlite3"), tmp_path)
    wait_until(lambda: len(receiver.received()) == 1)
    receiver.stop()


def test_the_recipes_for_postgresql(run_service: Callable[..., Service], tmp_path: Path, postgres: Postgres) -> None:
    url = postgres.fresh_database()
    receiver = Receiver(tmp_path / "receiver")
    service = run_service(relay_url=receiver.relay_url, database_url=url)
    plain = url.replace("+psycopg", "")
    code = _block("python", "psycopg").replace("postgresql://shop@localhost/shop", plain)
    id_ = _run(code, tmp_path).strip()
    with service.client() as client:
        assert client.get(f"/v1/messages/{id_}").status_code == 200
    with psycopg.connect(plain) as connection:
        connection.execute("CREATE TABLE orders (number text PRIMARY KEY, email text NOT NULL)")
        connection.execute(_block("sql", "CREATE TRIGGER"))
        connection.execute("INSERT INTO orders VALUES ('18', 'ann@example.test')")
        connection.execute(_block("sql", '\'{"from"'))
    wait_until(lambda: len(receiver.received()) == 3)
    receiver.stop()


def test_row_level_security_binds_a_role_to_its_app(run_service: Callable[..., Service], postgres: Postgres) -> None:
    url = postgres.fresh_database()
    run_service(database_url=url)
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("CREATE ROLE shop")
        try:
            connection.execute(_block("sql", "GRANT USAGE"))
            connection.execute(_block("sql", "ROW LEVEL SECURITY"))
            connection.execute("SET ROLE shop")
            sql = "INSERT INTO mailsvc_submission (app, draft) VALUES (%s, '{}') RETURNING id"
            assert connection.execute(sql, ["shop"]).fetchone()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(sql, ["blog"])
            connection.execute("RESET ROLE")
            left = "SELECT count(*) FROM mailsvc_submission WHERE errors IS NULL"
            # The service, which owns the table, sees the row: it refuses it, because there is no such app.
            wait_until(lambda: connection.execute(left).fetchone() == (0,))
        finally:
            connection.execute("RESET ROLE")
            connection.execute("DROP OWNED BY shop")
            connection.execute("DROP ROLE shop")


def test_the_recipe_for_ids_of_node(run_service: Callable[..., Service]) -> None:
    code = _block("js", "randomBytes") + "console.log(id)"
    try:
        done = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        pytest.skip("Node is not installed")
    assert re.fullmatch(r"msg_[0-9a-hjkmnp-tv-z]{26}\n", done.stdout)
