"""``mailsvc mailbox``: the mail accounts that are watched."""

import shlex
import sys
from typing import Any

import click

from mailsvc.cli.authorize_options import Given, authorize_options
from mailsvc.cli.client import Client
from mailsvc.cli.options import with_service
from mailsvc.cli.show import as_json_line, moment, one_line, table
from mailsvc.settings import parse_mailbox_url


@click.group("mailbox", epilog="Example: mailsvc mailbox add imaps://user:password@imap.example.test/INBOX")
def command() -> None:
    """Add, list, check, probe, authorize, pause and resume mailboxes of a running service."""


@command.command("add", epilog="Example: mailsvc mailbox add 'imaps://user:p%40ss@imap.example.test/INBOX?after=seen'")
@click.argument("url", metavar="URL")
@click.option("--name", help="The mailbox's name (default: user@host/folder).")
@with_service
def add(service: Client, url: str, name: str | None, as_json: bool) -> None:
    """Watch the mailbox at URL: imaps:// or pop3s:// (TLS), imap:// or pop3:// (STARTTLS); user and password percent-encoded.

    \b
    The path is the folder. Options follow a ?: after=keep|seen|delete|move:FOLDER
    first_read=new|all poll_interval=60 idle= ca=FILE verify= tls= name= relay=
    If URL is -, it is read from stdin, so that the password is not in the process list.
    """
    text = sys.stdin.readline().strip() if url == "-" else url
    wanted = parse_mailbox_url(text, shown="URL") | ({"name": name} if name else {})
    made = service.post("/v1/mailboxes", wanted | {"enabled": wanted["password"] is not None})
    if as_json:
        as_json_line(made)
    elif not made["enabled"]:
        click.echo(
            f"Added mailbox {made['name']} ({made['id']}), disabled: it has no password. To log in with OAuth 2:"
        )
        click.echo(f"  mailsvc mailbox authorize {shlex.quote(made['name'])}")
    else:
        click.echo(
            f"Added mailbox {made['name']} ({made['id']}). Try it: mailsvc mailbox check {shlex.quote(made['name'])}"
        )


@command.command("list", epilog="Example: mailsvc mailbox list")
@with_service
def list_(service: Client, as_json: bool) -> None:
    """List the mailboxes, each with its status and the reason."""
    found = list(service.pages("/v1/mailboxes"))
    if as_json:
        as_json_line({"data": found})
        return
    rows = [
        (m["name"], m["id"], m["protocol"], f"{m['host']}:{m['port']}", m["folder"], m["after"],
         m["status"] if m["enabled"] else "disabled", moment(m["last_read_at"]) if m["last_read_at"] else "never",
         _reason(m))
        for m in found
    ]  # fmt: skip
    table(("NAME", "ID", "PROTOCOL", "SERVER", "FOLDER", "AFTER", "STATUS", "LAST READ", "REASON"), rows)


@command.command("check", epilog="Example: mailsvc mailbox check support")
@click.argument("names", nargs=-1, metavar="[NAME|ID]...")
@with_service
def check(service: Client, names: tuple[str, ...], as_json: bool) -> None:
    """Connect, log in and open the folder now, and report each step. Checks all enabled mailboxes if none is named."""
    mailboxes = [_find(service, name) for name in names] or [m for m in service.pages("/v1/mailboxes") if m["enabled"]]
    if not mailboxes:
        raise click.ClickException("no mailbox to check: add one with mailsvc mailbox add, or enable one")
    reports = [{"name": m["name"], **service.post(f"/v1/mailboxes/{m['id']}/check")} for m in mailboxes]
    if as_json:
        as_json_line({"data": reports})
    else:
        for report in reports:
            _show_report(report)
    if not all(report["ok"] for report in reports):
        sys.exit(1)


