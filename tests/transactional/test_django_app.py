"""``mailsvc.django`` in a project of its own: migrations, tests, admin, command."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mailsvc.store.migrate import HEAD
from tests.support.postgres import Postgres
from tests.support.shop import Shop

ROOT = Path(__file__).parents[2]


class Project:
    """Runs commands of manage.py."""

    def __init__(self, databases: dict[str, Any], options: dict[str, Any], directory: Path) -> None:
        self.directory = directory
        self.environment = {
            **os.environ,
            "SHOP_DATABASES": json.dumps(databases),
            "SHOP_MAILSVC": json.dumps({"DATA_DIR": str(directory / "data"), **options}),
            "DJANGO_SETTINGS_MODULE": "tests.support.django_shop.settings",
            "PYTHONPATH": str(ROOT),
        }

    def manage(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-W", "error::UserWarning", "-m", "django", *arguments],
            env=self.environment,
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )

    def succeed(self, *arguments: str) -> str:
        done = self.manage(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr


def a_database(kind: str, postgres: Postgres, directory: Path) -> dict[str, Any]:
    if kind == "sqlite":
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(directory / "shop.db")}
    return Shop(postgres.fresh_database()).django


@pytest.fixture(params=["sqlite", "postgresql", "schema", "second"])
def project(request: pytest.FixtureRequest, postgres: Postgres, tmp_path: Path) -> Project:
    kind = request.param
    databases = {"default": a_database("sqlite" if kind == "second" else kind, postgres, tmp_path)}
    options = {"schema": {"SCHEMA": "mail"}, "second": {"DATABASE": "mail"}}.get(kind, {})
    if kind == "second":
        databases["mail"] = a_database("postgresql", postgres, tmp_path)
    return Project(databases, options, tmp_path)


def test_the_projects_own_tests_have_the_tables(project: Project) -> None:
    said = project.succeed("test", "tests.support.django_shop", "--noinput")

    assert "OK" in said


def test_migrations_make_the_tables_which_the_command_finds(project: Project) -> None:
    for alias in json.loads(project.environment["SHOP_DATABASES"]):
        project.succeed("migrate", "--database", alias)
    project.succeed("migrate")
    project.succeed("makemigrations", "--check", "--dry-run")
    told = json.loads(project.succeed("mailsvc", "migrate", "--json"))

    assert told == {"before": HEAD, "after": HEAD}
    assert "Usage: mailsvc serve" in project.succeed("mailsvc", "serve", "--help")


def test_the_last_migration_is_the_last_revision() -> None:
    """Another revision of the tables needs another migration here."""
    migrations = sorted((ROOT / "mailsvc" / "django" / "migrations").glob("0*.py"))

    assert f'to_revision("{HEAD}")' in migrations[-1].read_text()
