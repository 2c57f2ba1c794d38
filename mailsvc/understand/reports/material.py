"""The parts of a mail that reports are read from, decoded when they are asked for."""

import re
from functools import cached_property

from mailsvc.mime.arrived import ArrivedMail, read_mail
from mailsvc.mime.arrived.bodies import Passage, leaves_of
from mailsvc.mime.arrived.entities import Entity, split_mail
from mailsvc.mime.arrived.header import split_header
from mailsvc.mime.arrived.texts import Texts
from mailsvc.mime.arrived.transfer import decoded_blocks
from mailsvc.mime.arrived.words import field_text

__all__ = ["Header", "Material", "header_of"]

_MAX_TEXT = 64 * 1024  # characters of a notice or of report fields; real ones have some thousands
_MAX_RETURNED = 256 * 1024  # octets of the returned message: its header is wanted
_BLANK_LINE = re.compile(rb"\n\r*\n")
_DELIMITER = re.compile(rb"^--([^\s\"][^\r\n\"]{4,69}?)[ \t]*\r*\n(?=content-|\r*\n)", re.MULTILINE | re.IGNORECASE)

Header = dict[str, str]  # names in lower case, values unfolded and decoded; the first field of each name


def header_of(block: bytes) -> Header:
    """Return the fields of a header block."""
    found: Header = {}
    for name, value in split_header(block):
        if name.lower() not in found:
            found[name.lower()] = field_text(value)
    return found


def _mended(raw: bytes, root: Entity) -> bytes | None:
    """Return a mail as a multipart again if its header lost that, or names another boundary; None if it is none."""
    found = _DELIMITER.search(raw, root.start, min(root.end, root.start + _MAX_RETURNED))
    if found is None or root.media_type != "text/plain" or raw.count(b"\n--" + found[1], found.end()) == 0:
        return None
    if b"boundary=" in raw[root.start : found.start()]:  # of a returned message
        return None
    return b'Content-Type: multipart/mixed; boundary="%b"\n' % found[1] + raw.lstrip(b"\r\n")


class Material:
    """A mail as the readers of reports look at it."""

    def __init__(self, raw: bytes, mail: ArrivedMail, root: Entity | None = None) -> None:
        self.root = root or split_mail(raw).root
        if self.root.parts is None and (mended := _mended(raw, self.root)):
            raw, mail = mended, read_mail(mended)
            self.root = split_mail(raw).root
        self.mail = mail
        self._raw = raw
        self.leaves = tuple(leaves_of(self.root))

    @cached_property
    def header(self) -> Header:
        found: Header = {}
        for name, value in self.mail.headers:
            found.setdefault(name.lower(), value)
        return found

    @cached_property
    def text(self) -> str:
        """The text for people, from the HTML where there is only that."""
        return (self.mail.text or "")[:_MAX_TEXT]

    def leaf(self, *media_types: str) -> Entity | None:
        """Return the first part of one of these types."""
        return next((leaf for leaf in self.leaves if leaf.media_type in media_types), None)

    def text_of(self, leaf: Entity, *, most: int = _MAX_TEXT) -> str:
        """Return a part's content as text with LF line breaks, at most so many characters."""
        return (Texts(self._raw, [Passage((leaf,), ())]).plain() or "")[:most]

    def content_of(self, leaf: Entity) -> bytes:
        """Return the beginning of a part's decoded content."""
        content = b""
        for block in decoded_blocks(memoryview(self._raw)[leaf.start : leaf.end][: 2 * _MAX_RETURNED], leaf.encoding):
            content += block
        return content[:_MAX_RETURNED]

    @cached_property
    def returned(self) -> Header:
        """The header of the returned message, empty if no part holds one."""
        return next((header for leaf in self.leaves if (header := self._returned_in(leaf))), {})

    @property
    def returned_mail(self) -> bytes:
        """The beginning of the returned message, empty if no part holds it whole."""
        leaf = self.leaf("message/rfc822", "message/global")
        return self.content_of(leaf) if leaf else b""

    def _returned_in(self, leaf: Entity) -> Header:
        if leaf.media_type not in _RETURNED:
            return {}
        content = self.content_of(leaf).lstrip(b"\r\n \t")
        blank = _BLANK_LINE.search(content)
        return header_of(content[: blank.start() + 1] if blank else content)


_RETURNED = frozenset(
    [
        "message/rfc822",
        "message/global",
        "message/partial",
        "message/news",
        "message/rfc822-headers",
        "message/global-headers",
        "text/rfc822-headers",
        "text/rfc822-header",
        "text/rfc822",
        "text/global-headers",
        "message/original",
        "application/rfc822",
    ]
)
