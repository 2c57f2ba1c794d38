"""``mailsvc callbacks``: the positions of the host's durable callbacks in the feed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from mailsvc import clock
from mailsvc import settings as settings_module
from mailsvc.callbacks import positions
from mailsvc.cli.local import existing_database
from mailsvc.cli.options import json_option
from mailsvc.cli.show import as_json_line, one_line, table
from mailsvc.runtime.wake import EVENTS, Bell
from mailsvc.store.database import Database

_app = click.option("--app", "app_name", default="default", show_default=True, metavar="NAME", help="The app.")


@click.group("callbacks", epilog="Example: mailsvc callbacks list")
def command() -> None:
    """List the callbacks of embedded services, and help them past an event at which they fail."""


@command.command("list", epilog="Example: mailsvc callbacks list")
@json_option
def list_(as_json: bool) -> None:
    """List the callbacks of all apps, with what each waits for."""
    with existing_database(settings_module.load()) as database, database.read() as connection:
        rows = positions.list_callbacks(connection)
    if as_json:
        as_json_line({"data": [_shown(row) for row in rows]})
        return
    lines = [(row.app, row.name, str(row.behind), row.event_id or "-", one_line(row.last_error or "-")) for row in rows]
    table(("APP", "NAME", "BEHIND", "FAILS AT", "WITH"), lines)


@command.command("skip", epilog="Example: mailsvc callbacks skip shop-bounces evt_01jd8z3k5w7q9v2m4n6p8r0t1x")
@click.argument("name", metavar="NAME")
@click.argument("event_id", metavar="EVENT")
@_app
@json_option
def skip(name: str, event_id: str, app_name: str, as_json: bool) -> None:
    """Pass over EVENT, at which the callback NAME fails, for good."""
    with _changing() as (database, connection):
        positions.skip(connection, app_name, name, event_id, now=database.now())
    _done({"app": app_name, "name": name, "skipped": event_id}, f"{name} passes over {event_id}.", as_json=as_json)


@command.command("rewind", epilog="Example: mailsvc callbacks rewind shop-bounces --after beginning")
@click.argument("name", metavar="NAME")
@click.option("--after", required=True, metavar="EVENT", help="An event's id, `beginning` or `now`.")
@_app
@json_option
def rewind(name: str, after: str, app_name: str, as_json: bool) -> None:
    """Call the callback NAME with the events after EVENT, also with those that it was called with before."""
    with _changing() as (database, connection):
        positions.rewind(connection, app_name, name, after, now=database.now())
    _done({"app": app_name, "name": name, "after": after}, f"{name} goes on after {after}.", as_json=as_json)


@contextmanager
def _changing() -> Iterator[tuple[Database, Any]]:
    settings = settings_module.load()
    try:
        with existing_database(settings) as database, database.write() as connection:
            yield database, connection
    except LookupError as error:
        raise click.ClickException(str(error)) from error
    Bell(settings.data_dir).ring(EVENTS)


def _done(document: dict[str, str], said: str, *, as_json: bool) -> None:
    if as_json:
        as_json_line(document)
    else:
        click.echo(said)


def _shown(row: Any) -> dict[str, Any]:
    return {
        "app": row.app,
        "name": row.name,
        "behind": row.behind,
        "failing": None
        if row.event_id is None
        else {
            "event_id": row.event_id,
            "tries": row.tries,
            "retry_at": clock.rfc3339(row.retry_at),
            "error": row.last_error,
        },
        "seen_at": clock.rfc3339(row.seen_at),
    }
