"""Checks and completes a finished message of an application; its other bytes are not changed (RFC 6409 section 8).

An 8-bit body is converted to 7-bit, for relays without 8BITMIME, unless it is signed. Nothing else is encoded again; a
message that can't be sent unchanged is rejected with the reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mailsvc.domain.address import Mailbox, parse_mailbox
from mailsvc.domain.errors import FieldError, Invalid
from mailsvc.domain.fieldtext import decode_words, printable
from mailsvc.domain.prepared import Limits, Recipient, RecipientKind, recipients_of, require_size
from mailsvc.mime.addresslist import mailboxes_of
from mailsvc.mime.headers import date_time
from mailsvc.mime.rawfields import RawField, checked_content, split_fields
from mailsvc.mime.resent import newest_block
from mailsvc.mime.sevenbit import seven_bit

__all__ = ["RawSubmission", "prepare_raw"]

# Return-Path is added by the last server; a remaining Bcc would be visible to all recipients.
_REMOVED = frozenset({"bcc", "resent-bcc", "return-path"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RawSubmission:
    """The bytes to send (``content``), the envelope, and the values to show."""

    content: bytes
    message_id: str  # with angle brackets
    sender: Mailbox
    recipients: tuple[Recipient, ...]
    subject: str | None
    header_from: str
    to: tuple[str, ...]
    cc: tuple[str, ...]
    reply_to: tuple[str, ...]
    eight_bit: bool  # the body has octets over 127: needs 8BITMIME
    needs_smtputf8: bool  # headers or an address that need RFC 6531


def prepare_raw(
    raw: bytes, *, sender: str | None, recipients: list[str], limits: Limits, now: int, token: str
) -> RawSubmission:
    """Return the submission as it will be sent. A missing Message-ID is made of ``token`` and the sender's domain.

    Raises:
        Invalid: names the errors by field: ``body``, or ``from`` and ``to.N`` of the given envelope.
        TooLarge: over ``limits.max_message_bytes``.
    """
    require_size(len(raw), limits)
    content = seven_bit(checked_content(raw))
    fields, body_at = split_fields(content)
    header = _Header((f.key, f.value) for f in fields)
    origin = header if sender is not None and recipients else _origin(fields, header)
    if not header.has("from"):
        raise _refused("has no From field; add one")
    envelope_from = _sender(sender, origin)
    utf8_headers = any(not f.raw.isascii() for f in fields if f.key not in _REMOVED)
    envelope_to = _recipients(recipients, origin, limits, utf8_headers=utf8_headers)
    message_id = header.message_id() or f"<{token}@{envelope_from.domain}>"
    finished = _finished(content, fields, body_at, _missing(header, message_id, now))
    require_size(len(finished), limits)
    return RawSubmission(
        content=finished,
        message_id=message_id,
        sender=envelope_from,
        recipients=envelope_to,
        subject=header.text("subject"),
        header_from=header.text("from") or "",
        to=header.shown("to"),
        cc=header.shown("cc"),
        reply_to=header.shown("reply-to"),
        eight_bit=not content.isascii() and not content[body_at:].isascii(),
        needs_smtputf8=envelope_from.needs_smtputf8 or any(r.needs_smtputf8 for r in envelope_to),
    )


def _origin(fields: list[RawField], header: "_Header") -> "_Header":
    """Return the fields that contain the envelope."""
    try:
        resent = newest_block(fields)
    except ValueError as error:
        raise _refused(f"{error}; give the envelope by ?from= and ?to=") from error
    return _Header(resent.items(), prefix="Resent-") if resent else header


class _Header:
    """The fields by name; fields that may occur only once do (see ``rawfields``).

    ``prefix`` precedes the names in the message.
    """

    def __init__(self, fields: Iterable[tuple[str, str]], *, prefix: str = "") -> None:
        self._values = dict(fields)
        self.prefix = prefix

    def text(self, key: str) -> str | None:
        """Return the value for display, decoded, without control characters."""
        value = self._values.get(key)
        return None if value is None else printable(decode_words(value))

    def has(self, key: str) -> bool:
        return key in self._values

    def mailboxes(self, key: str) -> tuple[Mailbox, ...]:
        try:
            return tuple(mailboxes_of(self._values.get(key, "")))
        except ValueError as error:
            raise _refused(f"{self.prefix}{key.title()}: {error}") from error

    def shown(self, key: str) -> tuple[str, ...]:
        """Return the addresses for display; an unreadable list is shown as it is, unless the envelope needs it."""
        try:
            return tuple(printable(str(m)) for m in mailboxes_of(self._values.get(key, "")))
        except ValueError:
            return (self.text(key) or "",)

    def message_id(self) -> str | None:
        value = self._values.get("message-id")
        if value is None:
            return None
        if len(value) < 3 or value[0] != "<" or value[-1] != ">" or not value.isascii() or " " in value:
            raise _refused("Message-ID: is not of the form <id@host>; correct it, or leave it out to get one")
        return value


def _sender(given: str | None, header: _Header) -> Mailbox:
    if given is not None:
        return _given("from", given)
    if not header.has("from"):
        raise _refused(
            f"has no {header.prefix}From in its newest block of {header.prefix}fields; add one, or give the envelope by ?from= and ?to="
        )
    authors = header.mailboxes("from")
    # Several authors need a Sender: the one who posted the message (RFC 5322 section 3.6.2).
    chosen = header.mailboxes("sender")[:1] if len(authors) > 1 else ()
    if not (chosen or authors):
        raise _refused(f"{header.prefix}From: names nobody; add an address, or give the envelope's by ?from=")
    return (chosen or authors)[0]


def _recipients(given: list[str], header: _Header, limits: Limits, *, utf8_headers: bool) -> tuple[Recipient, ...]:
    if given:
        _require_count(len(given), limits)
        named = tuple(_given(f"to.{index}", text) for index, text in enumerate(given))
        lists: tuple[tuple[Mailbox, ...], tuple[Mailbox, ...], tuple[Mailbox, ...]] = ((), (), named)
    else:
        lists = (header.mailboxes("to"), header.mailboxes("cc"), header.mailboxes("bcc"))
        _require_count(sum(map(len, lists)), limits)
    found = recipients_of(*lists, utf8_headers=utf8_headers)
    if not found:
        names = ", ".join(f"{header.prefix}{name}" for name in ("To", "Cc", "Bcc"))
        raise Invalid(FieldError("to", f"names nobody; give recipients by ?to=, or in {names} of the message"))
    return _with_kinds(found, header) if given else found


def _with_kinds(recipients: tuple[Recipient, ...], header: _Header) -> tuple[Recipient, ...]:
    """Return the recipients with their kind, by the field that names them; a recipient in no field is a blind copy."""
    to, cc = ({shown.rpartition("<")[2].rstrip(">").lower() for shown in header.shown(key)} for key in ("to", "cc"))
    kinds: list[RecipientKind] = [
        "to" if address in to else "cc" if address in cc else "bcc"
        for address in (r.address.lower() for r in recipients)
    ]
    return tuple(Recipient(r.address, kind, r.needs_smtputf8) for r, kind in zip(recipients, kinds, strict=True))


def _require_count(count: int, limits: Limits) -> None:
    if count > limits.max_recipients:
        detail = f"names {count} recipients, {limits.max_recipients} are allowed (MAILSVC_MAX_RECIPIENTS)"
        raise Invalid(FieldError("to", detail + "; send several messages"))


def _given(field: str, text: str) -> Mailbox:
    try:
        return parse_mailbox(text)
    except ValueError as error:
        raise Invalid(FieldError(field, str(error))) from error


def _missing(header: _Header, message_id: str, now: int) -> bytes:
    lines = []
    if not header.has("date"):
        lines.append(f"Date: {date_time(now)}\r\n")
    if not header.has("message-id"):
        lines.append(f"Message-ID: {message_id}\r\n")
    return "".join(lines).encode()


def _finished(content: bytes, fields: list[RawField], body_at: int, added: bytes) -> bytes:
    if not added and not any(f.key in _REMOVED for f in fields):
        return content
    kept = [f.raw for f in fields if f.key not in _REMOVED]
    return b"".join([added, *kept, memoryview(content)[body_at - 2 :]])


def _refused(detail: str) -> Invalid:
    return Invalid(FieldError("body", detail))
