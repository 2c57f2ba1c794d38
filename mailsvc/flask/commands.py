"""``flask mail``: the commands of ``mailsvc``, with the application's settings."""

import importlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from mailsvc.embedding import Service
from mailsvc.embedding.api_thread import ApiThread
from mailsvc.flask.config import environ_of
from mailsvc.service.bootstrap import bootstrap
from mailsvc.service.listener import listen
from mailsvc.settings import PREFIX
from mailsvc.telemetry import Meter

__all__ = ["command_group"]

_URL = f"{PREFIX}URL"
_COMMANDS = ("send", "queue", "events", "doctor", "key", "relay", "mailbox", "webhook", "submissions", "callbacks")


def command_group(service: Service) -> click.Group:
    """Return the group ``mail``. The API that most commands talk to answers in the command's own process meanwhile."""

    class Commands(AppGroup):
        def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
            return list(_COMMANDS)

        def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
            if cmd_name not in _COMMANDS:
                return None
            found: click.Command = importlib.import_module(f"mailsvc.cli.{cmd_name}").command
            return found

    @click.group("mail", cls=Commands, epilog="Example: flask mail send --to alice@example.test --text Hello")
    @click.pass_context
    @with_appcontext
    def mail(context: click.Context) -> None:
        """Send mail, and look at what becomes of it, with the settings of this application."""
        context.with_resource(_environment(service))

    return mail


@contextmanager
def _environment(service: Service) -> Iterator[None]:
    """Show the commands the application's settings, and an API that uses them."""
    given = {name: value for name, value in environ_of(current_app.config).items() if name.startswith(PREFIX)}
    with ExitStack() as held:
        if _URL not in given:
            given[_URL] = held.enter_context(_api(service))
        before = {name: os.environ.get(name) for name in given}
        os.environ.update(given)
        try:
            yield
        finally:
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.__setitem__(name, value)


@contextmanager
def _api(service: Service) -> Iterator[str]:
    """Answer requests on a free port. Yields the URL."""
    bootstrap(service.settings)
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    api = ApiThread(service.settings, Meter(), listener=listener)
    try:
        yield url
    finally:
        api.ask_to_stop(1)
        api.join(2)
