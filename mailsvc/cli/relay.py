"""``mailsvc relay``: the submission accounts through which mail is sent."""

import sys
from typing import Any

import click

from mailsvc.cli.authorize_options import Given, authorize_options
from mailsvc.cli.client import Client
from mailsvc.cli.options import with_service
from mailsvc.cli.show import as_json_line, moment, one_line, table
from mailsvc.settings import parse_relay_url


@click.group("relay", epilog="Example: mailsvc relay add smtp://user:password@smtp.example.test:587")
def command() -> None:
    """Add, list, check, authorize, pause and resume relays of a running service."""


@command.command("add", epilog="Example: mailsvc relay add 'smtp://user:p%40ss@smtp.example.test:587?rate=14/s'")
@click.argument("url", metavar="URL")
@click.option("--name", default="default", show_default=True, help="The relay's name.")
@click.option(
    "--default/--no-default", "is_default", default=True, help="Whether messages that name no relay go by it."
)
@with_service
def add(service: Client, url: str, name: str, is_default: bool, as_json: bool) -> None:
    """Add the relay at URL: smtp:// (STARTTLS) or smtps:// (implicit TLS), with user and password percent-encoded.

    \b
    Options follow a ?: ca=FILE rate=14/s max_connections= return_path=
    max_messages_per_connection= max_recipients= pipelining= verp= dsn= verify= tls= auth= reply_token= unsubscribe_mailbox=
    file_sent=
    If URL is -, it is read from stdin, so that the password is not in the process list.
    """
    text = sys.stdin.readline().strip() if url == "-" else url
    made = service.post("/v1/relays", {"name": name, "default": is_default, **parse_relay_url(text, shown="URL")})
    if as_json:
        as_json_line(made)
    else:
        click.echo(f"Added relay {made['name']} ({made['id']}). Try it: mailsvc relay check {made['name']}")


@command.command("list", epilog="Example: mailsvc relay list")
@with_service
def list_(service: Client, as_json: bool) -> None:
    """List the relays, each with its status and the reason."""
    found = list(service.pages("/v1/relays"))
    if as_json:
        as_json_line({"data": found})
        return
    rows = [
        (r["name"], r["id"], f"{r['host']}:{r['port']}", r["tls"], r["username"], "yes" if r["default"] else "no",
         r["status"] if r["enabled"] else "disabled", r["status_reason"])
        for r in found
    ]  # fmt: skip
    table(("NAME", "ID", "SERVER", "TLS", "USER", "DEFAULT", "STATUS", "REASON"), rows)


@command.command("check", epilog="Example: mailsvc relay check default")
@click.argument("names", nargs=-1, metavar="[NAME|ID]...")
@with_service
def check(service: Client, names: tuple[str, ...], as_json: bool) -> None:
    """Connect and log in now, and report each step. Checks all enabled relays if none is named. Exit code 1 if one fails."""
    relays = [_find(service, name) for name in names] or [r for r in service.pages("/v1/relays") if r["enabled"]]
    if not relays:
        raise click.ClickException("no usable relay: add one with mailsvc relay add, or enable one")
    reports = [{"name": r["name"], **service.post(f"/v1/relays/{r['id']}/check")} for r in relays]
    if as_json:
        as_json_line({"data": reports})
    else:
        for report in reports:
            _show_report(report)
    if not all(report["ok"] for report in reports):
        sys.exit(1)


@command.command("authorize", epilog="Example: mailsvc relay authorize default --client-id 1234.apps.example.test")
@click.argument("name", metavar="NAME|ID")
@authorize_options
@with_service
def authorize(service: Client, /, name: str, as_json: bool, **given: Any) -> None:
    """Let a person authorize mailsvc to send as the relay's account (OAuth 2), and store the refresh token.

    Register an application at the provider first: a desktop application, with the redirect http://localhost (Microsoft)
    or none (Google).
    """
    from mailsvc.cli import authorize as guide  # noqa: PLC0415 - only this command needs what it loads

    found = _find(service, name)
    changed = guide.authorize(service, f"/v1/relays/{found['id']}", found, Given(**given))
    if as_json:
        as_json_line(changed)
    else:
        click.echo(f"{changed['name']} has a refresh token. Try it: mailsvc relay check {changed['name']}")


@command.command("pause", epilog="Example: mailsvc relay pause default --reason 'the provider is moving'")
@click.argument("name", metavar="NAME|ID")
@click.option("--reason", help="A note, shown with the relay.")
@with_service
def pause(service: Client, name: str, reason: str | None, as_json: bool) -> None:
    """Stop using a relay until it is resumed; its messages wait."""
    found = _find(service, name)
    paused = service.post(f"/v1/relays/{found['id']}/pause", {"reason": reason} if reason else None)
    _show_status(paused, as_json=as_json)


@command.command("resume", epilog="Example: mailsvc relay resume default")
@click.argument("name", metavar="NAME|ID")
@with_service
def resume(service: Client, name: str, as_json: bool) -> None:
    """Use a relay again now, whether it is paused or backing off."""
    _show_status(service.post(f"/v1/relays/{_find(service, name)['id']}/resume"), as_json=as_json)


def _find(service: Client, name: str) -> dict[str, Any]:
    found = list(service.pages("/v1/relays", [("name", name)])) or [
        r for r in service.pages("/v1/relays") if r["id"] == name
    ]
    if not found:
        raise click.ClickException(f"there is no relay {name!r}; mailsvc relay list shows them")
    relay: dict[str, Any] = found[0]
    return relay


def _show_report(report: dict[str, Any]) -> None:
    verdict = "works" if report["ok"] else "does not work"
    click.echo(f"{report['name']} {verdict} ({report['duration_ms']:.0f} ms)")
    for step in report["steps"]:
        click.echo(f"  {'ok  ' if step['ok'] else 'FAIL'} {step['stage']:<9} {one_line(step['detail'])}")
    if report["tls"] and not report["tls"]["verified"]:
        click.echo("  the certificate was not verified")
    if report["capabilities"]:
        click.echo(f"  offers {one_line(', '.join(report['capabilities']))}")


def _show_status(relay: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        as_json_line(relay)
        return
    reason = f": {one_line(relay['status_reason'])}" if relay["status_reason"] else ""
    until = f" until {moment(relay['retry_at'])}" if relay["status"] == "backing_off" else ""
    click.echo(f"{relay['name']} is {relay['status'].replace('_', ' ')}{until}{reason}.")
