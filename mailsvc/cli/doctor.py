"""``mailsvc doctor``: check everything, and report each problem with its remedy."""

import sys
from collections.abc import Iterator
from dataclasses import asdict

import click
from sqlalchemy.exc import SQLAlchemyError

from mailsvc import settings as settings_module
from mailsvc.cli.checkup.callbacks import look_at_callbacks
from mailsvc.cli.checkup.finding import Finding, problem
from mailsvc.cli.checkup.host import look_at_host
from mailsvc.cli.checkup.mailboxes import look_at_mailboxes
from mailsvc.cli.checkup.routes import look_at_routes
from mailsvc.cli.checkup.sentfolders import look_at_sent_folders
from mailsvc.cli.checkup.service import look_at_service
from mailsvc.cli.checkup.store import has_embedded_worker, look_at_database, open_if_there
from mailsvc.cli.client import Client
from mailsvc.cli.find_service import find_service, is_elsewhere
from mailsvc.cli.options import address_options
from mailsvc.cli.show import as_json_line, one_line, plural
from mailsvc.settings import Settings
from mailsvc.store.database import Database, explain

_MARKS = {"ok": ("ok     ", "green"), "warning": ("WARNING", "yellow"), "problem": ("PROBLEM", "red")}


@click.command("doctor", epilog="Example: mailsvc doctor")
@address_options
def command(service_url: str | None, service_key: str | None, as_json: bool) -> None:
    """Check settings, data directory, disk, database, migrations, service, relays, webhooks, mailboxes and clock.

    Reads the database of this host's settings and changes nothing. A remote service (--url) is checked through its API only.
    Exit code 1 if there is a problem; warnings do not count.
    """
    settings = settings_module.load()
    findings = []
    service = find_service(service_url, service_key)
    for finding in look_at_service(service) if is_elsewhere(service_url, settings) else _look(settings, service):
        findings.append(finding)
        if not as_json:
            _show(finding)
    wrong = sum(finding.level == "problem" for finding in findings)
    if as_json:
        as_json_line({"ok": not wrong, "findings": [asdict(finding) for finding in findings]})
    else:
        click.echo(f"\n{plural(wrong, 'problem')} found." if wrong else "\nNo problems found.")
    if wrong:
        sys.exit(1)


def _look(settings: Settings, service: Client) -> Iterator[Finding]:
    yield from look_at_host(settings)
    database, works_embedded = open_if_there(settings), False
    if isinstance(database, Finding):
        yield database
    else:
        works_embedded = _works_embedded(database)
        yield from _look_inside(database, settings)
    yield from look_at_service(service, works_embedded=works_embedded)


def _works_embedded(database: Database) -> bool:
    """Whether the service runs inside a program, which may have no API."""
    try:
        with database.read() as connection:
            return has_embedded_worker(connection, now=database.now())
    except (SQLAlchemyError, OSError):
        return False


def _look_inside(database: Database, settings: Settings) -> Iterator[Finding]:
    try:
        yield from look_at_database(database, settings)
        yield from look_at_routes(database)
        yield from look_at_mailboxes(database)
        yield from look_at_sent_folders(database)
        yield from look_at_callbacks(database)
    except (SQLAlchemyError, OSError) as error:
        yield problem("database", f"can't be used: {explain(error)}", "see the database's log")
    finally:
        database.close()


def _show(finding: Finding) -> None:
    mark, color = _MARKS[finding.level]
    click.echo(f"{click.style(mark, fg=color)}  {finding.check}: {one_line(finding.said)}")
    if finding.todo:
        click.echo(f"         → {one_line(finding.todo)}")
