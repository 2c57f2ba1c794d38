"""``mailsvc submissions``: mails that applications inserted, and that are not taken up."""

import click

from mailsvc.cli.client import Client
from mailsvc.cli.options import with_service
from mailsvc.cli.show import as_json_line, moment, one_line, table


@click.group("submissions", epilog="Example: mailsvc submissions list --rejected")
def command() -> None:
    """Show and mend rows of mailsvc_submission that can't be taken up."""


@command.command("list", epilog="Example: mailsvc submissions list --app shop --rejected")
@click.option("--app", "apps", multiple=True, metavar="NAME", help="Only rows of this app; may be repeated.")
@click.option("--rejected", "state", flag_value="rejected", help="Only rows that can't be taken up.")
@click.option("--waiting", "state", flag_value="waiting", help="Only rows that wait.")
@click.option(
    "--most", type=click.IntRange(min=1), default=1000, show_default=True, help="List at most this many rows."
)
@with_service
def list_(service: Client, apps: tuple[str, ...], state: str | None, most: int, as_json: bool) -> None:
    """List rows that are not taken up, newest first; with a key of the first app those of all apps."""
    filters = [*(("app", app) for app in apps), *([("state", state)] if state else [])]
    found = list(service.pages("/v1/submissions", filters, most=most))
    if as_json:
        as_json_line({"data": found})
        return
    rows = [
        (s["id"], s["app"], s["state"], moment(s["created_at"]) or "-", "; ".join(map(_error, s["errors"])))
        for s in found
    ]
    table(("ID", "APP", "STATE", "CREATED", "ERRORS"), rows)


@command.command("show", epilog="Example: mailsvc submissions show msg_01hf3xyz…")
@click.argument("id_", metavar="ID")
@with_service
def show(service: Client, id_: str, as_json: bool) -> None:
    """Show a row: its errors, and its draft as it was inserted."""
    found = service.get(f"/v1/submissions/{id_}")
    if as_json:
        as_json_line(found)
        return
    for name in ("id", "app", "state", "idempotency_key", "created_at", "size"):
        click.echo(f"{name:16}{one_line(str(found[name]))}")
    for error in found["errors"]:
        click.echo(f"{'error':16}{_error(error)}")
    draft = found["draft"]
    click.echo(f"{'draft':16}{one_line(draft) if draft is not None else '(too large to show)'}")


@command.command("retry", epilog="Example: mailsvc submissions retry msg_01hf3xyz…")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@with_service
def retry(service: Client, ids: tuple[str, ...], as_json: bool) -> None:
    """Have rows looked at again, after what was wrong with them has changed."""
    found = [service.post(f"/v1/submissions/{id_}/retry") for id_ in ids]
    if as_json:
        as_json_line({"data": found})
        return
    for submission in found:
        click.echo(f"{submission['id']} is looked at again.")


@command.command("drop", epilog="Example: mailsvc submissions drop msg_01hf3xyz…")
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@with_service
def drop(service: Client, ids: tuple[str, ...], as_json: bool) -> None:
    """Delete rows: their mails are never sent."""
    for id_ in ids:
        service.call("DELETE", f"/v1/submissions/{id_}")
    if as_json:
        as_json_line({"dropped": list(ids)})
        return
    for id_ in ids:
        click.echo(f"{id_} is dropped.")


def _error(error: dict[str, str]) -> str:
    return one_line(f"{error['field']}: {error['detail']}" if error["field"] else error["detail"])
