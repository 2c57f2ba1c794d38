"""Reads a mail as it arrived, for showing, searching and classifying it. Never raises; time and memory are bounded."""

import re
from collections.abc import Iterator

import msgspec

from mailsvc.mime.arrived.addresses import MAX_ADDRESSES, mailboxes_in
from mailsvc.mime.arrived.bodies import attachments_of, passages_of
from mailsvc.mime.arrived.dates import parse_date
from mailsvc.mime.arrived.entities import Entity, Structure, split_mail
from mailsvc.mime.arrived.filenames import safe_filename
from mailsvc.mime.arrived.header import Field
from mailsvc.mime.arrived.texts import Texts
from mailsvc.mime.arrived.transfer import decoded_blocks
from mailsvc.mime.arrived.words import field_text, unfolded

__all__ = ["ArrivedAttachment", "ArrivedMail", "attachment_content", "read_mail", "read_mail_and_parts"]

_MAX_REFERENCES = 100  # identifiers; the last ones are the nearest, the first one began the conversation
_MAX_AUTHOR = 998  # characters
_IDENTIFIER = re.compile(r"<[!-;=?-~]{1,500}>")
_BARE_IDENTIFIER = re.compile(r"[!-;=?-~]{1,500}")
_BARE_PARENT = re.compile(r"[!-;=?A-~]{1,250}@[!-;=?A-~]{1,250}")


class ArrivedAttachment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A part that is not the body; its content is read by ``attachment_content``."""

    index: int
    filename: str  # safe to save under
    content_type: str  # without parameters, in lower case
    size: int  # octets, decoded
    content_id: str | None  # without angle brackets
    disposition: str | None  # as declared: "attachment", "inline"


class ArrivedMail(msgspec.Struct, frozen=True, kw_only=True):
    """What could be read of a mail. Texts have LF line breaks and no NUL."""

    from_: str | None = None  # the first author: ``Jürgen <j@example.test>``
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    reply_to: tuple[str, ...] = ()
    subject: str | None = None
    date: int | None = None  # microseconds since the epoch
    message_id: str | None = None  # as it stands, with angle brackets where they are there
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()  # decoded, in their order
    text: str | None = None
    html: str | None = None
    is_text_of_html: bool = False  # there is no plain text, ``text`` was made from ``html``
    attachments: tuple[ArrivedAttachment, ...] = ()
    error: str | None = None  # a sentence: what was cut or can't be read
    is_readable: bool = True  # False: nothing could be made of it


def read_mail(raw: bytes) -> ArrivedMail:
    """Return what can be read of a mail, within the limits of ``entities`` and ``texts``."""
    return read_mail_and_parts(raw)[0]


def read_mail_and_parts(raw: bytes) -> tuple[ArrivedMail, Entity | None]:
    """As ``read_mail``, with the mail's parts; None if it can't be read."""
    try:
        structure = split_mail(raw)
        return _read(raw, structure), structure.root
    except Exception as error:  # noqa: BLE001 - a mail that shows a fault of ours must not stop those behind it
        return _unreadable(f"can't be read ({type(error).__name__})"), None


def attachment_content(raw: bytes, index: int) -> bytes | None:
    """Return the decoded content of an attachment of ``read_mail``, None if there is none with this index."""
    try:
        attachments = attachments_of(split_mail(raw).root)
        return b"".join(_content(raw, attachments[index])) if 0 <= index < len(attachments) else None
    except Exception:  # noqa: BLE001 - see read_mail
        return None


def _read(raw: bytes, structure: Structure) -> ArrivedMail:
    if not structure.fields:
        return _unreadable("has no header field (RFC 5322)")
    texts = Texts(raw, passages_of(structure.root))
    header = _Header(structure.fields)
    mail = ArrivedMail(
        from_=header.author(),
        to=header.mailboxes("to"),
        cc=header.mailboxes("cc"),
        reply_to=header.mailboxes("reply-to"),
        subject=header.text("subject"),
        date=parse_date(header.text("date") or ""),
        message_id=header.message_id(),
        in_reply_to=header.parents(),
        references=_first_and_last(header.identifiers("references")),
        headers=tuple((name, field_text(value)) for name, value in structure.fields),
        text=texts.plain(),
        html=texts.html(),
        is_text_of_html=texts.is_of_html,
        attachments=tuple(_attachment(raw, n, part) for n, part in enumerate(attachments_of(structure.root))),
    )
    flaws = [*structure.flaws, *header.flaws, *texts.flaws]
    return msgspec.structs.replace(mail, error=_sentence(flaws)) if flaws else mail


class _Header:
    """The fields by name; the first of each name counts."""

    def __init__(self, fields: list[Field]) -> None:
        self._values: dict[str, bytes] = {}
        for name, value in fields:
            self._values.setdefault(name.lower(), value)
        self.flaws: list[str] = []

    def text(self, key: str) -> str | None:
        value = self._values.get(key)
        return None if value is None else field_text(value)

    def mailboxes(self, key: str) -> tuple[str, ...]:
        if key not in self._values:
            return ()
        found = mailboxes_in(unfolded(self._values.get(key, b"")), most=MAX_ADDRESSES + 1)
        if len(found) > MAX_ADDRESSES:
            self.flaws.append(f"has more than {MAX_ADDRESSES:,} addresses in {key.title()}")
        return tuple(map(str, found[:MAX_ADDRESSES]))

    def author(self) -> str | None:
        """The first address of From; ``MAILER-DAEMON`` and other texts without one as they are."""
        found = self.mailboxes("from")
        return found[0] if found else (self.text("from") or "").strip("<> ")[:_MAX_AUTHOR] or None

    def identifiers(self, key: str) -> tuple[str, ...]:
        value = self._values.get(key)
        return () if value is None else tuple(_IDENTIFIER.findall(unfolded(value)))

    def parents(self) -> tuple[str, ...]:
        """What the mail answers; a few programs leave out the angle brackets."""
        bare = _BARE_PARENT.fullmatch(unfolded(self._values.get("in-reply-to", b"")))
        return (f"<{bare[0]}>",) if bare else self.identifiers("in-reply-to")[:_MAX_REFERENCES]

    def message_id(self) -> str | None:
        value = unfolded(self._values.get("message-id", b""))
        found = _IDENTIFIER.search(value) or _BARE_IDENTIFIER.fullmatch(value)
        return found[0] if found else None


def _first_and_last(identifiers: tuple[str, ...]) -> tuple[str, ...]:
    return identifiers if len(identifiers) <= _MAX_REFERENCES else identifiers[:1] + identifiers[1 - _MAX_REFERENCES :]


def _attachment(raw: bytes, index: int, part: Entity) -> ArrivedAttachment:
    return ArrivedAttachment(
        index=index,
        filename=safe_filename(part.filename, index, part.media_type),
        content_type=part.media_type,
        size=sum(map(len, _content(raw, part))),
        content_id=part.content_id,
        disposition=part.disposition,
    )


def _content(raw: bytes, part: Entity) -> Iterator[bytes]:
    return decoded_blocks(memoryview(raw)[part.start : part.end], part.encoding)


def _unreadable(flaw: str) -> ArrivedMail:
    return ArrivedMail(error=_sentence([flaw]), is_readable=False)


def _sentence(flaws: list[str]) -> str:
    return f"The mail {' and '.join(flaws)}; what is missing here is in its raw form."
