"""Flask-Mail's ``Mail`` and ``Message`` through mailsvc: change the import, and set ``MAILSVC_URL`` and ``MAILSVC_API_KEY``.

``MAIL_DEFAULT_SENDER``, ``MAIL_SUPPRESS_SEND``, ``MAIL_MAX_EMAILS`` and ``MAIL_ASCII_ATTACHMENTS`` mean what they did; those of
an SMTP server are ignored. Flask-Mail need not be installed.
"""

from mailsvc_sdk.flask_mail._addresses import (
    FlaskMailUnicodeDecodeError,
    force_text,
    sanitize_address,
    sanitize_addresses,
)
from mailsvc_sdk.flask_mail._mail import Connection, Mail, email_dispatched
from mailsvc_sdk.flask_mail._message import Attachment, BadHeaderError, Message

__all__ = [
    "Attachment",
    "BadHeaderError",
    "Connection",
    "FlaskMailUnicodeDecodeError",
    "Mail",
    "Message",
    "email_dispatched",
    "force_text",
    "sanitize_address",
    "sanitize_addresses",
]
