"""The extension."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, Unpack

from flask import Blueprint, Flask, current_app

from mailsvc.callbacks.callback import Handler, Start
from mailsvc.embedding import Service
from mailsvc.embedding.blueprint import Authorize
from mailsvc.flask.commands import command_group
from mailsvc.flask.config import roles_of, settings_of
from mailsvc.flask.first_request import FirstRequest
from mailsvc.transactional import Outbox, Receipt
from mailsvc.transactional.sending.draft import DraftFields

__all__ = ["Mailsvc"]

H = TypeVar("H", bound=Handler)

EXTENSION = "mailsvc"


class Mailsvc:
    """The service in a Flask application.

    Its settings are those of ``app.config`` (``MAILSVC_RELAY_URL``, …) over those of the environment; ``MAILSVC_ROLES``
    names what it does, ``()`` where ``mailsvc serve`` does the work. Nothing starts at import, in commands or while
    ``app.testing``: the service starts in the process that answers its first request, or that calls ``start``.

    Args:
        app: the application; or call ``init_app``, also for several ones.
        url_prefix: where the API answers, and the links in List-Unsubscribe.
        authorize: says for a request which app it may act for, in place of an API key; None refuses it.
        service: one that exists, instead of one with these settings.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        url_prefix: str = "/mail",
        authorize: Authorize | None = None,
        service: Service | None = None,
    ) -> None:
        self._url_prefix, self._authorize, self._given = url_prefix, authorize, service
        self._register: list[Callable[[Service], object]] = []
        self._services: list[Service] = []
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Add the API, the commands, and the start with the first request.

        Raises:
            SettingsError: a value in ``app.config`` or in the environment can't be used.
        """
        service = self._given or Service(settings_of(app.config), roles=roles_of(app.config))
        self._services.append(service)
        for register in self._register:
            register(service)
        blueprint = service.blueprint(authorize=self._authorize)
        app.register_blueprint(blueprint, url_prefix=self._url_prefix)
        _exempt_from_csrf(app, blueprint)
        app.before_request(lambda: _exempt_from_csrf(app, blueprint))  # of an extension that was initialised later
        app.extensions[EXTENSION] = service
        app.before_request(FirstRequest(service))
        app.cli.add_command(command_group(service))

    @property
    def service(self) -> Service:
        """The service: that of the current application, where there are several."""
        if len(self._services) == 1:
            return self._services[0]
        service: Service = current_app.extensions[EXTENSION]
        return service

    @property
    def outbox(self) -> Outbox:
        """For mails in a transaction of the application's: ``mail.outbox.send(db.session, …)``."""
        return self.service.outbox

    def start(self, timeout: float = 10.0) -> None:
        """Start the service in this process. Does nothing if it runs. Raises as ``Service.start``."""
        self.service.start(timeout)

    def send(
        self,
        message: Mapping[str, Any] | None = None,
        /,
        *,
        app: str | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[DraftFields],
    ) -> Receipt:
        """Have a mail sent, in a transaction of its own. As ``Service.send``."""
        return self.service.send(message, app=app, idempotency_key=idempotency_key, **fields)

    def on(
        self, *types: str, name: str, app: str = "default", start: Start = "now", give_up_after: int | None = None
    ) -> Callable[[H], H]:
        """Register a function that is called with each event, as ``Service.on`` does.

        It is called outside of any request; where it needs the application, it pushes its context.
        """

        def register(handler: H) -> H:
            def at(service: Service) -> object:
                return service.on(*types, handler=handler, name=name, app=app, start=start, give_up_after=give_up_after)

            for service in self._services:
                at(service)
            self._register.append(at)
            return handler

        return register


def _exempt_from_csrf(app: Flask, blueprint: Blueprint) -> None:
    """Clients of the API have no form's token: Flask-WTF is not to ask for it."""
    if (csrf := app.extensions.get("csrf")) is not None:
        csrf.exempt(blueprint)
