"""What the migrations do."""

from collections.abc import Callable
from typing import Any

from mailsvc.alembic import upgrade
from mailsvc.django.borrowed import borrowed
from mailsvc.django.options import option

__all__ = ["leave_tables", "to_revision"]


def to_revision(revision: str) -> Callable[[Any, Any], None]:
    """Return a function for ``RunPython`` that brings the tables to a revision; newer ones stay as they are."""

    def run(_apps: Any, schema_editor: Any) -> None:
        connection = schema_editor.connection
        if option("DATABASE") in (None, connection.alias):
            with borrowed(connection) as found:
                upgrade(found, option("SCHEMA"), revision=revision)

    return run


def leave_tables(_apps: Any, _schema_editor: Any) -> None:
    """For ``RunPython`` backwards: mails may be in them."""
