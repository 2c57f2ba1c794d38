"""The e-mail backend."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from mailsvc_sdk._client import Mailsvc
from mailsvc_sdk._errors import MailsvcError
from mailsvc_sdk._models.message import Accepted
from mailsvc_sdk._sending.draft import Handling
from mailsvc_sdk.django._content import json_of, mime_of
from mailsvc_sdk.django._features import handling_of
from mailsvc_sdk.django._options import BackendOptions
from mailsvc_sdk.django._rows import Row, insert_rows, row_of
from mailsvc_sdk.django._status import AnymailStatus, status_of, status_of_row
from mailsvc_sdk.django.signals import CancelSend, post_send, pre_send

__all__ = ["EmailBackend"]

ESP = "mailsvc"
HAS_MAILERS = django.VERSION >= (6, 1)
# What send_raw takes beside its envelope.
_RAW = frozenset(Handling.__annotations__) | {"idempotency_key"}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that is ready to be handed in, as JSON or as MIME."""

    message: EmailMessage
    draft: Mapping[str, Any] | None
    mime: bytes
    handling: Mapping[str, Any]

    @property
    def fits_a_batch(self) -> bool:
        """Whether it may share a request: a key of its own may not."""
        return self.draft is not None and "idempotency_key" not in self.handling

    def row(self) -> Row:
        """Return it as a row. Raises ValueError for what only MIME can say."""
        if self.draft is None:
            raise ValueError(
                f"the message {str(self.message.subject)!r} can only be sent as MIME, which a transaction does not take: "
                "send it by a mailer without transactional"
            )
        return row_of(self.draft, self.handling)


class EmailBackend(BaseEmailBackend):
    """Sends Django's mail through mailsvc. Connections are shared by all backends of the process.

    Args:
        url, api_key, relay, tags, metadata: by default, as ``settings.MAILSVC`` says, else the environment.
        on_uncertain, priority, expires_in: of every message.
        timeout: seconds; by default ``EMAIL_TIMEOUT``.
        transactional: a database (its alias; True for ``default``) in whose open transaction the mails are written, in
            place of HTTP: they are sent if and only if it is committed. It needs the tables of mailsvc there.
        fail_silently: whether errors of mailsvc and of the network are swallowed.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        api_key: str | None = None,
        relay: str | None = None,
        tags: Iterable[str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        on_uncertain: str | None = None,
        priority: str | None = None,
        expires_in: int | None = None,
        timeout: float | None = None,
        transactional: str | bool | None = None,
        fail_silently: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs, **({} if HAS_MAILERS else {"fail_silently": fail_silently}))
        alias: str | None = kwargs.get("alias")  # of MAILERS; None under EMAIL_BACKEND
        if alias is None and timeout is None:
            timeout = getattr(settings, "EMAIL_TIMEOUT", None)
        self.fail_silently = fail_silently
        self.options = BackendOptions(
            url, api_key, relay, tags, metadata, on_uncertain, priority, expires_in, timeout, transactional
        )
        self._is_open = False
        self._require_key(alias)

    def _require_key(self, alias: str | None) -> None:
        if self.options.has_key():
            return
        if alias is not None:
            from django.core.mail import InvalidMailer  # noqa: PLC0415 - of Django 6.1

            raise InvalidMailer("OPTIONS must define 'api_key'", alias=alias)
        raise ImproperlyConfigured("no API key: set MAILSVC = {'API_KEY': …} or MAILSVC_API_KEY")

    def open(self) -> bool:
        """Return whether it was closed before. Connections are made when they are needed."""
        was_closed, self._is_open = not self._is_open, True
        return was_closed

    def close(self) -> None:
        """End nothing that other backends use."""
        self._is_open = False

    def send_messages(self, email_messages: Sequence[EmailMessage] | None) -> int:
        """Hand messages in, in their order. Returns how many were accepted.

        One that is refused keeps none of the others back; its error is raised at the end.

        Raises:
            MailsvcError: unless ``fail_silently``.
            ValueError, TypeError: a message can't be made (a line break in a header); nothing was sent.
        """
        ready = [outgoing for message in email_messages or () if (outgoing := self._prepared(message))]
        if self.options.database is not None:
            return self._insert(self.options.database, ready)
        answers: list[Accepted | MailsvcError | OSError] = []
        for fits_a_batch, group in groupby(ready, key=lambda outgoing: outgoing.fits_a_batch):
            answers += self._hand_in(list(group), fits_a_batch=fits_a_batch)
        errors = [answer for answer in answers if not isinstance(answer, Accepted)]
        if errors and not self.fail_silently:
            raise errors[0]
        return len(answers) - len(errors)

    def _insert(self, database: str, ready: list[Outgoing]) -> int:
        """Write the messages into the open transaction, all or none."""
        rows = [outgoing.row() for outgoing in ready]
        if rows:
            insert_rows(database, rows)
        for outgoing, (id_, *_) in zip(ready, rows, strict=True):
            self._set_status(outgoing.message, status_of_row(id_, outgoing.message.recipients()), is_sent=True)
        return len(rows)

    def _prepared(self, message: EmailMessage) -> Outgoing | None:
        if not message.recipients():
            return None
        try:
            pre_send.send(type(self), message=message, esp_name=ESP)
        except CancelSend:
            return None
        if any(name.lower() == "bcc" for name in message.extra_headers):
            raise ValueError("a Bcc header would be shown: use bcc=")
        mime = mime_of(message)  # Django's own checks, before anything is sent
        handling = handling_of(message, self.options.fields())
        draft = json_of(message)
        if draft is None and handling.keys() - _RAW - {"return_path"}:
            raise ValueError(f"{', '.join(handling.keys() - _RAW)} can't be said of a message that is sent as MIME")
        return Outgoing(message, draft, mime, handling)

    def _hand_in(self, group: list[Outgoing], *, fits_a_batch: bool) -> list[Accepted | MailsvcError | OSError]:
        mail = self.options.client()
        if fits_a_batch and len(group) > 1:
            drafts = [{**(outgoing.draft or {}), **outgoing.handling} for outgoing in group]
            answers: list[Accepted | MailsvcError] = self._batch(mail, drafts)
        else:
            answers = [self._one(mail, outgoing) for outgoing in group]
        for outgoing, answer in zip(group, answers, strict=True):
            self._tell(outgoing.message, answer)
        return [*answers]

    def _batch(self, mail: Mailsvc, drafts: list[dict[str, Any]]) -> list[Accepted | MailsvcError]:
        try:
            return list(mail.send_batch(drafts))
        except MailsvcError as error:
            return [error] * len(drafts)

    def _one(self, mail: Mailsvc, outgoing: Outgoing) -> Accepted | MailsvcError:
        try:
            if outgoing.draft is not None:
                return mail.send(outgoing.draft, **outgoing.handling)
            handling = {name: value for name, value in outgoing.handling.items() if name in _RAW}
            sender = outgoing.handling.get("return_path") or outgoing.message.from_email or settings.DEFAULT_FROM_EMAIL
            return mail.send_raw(outgoing.mime, from_=str(sender), to=outgoing.message.recipients(), **handling)
        except MailsvcError as error:
            return error

    def _tell(self, message: EmailMessage, answer: Accepted | MailsvcError) -> None:
        status = status_of(answer, message.recipients())
        self._set_status(message, status, is_sent=isinstance(answer, Accepted))

    def _set_status(self, message: EmailMessage, status: AnymailStatus, *, is_sent: bool) -> None:
        message.anymail_status = status
        message.mailsvc_id = status.message_id
        if is_sent:
            post_send.send(type(self), message=message, status=status, esp_name=ESP)
