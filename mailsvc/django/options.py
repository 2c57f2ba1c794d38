"""What ``settings.MAILSVC`` says: ``DATABASE`` (an alias), ``SCHEMA`` (PostgreSQL), ``APP`` and ``DATA_DIR``."""

from typing import Any

from django.conf import settings

__all__ = ["option", "table"]


def option(name: str) -> Any:
    """Return a member of ``settings.MAILSVC``, or None."""
    found: Any = getattr(settings, "MAILSVC", {}).get(name)
    return found


def table(name: str) -> str:
    """Return the ``db_table`` of a table of mailsvc, with its schema; Django leaves a quoted name as it is."""
    schema = option("SCHEMA")
    return f'"{schema}"."{name}"' if schema else name
