"""``mailsvc serve``: the whole service, in one command."""

import sys
from dataclasses import replace

import click

from mailsvc import settings as settings_module
from mailsvc import telemetry
from mailsvc.service.supervisor import serve

ROLES = ("api", "deliver", "ingest", "notify", "intake", "upkeep")
_LATER = ("submission",)  # a role of the contract that has no function yet


@click.command("serve", epilog="Example: mailsvc serve --bind 0.0.0.0:8025")
@click.option(
    "--bind",
    help="Address and port of the HTTP API (default: MAILSVC_BIND or 127.0.0.1:8025).",
)
@click.option(
    "--roles",
    help=f"The roles of this process, separated by commas (default: all of {','.join(ROLES)}).",
)
@click.option("--json", "as_json", is_flag=True, help="Log JSON for machines (MAILSVC_LOG_FORMAT=json).")
def command(bind: str | None, roles: str | None, as_json: bool) -> None:
    """Run the service: API, delivery, mailboxes, webhooks and upkeep."""
    settings = settings_module.load()
    if bind is not None:
        settings = replace(settings, bind=bind)
    telemetry.set_up("json" if as_json else settings.log_format, settings.log_level)
    sys.exit(serve(settings, _chosen(roles)))


def _chosen(roles: str | None) -> tuple[str, ...]:
    names = [name.strip() for name in roles.split(",")] if roles else list(ROLES)
    for name in names:
        if name not in ROLES + _LATER:
            raise click.BadParameter(
                f"{name!r} is not a role; known are {', '.join(ROLES)}",
                param_hint="--roles",
            )
    return tuple(name for name in ROLES if name in names)
