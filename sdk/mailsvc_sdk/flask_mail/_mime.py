"""Makes Flask-Mail's messages into MIME, as Flask-Mail does."""

import re
import unicodedata
from email import policy
from email.encoders import encode_base64
from email.message import Message as MIMEMessage
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from mailsvc_sdk.flask_mail._addresses import force_text, sanitize_address, sanitize_addresses, sanitize_subject

if TYPE_CHECKING:
    from mailsvc_sdk.flask_mail._message import Attachment, Message

__all__ = ["mime_of"]


def mime_of(message: "Message", *, ascii_names: bool) -> "MIMEMessage[Any, Any]":
    """Return a message of the standard library.

    Args:
        ascii_names: whether names of files are made ASCII.
    """
    encoding = message.charset or "utf-8"
    mail = _content(message, encoding)
    _set_headers(mail, message, encoding)
    for attachment in message.attachments:
        mail.attach(_attached(attachment, ascii_names=ascii_names))
    mail.policy = policy.SMTP
    return mail


def _content(message: "Message", encoding: str) -> "MIMEMessage[Any, Any]":
    text = MIMEText(message.body or "", "plain", encoding)
    if not message.attachments and not message.alts:
        return text
    mail = MIMEMultipart()
    if not message.alts:
        mail.attach(text)
        return mail
    alternative = MIMEMultipart("alternative")
    alternative.attach(text)
    for kind, content in message.alts.items():
        alternative.attach(MIMEText(content, kind, encoding))
    mail.attach(alternative)
    return mail


def _set_headers(mail: "MIMEMessage[Any, Any]", message: "Message", encoding: str) -> None:
    if message.subject:
        mail["Subject"] = sanitize_subject(force_text(message.subject), encoding)
    mail["From"] = sanitize_address(message.sender or "", encoding)
    # Flask-Mail's order of recipients is chance; the same message must be the same request here.
    mail["To"] = ", ".join(dict.fromkeys(sanitize_addresses(message.recipients, encoding)))
    mail["Date"] = formatdate(message.date, localtime=True)
    mail["Message-ID"] = message.msgId
    if message.cc:
        mail["Cc"] = ", ".join(dict.fromkeys(sanitize_addresses(message.cc, encoding)))
    if message.reply_to:
        mail["Reply-To"] = sanitize_address(message.reply_to, encoding)
    for name, value in (message.extra_headers or {}).items():
        mail[name] = value


def _attached(attachment: "Attachment", *, ascii_names: bool) -> MIMEBase:
    part = MIMEBase(*attachment.content_type.split("/", 1))
    part.set_payload(attachment.data)
    encode_base64(part)
    if attachment.filename is not None:
        name = _ascii(attachment.filename) if ascii_names else attachment.filename
        shown = name if name.isascii() else ("UTF8", "", name)
        part.add_header("Content-Disposition", attachment.disposition, filename=shown)
    for header, value in attachment.headers.items():
        part.add_header(header, value)
    return part


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"\s+", " ", plain).strip()
