"""``mailsvc events``: the ordered feed of events."""

from typing import Any

import click

from mailsvc.cli.client import Client
from mailsvc.cli.follow import event_line
from mailsvc.cli.options import with_service
from mailsvc.cli.show import as_json_line


@click.command("events", epilog="Example: mailsvc events --follow --type message.bounced")
@click.option("--follow", is_flag=True, help="Wait for new events until Ctrl-C, also across restarts of the service.")
@click.option(
    "--after", metavar="ID|now|beginning", help="Start after this event (default: now with --follow, else beginning)."
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Only this type, or a pattern such as message.*; may be repeated.",
)
@click.option("--message", metavar="ID", help="Only events of this message.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Stop after N events.")
@with_service
def command(service: Client, /, follow: bool, after: str | None, limit: int | None, as_json: bool, **only: Any) -> None:
    """Print events, oldest first, one per line. With --json, each line is the object that a webhook receives."""
    arguments = [
        *(("type", kind) for kind in only["types"]),
        *([("message", only["message"])] if only["message"] else []),
    ]
    begin = after or ("now" if follow else "beginning")
    left = limit
    try:
        for events in service.follow(begin, arguments) if follow else service.feed(begin, arguments):
            for event in events[:left]:
                as_json_line(event) if as_json else click.echo(event_line(event))
            left = None if left is None else left - len(events)
            if left is not None and left <= 0:
                return
    except KeyboardInterrupt:
        return  # the normal end of following
