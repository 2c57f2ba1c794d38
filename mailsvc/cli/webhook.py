"""``mailsvc webhook``: the application's endpoints for events."""

import sys
from typing import Any, TextIO

import click

from mailsvc.cli.client import Client
from mailsvc.cli.options import with_service
from mailsvc.cli.show import as_json_line, moment, one_line, table


@click.group("webhook", epilog="Example: mailsvc webhook add https://app.example.test/mail-events")
def command() -> None:
    """Add, list and test webhooks of a running service."""


@command.command("add", epilog="Example: mailsvc webhook add https://app.example.test/hook --event 'message.*'")
@click.argument("url", metavar="URL")
@click.option(
    "--event", "events", multiple=True, metavar="TYPE", help="*, message.* or an exact type; may be repeated."
)
@click.option("--description", help="A note of your own.")
@click.option("--ca", type=click.File(), help="A PEM file of CAs to trust instead of the system's.")
@with_service
def add(
    service: Client, url: str, events: tuple[str, ...], description: str | None, ca: TextIO | None, as_json: bool
) -> None:
    """Send events to URL. Prints the signing secret, which is shown only once."""
    ca_pem = ca.read() if ca is not None else None
    wanted = {"url": url, "events": list(events) or ["*"], "description": description, "ca_pem": ca_pem}
    made = service.post("/v1/webhooks", wanted)
    if as_json:
        as_json_line(made)
        return
    click.echo(f"Added webhook {made['id']}. Try it: mailsvc webhook test {made['id']}")
    click.echo(f"Signing secret (shown only once): {made['secret']}")


@command.command("list", epilog="Example: mailsvc webhook list")
@with_service
def list_(service: Client, as_json: bool) -> None:
    """List the webhooks with their status."""
    found = list(service.pages("/v1/webhooks"))
    if as_json:
        as_json_line({"data": found})
        return
    rows = [(w["id"], w["url"], ",".join(w["events"]), _state(w)) for w in found]
    table(("ID", "URL", "EVENTS", "STATUS"), rows)


@command.command("test", epilog="Example: mailsvc webhook test whk_01hf3xyz…")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@with_service
def test(service: Client, ids: tuple[str, ...], as_json: bool) -> None:
    """Post a signed webhook.test event now. Tests all webhooks if none is named. Exit code 1 if one fails."""
    chosen = list(ids) or [w["id"] for w in service.pages("/v1/webhooks")]
    if not chosen:
        raise click.ClickException("there is no webhook yet: add one with mailsvc webhook add")
    reports = [{"id": id_, **service.post(f"/v1/webhooks/{id_}/test")} for id_ in chosen]
    if as_json:
        as_json_line({"data": reports})
    else:
        for report in reports:
            _show_report(report)
    if not all(report["delivered"] for report in reports):
        sys.exit(1)


def _state(webhook: dict[str, Any]) -> str:
    if not webhook["enabled"]:
        return f"disabled: {webhook['disabled_reason'] or 'manually'}"
    return f"failing since {moment(webhook['failing_since'])}" if webhook["failing_since"] else "ok"


def _show_report(report: dict[str, Any]) -> None:
    verdict = "accepted the event" if report["delivered"] else "did not accept the event"
    status = f"status {report['status_code']}" if report["status_code"] else "no response"
    error = f": {one_line(report['error'])}" if report.get("error") else ""
    click.echo(f"{report['id']} {verdict} ({status}, {report['duration_ms']:.0f} ms){error}")
