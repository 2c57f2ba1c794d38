"""The database of this host's settings, for the commands that act on it directly."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from mailsvc.settings import BadSetting, Settings
from mailsvc.store import migrate
from mailsvc.store.database import Database, explain

__all__ = ["existing_database", "reach"]


@contextmanager
def reach(settings: Settings) -> Iterator[Database]:
    """Open the database; closes it at the end.

    Raises:
        BadSetting: it can't be reached or used, now or inside the block.
    """
    database = None
    try:
        database = Database(settings.database, pool_size=1)
        yield database
    except (SQLAlchemyError, OSError) as error:
        raise BadSetting(
            f"The database of MAILSVC_DATABASE_URL can't be used: {explain(error, settings.database)}."
        ) from error
    finally:
        if database is not None:
            database.close()


@contextmanager
def existing_database(settings: Settings) -> Iterator[Database]:
    """Open the database if it has the tables of this version: a misspelt setting must not create a new one.

    Raises:
        click.ClickException: there are no tables, or older ones.
        BadSetting: it can't be reached.
    """
    file = make_url(settings.database).database if settings.database.startswith("sqlite") else None
    if file is not None and not Path(file).exists():
        raise click.ClickException(f"there is no database at {file}: run mailsvc migrate or mailsvc serve first")
    with reach(settings) as database:
        version = migrate.current(database)
        if lack := migrate.lack(version):
            raise click.ClickException(lack)
        yield database
