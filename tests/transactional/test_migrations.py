"""The service's tables in an application's database: by the command, and in the application's own migrations."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect, make_url, text

import mailsvc.alembic
from mailsvc import Outbox, TablesMissing
from mailsvc.store.migrate import HEAD
from tests.support.postgres import Postgres
from tests.support.shop import MAIL

ENV = """
from alembic import context
from sqlalchemy import MetaData, create_engine, Column, Integer, Table
from mailsvc import Outbox
from mailsvc.alembic import include_name, include_object

metadata = MetaData()
Table("orders", metadata, Column("id", Integer, primary_key=True))
Outbox().tables(metadata)
engine = create_engine(context.config.get_main_option("sqlalchemy.url"))
with engine.connect() as connection:
    context.configure(
        connection=connection, target_metadata=metadata, include_name=include_name, include_object=include_object
    )
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = """
revision, down_revision = "a1", None

import sqlalchemy as sa
from alembic import context, op
from mailsvc.alembic import upgrade as upgrade_mailsvc


def upgrade():
    op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True))
    upgrade_mailsvc(op.get_bind(), schema={schema!r})
    op.execute("INSERT INTO orders (id) VALUES (17)")
    assert not context.is_offline_mode()
"""


def project(directory: Path, url: str, schema: str | None) -> Config:
    (directory / "versions").mkdir(parents=True)
    (directory / "env.py").write_text(ENV)
    (directory / "versions" / "a1.py").write_text(REVISION.format(schema=schema))
    (directory / "script.py.mako").write_text("${upgrades}")
    config = Config()
    config.set_main_option("script_location", str(directory))
    config.set_main_option("sqlalchemy.url", url)
    config.set_main_option("path_separator", "os")
    return config


@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "schema"])
def test_a_migration_of_the_application_makes_the_tables(kind: str, postgres: Postgres, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}" if kind == "sqlite" else postgres.fresh_database()
    schema = "mail" if kind == "schema" else None
    config = project(tmp_path / "alembic", url, schema)
    command.upgrade(config, "head")
    command.check(config)  # autogenerate finds nothing to change
    engine = create_engine(url)
    outbox = Outbox(schema=schema)
    outbox.check(engine)
    with engine.begin() as connection:
        outbox.send(connection, **MAIL)
        assert connection.execute(text("SELECT id FROM orders")).scalars().all() == [17]
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "a1"
        own = inspect(connection).get_table_names()
        assert ("mailsvc_message" in own) == (schema is None)
    engine.dispose()


def test_a_second_upgrade_changes_nothing(postgres: Postgres) -> None:
    engine = create_engine(postgres.fresh_database())
    for _ in range(2):
        with engine.begin() as connection:
            mailsvc.alembic.upgrade(connection, "mail")
            assert connection.execute(text("SHOW search_path")).scalar() == '"$user", public'
    engine.dispose()


def test_tables_of_a_newer_version_are_left_alone(postgres: Postgres) -> None:
    engine = create_engine(postgres.fresh_database())
    with engine.begin() as connection:
        mailsvc.alembic.upgrade(connection)
        connection.execute(text("UPDATE mailsvc_alembic_version SET version_num = '9999'"))
        with pytest.raises(TablesMissing, match="run the newer one"):
            mailsvc.alembic.upgrade(connection)
        with pytest.raises(TablesMissing, match="run the newer one"):
            Outbox().check(connection)
    engine.dispose()


def migrate(url: str, *options: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    arguments = [sys.executable, "-m", "mailsvc", "migrate", "--database-url", url, *options]
    return subprocess.run(arguments, capture_output=True, text=True, cwd=cwd, check=False)


def test_the_command_makes_schema_and_tables_and_locks_no_others(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.fresh_database()
    with postgres.connect(make_url(url).database or "") as busy:
        busy.execute("CREATE TABLE orders (id int)")
        with busy.transaction():
            busy.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
            done = migrate(url, "--schema", "mail", cwd=tmp_path)
        found = busy.execute("SELECT DISTINCT schemaname FROM pg_tables WHERE tablename LIKE 'mailsvc%'").fetchall()

    assert (done.returncode, done.stdout.strip()) == (0, f"The tables are at version {HEAD}."), done.stderr
    assert found == [("mail",)]
    assert list(tmp_path.iterdir()) == []


def test_a_schema_that_is_there_needs_no_right_to_make_one(postgres: Postgres, tmp_path: Path) -> None:
    url = make_url(postgres.fresh_database())
    with postgres.connect(url.database or "") as connection:
        connection.execute("DROP ROLE IF EXISTS tenant")
        connection.execute("CREATE ROLE tenant LOGIN")
        connection.execute("CREATE SCHEMA mail AUTHORIZATION tenant")
    as_tenant: Any = url.set(username="tenant")
    done = migrate(as_tenant.render_as_string(hide_password=False), "--schema", "mail", cwd=tmp_path)
    refused = migrate(as_tenant.render_as_string(hide_password=False), "--schema", "news", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert refused.returncode == 2
    assert "permission denied" in refused.stderr


def test_sqlite_has_no_schemas(tmp_path: Path) -> None:
    done = migrate(f"sqlite:///{tmp_path / 'x.db'}", "--schema", "mail", cwd=tmp_path)

    assert done.returncode == 2
    assert "SQLite has no schemas" in done.stderr


@pytest.mark.parametrize("schema", ["a b", "a;b", "1a", "x" * 64])
def test_a_schema_is_a_plain_name(schema: str, tmp_path: Path) -> None:
    done = migrate("postgresql+psycopg://127.0.0.1/x", "--schema", schema, cwd=tmp_path)

    assert done.returncode == 2
    assert "MAILSVC_DATABASE_SCHEMA" in done.stderr
