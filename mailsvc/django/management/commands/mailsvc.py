"""``manage.py mailsvc …``: the command line of mailsvc, on the project's database unless a setting says another."""

import argparse
import os
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connections
from sqlalchemy import URL

from mailsvc.cli import main
from mailsvc.django.options import option

__all__ = ["Command"]


class Command(BaseCommand):
    """Runs a command of mailsvc."""

    help = "The command line of mailsvc: serve, doctor, queue, migrate, …"
    requires_system_checks: tuple[str, ...] = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Take all arguments as they are."""
        parser.add_argument("arguments", nargs=argparse.REMAINDER, help="as of the command mailsvc")

    def run_from_argv(self, argv: list[str]) -> None:
        """Let mailsvc read its options itself, --help too."""
        self.handle(arguments=argv[2:])

    def handle(self, *_: Any, **options: Any) -> None:
        """Run it; settings of the environment are the stronger ones."""
        alias = option("DATABASE") or "default"
        given = {
            "MAILSVC_DATABASE_URL": _url(connections[alias]),
            "MAILSVC_DATABASE_SCHEMA": option("SCHEMA"),
            "MAILSVC_DATA_DIR": option("DATA_DIR"),
        }
        for name, value in given.items():
            if value:
                os.environ.setdefault(name, str(value))  # noqa: TID251 - the process that becomes mailsvc
        connections.close_all()
        main(options["arguments"])


def _url(connection: Any) -> str:
    """Return the URL of one of Django's databases."""
    at = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{at['NAME']}"
    return URL.create(
        "postgresql+psycopg",
        username=at["USER"] or None,
        password=at["PASSWORD"] or None,
        host=at["HOST"] or None,
        port=int(at["PORT"]) if at["PORT"] else None,
        database=at["NAME"],
    ).render_as_string(hide_password=False)
