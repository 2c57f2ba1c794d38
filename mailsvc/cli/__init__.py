"""The commands. Each module contains one group; ``main`` finds them by name and loads only the requested one."""

import importlib
import sys
from collections.abc import Sequence

import click

from mailsvc.settings import BadSetting

__all__ = ["main"]

_COMMANDS = {
    "serve": "mailsvc.cli.serve",
    "migrate": "mailsvc.cli.migrate",
    "key": "mailsvc.cli.key",
    "relay": "mailsvc.cli.relay",
    "mailbox": "mailsvc.cli.mailbox",
    "webhook": "mailsvc.cli.webhook",
    "send": "mailsvc.cli.send",
    "queue": "mailsvc.cli.queue",
    "submissions": "mailsvc.cli.submissions",
    "events": "mailsvc.cli.events",
    "doctor": "mailsvc.cli.doctor",
    "callbacks": "mailsvc.cli.callbacks",
    "reclassify": "mailsvc.cli.reclassify",
    "grants": "mailsvc.cli.grants",
    "openapi": "mailsvc.cli.openapi",
    "bench": "mailsvc.cli.bench",
}


class _Commands(click.Group):
    """Loads a command's module when it is used, so that ``serve`` starts without the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        command: click.Command = importlib.import_module(module).command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mailsvc")
def _mailsvc() -> None:
    """Send mail for applications: a durable queue, your own provider, an outcome for every recipient.

    \b
    Example: mailsvc serve
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """The command ``mailsvc``: exit code 0 for success, 1 for failure, 2 for wrong usage."""
    try:
        _mailsvc.main(arguments, prog_name="mailsvc", standalone_mode=True)
    except BadSetting as error:
        sys.stderr.write(f"mailsvc: {error}\n")
        sys.exit(2)