@command.command("probe", epilog="Example: mailsvc mailbox probe support --relay default")
@click.argument("name", metavar="NAME|ID")
@click.option("--relay", metavar="NAME", help="The relay that sends (default: the one the mailbox is linked to).")
@click.option("--address", help="The mailbox's own address, where the user name is none.")
@with_service
def probe(service: Client, name: str, relay: str | None, address: str | None, as_json: bool) -> None:
    """Send three mails from the mailbox's address to itself, and find out what the account supports and what to set.

    Takes up to a minute. Nothing is sent to anybody else, and no setting is changed.
    """
    found = _find(service, name)
    if not as_json:
        click.echo("Sending three mails to the mailbox itself, and waiting up to a minute for them ...", err=True)
    report = service.post(f"/v1/mailboxes/{found['id']}/probe", {"relay": relay, "address": address})
    if as_json:
        as_json_line(report)
        return
    rows = [(one["name"], one["result"], one_line(one["detail"])) for one in report["findings"]]
    table(("FINDING", "RESULT", "DETAIL"), rows)
    click.echo()
    for sentence in report["advice"]:
        click.echo(sentence)


@command.command("authorize", epilog="Example: mailsvc mailbox authorize support --client-id 1234.apps.example.test")
@click.argument("name", metavar="NAME|ID")
@authorize_options
@with_service
def authorize(service: Client, /, name: str, as_json: bool, **given: Any) -> None:
    """Let a person authorize mailsvc to read the mailbox (OAuth 2), and store the refresh token.

    Register an application at the provider first: see docs/oauth.md.
    """
    from mailsvc.cli import authorize as guide  # noqa: PLC0415 - only this command needs what it loads

    found = _find(service, name)
    changed = guide.authorize(service, f"/v1/mailboxes/{found['id']}", found, Given(**given))
    if found["password"] is None and not changed["enabled"]:
        changed = service.patch(f"/v1/mailboxes/{found['id']}", {"enabled": True})
    if as_json:
        as_json_line(changed)
    else:
        click.echo(
            f"{changed['name']} has a refresh token. Try it: mailsvc mailbox check {shlex.quote(changed['name'])}"
        )


@command.command("pause", epilog="Example: mailsvc mailbox pause support --reason 'the account is moving'")
@click.argument("name", metavar="NAME|ID")
@click.option("--reason", help="A note, shown with the mailbox.")
@with_service
def pause(service: Client, name: str, reason: str | None, as_json: bool) -> None:
    """Stop reading a mailbox until it is resumed; what arrives meanwhile is read afterwards."""
    found = _find(service, name)
    paused = service.post(f"/v1/mailboxes/{found['id']}/pause", {"reason": reason} if reason else None)
    _show_status(paused, as_json=as_json)


@command.command("resume", epilog="Example: mailsvc mailbox resume support")
@click.argument("name", metavar="NAME|ID")
@with_service
def resume(service: Client, name: str, as_json: bool) -> None:
    """Read a mailbox again now, whether it is paused or waits after an error."""
    _show_status(service.post(f"/v1/mailboxes/{_find(service, name)['id']}/resume"), as_json=as_json)


def _find(service: Client, name: str) -> dict[str, Any]:
    found = list(service.pages("/v1/mailboxes", [("name", name)])) or [
        m for m in service.pages("/v1/mailboxes") if m["id"] == name
    ]
    if not found:
        raise click.ClickException(f"there is no mailbox {name!r}; mailsvc mailbox list shows them")
    mailbox: dict[str, Any] = found[0]
    return mailbox


def _reason(mailbox: dict[str, Any]) -> str:
    shown = mailbox["last_error"] if mailbox["status"] == "failing" else mailbox["status_reason"]
    return one_line(shown) if shown else ""


def _show_report(report: dict[str, Any]) -> None:
    verdict = "works" if report["ok"] else "does not work"
    click.echo(f"{report['name']} {verdict} ({report['duration_ms']:.0f} ms)")
    for step in report["steps"]:
        click.echo(f"  {'ok  ' if step['ok'] else 'FAIL'} {step['name']:<12} {one_line(step['detail'])}")
    if report["tls"] and not report["tls"]["verified"]:
        click.echo("  the certificate was not verified")


def _show_status(mailbox: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        as_json_line(mailbox)
        return
    reason = f": {one_line(mailbox['status_reason'])}" if mailbox["status_reason"] else ""
    click.echo(f"{mailbox['name']} is {mailbox['status']}{reason}.")
