"""Flask-Mailman's mail through mailsvc, by one setting: ``MAIL_BACKEND = "mailsvc_sdk.flask_mailman"``.

``MAILSVC_URL``, ``MAILSVC_API_KEY``, ``MAILSVC_RELAY`` and ``MAILSVC_TAGS`` are read from ``app.config``, then the environment.
Leave ``MAIL_BACKEND`` unset in tests: Flask-Mailman then records.
"""

from collections.abc import Sequence
from typing import Any

from flask import current_app
from flask_mailman.backends.base import BaseEmailBackend

from mailsvc_sdk._errors import MailsvcError
from mailsvc_sdk._shared import shared_client

__all__ = ["EmailBackend"]


class EmailBackend(BaseEmailBackend):  # type: ignore[misc] # has no types
    """Hands messages in."""

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        """Hand messages in, in their order. Returns how many were accepted.

        Raises:
            MailsvcError: the first error, after all were tried, unless ``fail_silently``.
            BadHeaderError: a header has a line break; nothing was sent.
        """
        messages = [message for message in email_messages or () if message.recipients()]
        mails = [message.message() for message in messages]
        errors = [self._error_of(message, mail) for message, mail in zip(messages, mails, strict=True)]
        failed = [error for error in errors if error is not None]
        if failed and not self.fail_silently:
            raise failed[0]
        return len(messages) - len(failed)

    def _error_of(self, message: Any, mail: Any) -> MailsvcError | OSError | None:
        config = current_app.config
        tags = config.get("MAILSVC_TAGS") or []
        try:
            accepted = shared_client(config.get("MAILSVC_URL"), config.get("MAILSVC_API_KEY")).send_raw(
                mail,
                from_=message.from_email,
                to=message.recipients(),
                relay=config.get("MAILSVC_RELAY"),
                tags=[*([tags] if isinstance(tags, str) else tags), *getattr(message, "tags", ())],
                metadata=getattr(message, "metadata", None),
                scheduled_at=getattr(message, "scheduled_at", None),
                idempotency_key=getattr(message, "idempotency_key", None),
            )
        except (MailsvcError, OSError) as error:
            return error
        message.mailsvc_id = accepted.id
        return None
