"""``mailsvc key``: API keys, made and revoked in the database itself, so that nobody is ever locked out."""

from typing import Any

import click
from sqlalchemy import Connection, func, insert, or_, select, update

from mailsvc import clock
from mailsvc import settings as settings_module
from mailsvc.api.auth import digest_of
from mailsvc.api.input import convert
from mailsvc.api.keys import NewKey, key_values, make_key, shown_key
from mailsvc.cli.local import existing_database
from mailsvc.cli.options import json_option
from mailsvc.cli.show import as_json_line, moment, table
from mailsvc.domain.errors import Invalid
from mailsvc.domain.ids import new_id
from mailsvc.service.bootstrap import first_app
from mailsvc.store.tables import api_key, app

SCOPES = ("send", "read", "admin")


@click.group("key", epilog="Example: mailsvc key create shop --scope send")
def command() -> None:
    """Make, list and revoke API keys. Acts on the database of this host's settings; a running service follows."""


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
@click.option("--network", "networks", multiple=True, metavar="CIDR", help="Only from there; may be repeated.")
@click.option("--expires-at", metavar="TIME", help="Until then, e.g. 2030-01-31T12:00:00Z.")
@click.option("--app", "app_name", metavar="APP", help="The app that it belongs to (default: the first).")
@json_option
def create(
    name: str,
    scopes: tuple[str, ...],
    networks: tuple[str, ...],
    expires_at: str | None,
    app_name: str | None,
    as_json: bool,
) -> None:
    """Make a key. It is printed now and never again; only its digest is stored."""
    given = [scope for text in scopes for scope in text.split(",") if scope] or ["send", "read"]
    if unknown := [scope for scope in given if scope not in SCOPES]:
        raise click.UsageError(f"{unknown[0]!r} is not a scope; known are {', '.join(SCOPES)}")
    values = _checked({"name": name, "scopes": given, "networks": list(networks), "expires_at": expires_at})
    key = make_key()
    with existing_database(settings_module.load()) as database, database.write() as connection:
        row = _insert(connection, _app_id(connection, app_name), key, values)
    if as_json:
        as_json_line({**shown_key(row), "key": key})
        return
    click.echo(key)
    click.echo(f"This is key {row.id} ({', '.join(sorted(set(given)))}). It is shown only now.", err=True)


@command.command("list", epilog="Example: mailsvc key list")
@json_option
def list_(as_json: bool) -> None:
    """List the keys of all apps that are not revoked."""
    wanted = select(api_key, app.c.name.label("app_name")).join(app, app.c.id == api_key.c.app_id)
    with existing_database(settings_module.load()) as database, database.read() as connection:
        rows = connection.execute(wanted.where(api_key.c.revoked_at.is_(None)).order_by(api_key.c.id.desc())).all()
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
    with existing_database(settings_module.load()) as database, database.write() as connection:
        for id_ in ids:
            _revoke(connection, id_)
    if as_json:
        as_json_line({"revoked": list(ids)})
    else:
        click.echo(f"Revoked {', '.join(ids)}.")


def _checked(form: dict[str, Any]) -> dict[str, Any]:
    try:
        return key_values(convert(form, NewKey))
    except Invalid as problem:
        raise click.UsageError(problem.detail) from problem


def _insert(connection: Connection, app_id: str, key: str, values: dict[str, Any]) -> Any:
    now = clock.now()
    made = {"id": new_id("key"), "app_id": app_id, "digest": digest_of(key), "created_at": now, "updated_at": now}
    return connection.execute(insert(api_key).values(**made, **values).returning(api_key)).one()


def _app_id(connection: Connection, named: str | None) -> str:
    if named is None:
        return first_app(connection, clock.now())
    found = connection.execute(select(app.c.id).where(or_(app.c.id == named, app.c.name == named))).scalar()
    if found is None:
        raise click.UsageError(f"there is no app {named!r}")
    return str(found)


def _revoke(connection: Connection, id_: str) -> None:
    in_force = api_key.c.revoked_at.is_(None)
    row = connection.execute(select(api_key).where(api_key.c.id == id_, in_force)).first()
    if row is None:
        raise click.ClickException(f"there is no key {id_!r} in force; mailsvc key list shows them")
    others = in_force & (api_key.c.app_id == row.app_id) & (api_key.c.id != id_) & api_key.c.scopes.contains('"admin"')
    left = connection.execute(select(func.count()).select_from(api_key).where(others)).scalar_one()
    if not left and '"admin"' in row.scopes:
        raise click.ClickException(f"{id_} is the last key with scope admin: make another one first")
    connection.execute(update(api_key).where(api_key.c.id == id_).values(revoked_at=clock.now()))
