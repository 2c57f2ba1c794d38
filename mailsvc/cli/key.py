"""``mailsvc key``: creates and revokes API keys in the database itself, so that a lockout is impossible."""

from typing import get_args

import click

from mailsvc import settings as settings_module
from mailsvc.apps import keys
from mailsvc.apps.key_form import NewKey, Scope, key_values, shown_key
from mailsvc.cli.local import existing_database
from mailsvc.cli.options import json_option
from mailsvc.cli.show import as_json_line, moment, table
from mailsvc.domain.errors import Conflict, Invalid, NotFound
from mailsvc.domain.strict_json import convert

SCOPES = get_args(Scope)


@click.group("key", epilog="Example: mailsvc key create shop --scope send")
def command() -> None:
    """Create, list and revoke API keys in the database of this host's settings. A running service follows."""


@command.command("create", epilog="Example: mailsvc key create shop --scope send --scope read --network 10.0.0.0/8")
@click.argument("name", default="cli")
@click.option(
    "--scope",
    "--scopes",
    "scopes",
    multiple=True,
    metavar="SCOPE",
    help="send, read or admin; may be repeated or separated by commas (default: send and read).",
)
@click.option(
    "--network",
    "networks",
    multiple=True,
    metavar="CIDR",
    help="Allow requests only from this network; may be repeated.",
)
@click.option("--expires-at", metavar="TIME", help="When the key expires, e.g. 2030-01-31T12:00:00Z.")
@click.option("--app", "app_name", metavar="APP", help="The app that the key belongs to (default: the first).")
@json_option
def create(
    name: str,
    scopes: tuple[str, ...],
    networks: tuple[str, ...],
    expires_at: str | None,
    app_name: str | None,
    as_json: bool,
) -> None:
    """Create a key. It is printed now and never again; only its digest is stored."""
    given = [scope for text in scopes for scope in text.split(",") if scope] or ["send", "read"]
    if unknown := [scope for scope in given if scope not in SCOPES]:
        raise click.UsageError(f"{unknown[0]!r} is not a scope; known are {', '.join(SCOPES)}")
    form = {"name": name, "scopes": given, "networks": list(networks), "expires_at": expires_at, "app": app_name}
    try:
        wanted = convert(form, NewKey)
        key_values(wanted)  # reports wrong options even without a database
        with existing_database(settings_module.load()) as database:
            row, key = keys.create_key(database, wanted, creator=None)
    except Invalid as problem:
        raise click.UsageError(problem.detail) from problem
    if as_json:
        as_json_line({**shown_key(row), "key": key})
        return
    click.echo(key)
    click.echo(f"This is key {row.id} ({', '.join(sorted(set(given)))}). It is shown only now.", err=True)


@command.command("list", epilog="Example: mailsvc key list")
@json_option
def list_(as_json: bool) -> None:
    """List the keys of all apps that are not revoked."""
    with existing_database(settings_module.load()) as database:
        rows = keys.list_all_keys(database)
    shown = [shown_key(row) for row in rows]
    if as_json:
        as_json_line({"data": shown})
        return
    table(("ID", "NAME", "APP", "SCOPES", "NETWORKS", "EXPIRES", "CREATED"), [
        (k["id"], k["name"], row.app_name, ",".join(k["scopes"]), ",".join(k["networks"]) or "any",
         moment(k["expires_at"]) or "never", moment(k["created_at"]))
        for k, row in zip(shown, rows, strict=True)
    ])  # fmt: skip


@command.command("revoke", epilog="Example: mailsvc key revoke key_01hf3xyz…")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@json_option
def revoke(ids: tuple[str, ...], as_json: bool) -> None:
    """Revoke keys by their ids: a running service refuses them within a second."""
    try:
        with existing_database(settings_module.load()) as database, database.write() as connection:
            for id_ in ids:
                keys.revoke_key(connection, id_)
    except NotFound as problem:
        raise click.ClickException(f"{problem.detail}; mailsvc key list shows them") from problem
    except Conflict as problem:
        raise click.ClickException(problem.detail) from problem
    if as_json:
        as_json_line({"revoked": list(ids)})
    else:
        click.echo(f"Revoked {', '.join(ids)}.")
