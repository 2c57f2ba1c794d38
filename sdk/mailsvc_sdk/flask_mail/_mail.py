"""Flask-Mail's ``Mail`` and ``Connection``."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import blinker
from flask import Flask, current_app

from mailsvc_sdk._client import Mailsvc
from mailsvc_sdk._shared import shared_client
from mailsvc_sdk.flask_mail._addresses import Recipient, sanitize_address, sanitize_addresses
from mailsvc_sdk.flask_mail._message import BadHeaderError, Message

try:
    from flask_mail import email_dispatched
except ImportError:
    email_dispatched = blinker.Namespace().signal("email-dispatched")

__all__ = ["Connection", "Mail", "email_dispatched"]


class _Sends:
    """What ``Mail`` and its state have in common."""

    def connect(self) -> "Connection":
        """Return a connection, for several messages. Raises RuntimeError where the app has no mail."""
        app = getattr(self, "app", None) or current_app
        if "mail" not in app.extensions:
            raise RuntimeError("The current application was not configured with Flask-Mail")
        return Connection(app.extensions["mail"])

    def send(self, message: Message) -> None:
        """Send a message; under ``MAIL_SUPPRESS_SEND`` (by default, in tests) only the signal."""
        with self.connect() as connection:
            message.send(connection)

    def send_message(self, *args: Any, **kwargs: Any) -> None:
        """Send ``Message(…)``."""
        self.send(Message(*args, **kwargs))

    @contextmanager
    def record_messages(self) -> Iterator[list[Message]]:
        """Record all messages that are sent meanwhile."""
        outbox: list[Message] = []

        def record(app: Flask, message: Message) -> None:  # noqa: ARG001 - the signal's sender
            outbox.append(message)

        with email_dispatched.connected_to(record):
            yield outbox


@dataclass
class State(_Sends):
    """What an app's configuration says."""

    url: str | None
    api_key: str | None
    relay: str | None
    tags: list[str]
    default_sender: Recipient | None
    max_emails: int | None
    suppress: bool
    ascii_attachments: bool

    def client(self) -> Mailsvc:
        """Return the client, which the process's apps share."""
        return shared_client(self.url, self.api_key)


class Mail(_Sends):
    """Sends an app's mail."""

    def __init__(self, app: Flask | None = None) -> None:
        self.app = app
        self.state: State | None = self.init_app(app) if app is not None else None

    def init_app(self, app: Flask) -> State:
        """Read an app's configuration."""
        config = app.config
        tags = config.get("MAILSVC_TAGS") or []
        state = State(
            url=config.get("MAILSVC_URL"),
            api_key=config.get("MAILSVC_API_KEY"),
            relay=config.get("MAILSVC_RELAY"),
            tags=[tags] if isinstance(tags, str) else list(tags),
            default_sender=config.get("MAIL_DEFAULT_SENDER"),
            max_emails=config.get("MAIL_MAX_EMAILS"),
            suppress=config.get("MAIL_SUPPRESS_SEND", app.testing),
            ascii_attachments=config.get("MAIL_ASCII_ATTACHMENTS", False),
        )
        app.extensions["mail"] = state
        return state

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__.get("state"), name, None)


class Connection:
    """Sends several messages. The connections behind it are the process's."""

    def __init__(self, mail: State) -> None:
        self.mail = mail
        self.num_emails = 0

    def __enter__(self) -> Self:
        self.num_emails = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def send(self, message: Message, envelope_from: Recipient | None = None) -> None:
        """Send a message.

        Args:
            envelope_from: the envelope sender; by default, the message's.

        Raises:
            AssertionError: there is no recipient, or no sender.
            BadHeaderError: a header has a line break.
            MailsvcError: the service refused it, or can't be reached.
        """
        assert message.send_to, "No recipients have been added"
        assert message.sender, "The message does not specify a sender and a default sender has not been configured"
        if message.has_bad_headers():
            raise BadHeaderError
        if message.date is None:
            message.date = time.time()
        if not self.mail.suppress:
            self._hand_in(message, sanitize_address(envelope_from or message.sender))
        email_dispatched.send(current_app._get_current_object(), message=message)  # type: ignore[attr-defined]
        self.num_emails += 1
        if self.num_emails == self.mail.max_emails:
            self.num_emails = 0

    def _hand_in(self, message: Message, sender: str) -> None:
        recipients = [*message.recipients, *message.cc, *message.bcc]
        accepted = self.mail.client().send_raw(
            message.mime(),
            from_=sender,
            to=list(dict.fromkeys(sanitize_addresses(recipients))),
            tags=[*self.mail.tags, *message.tags],
            metadata=message.metadata,
            relay=self.mail.relay,
            scheduled_at=message.scheduled_at,
            idempotency_key=message.idempotency_key,
        )
        message.mailsvc_id = accepted.id

    def send_message(self, *args: Any, **kwargs: Any) -> None:
        """Send ``Message(…)``."""
        self.send(Message(*args, **kwargs))
