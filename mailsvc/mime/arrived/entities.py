"""Splits a mail into its MIME entities (RFC 2046) in one pass, with limits, whatever the bytes are.

The standard library's parser compares each line with the boundaries of all open multiparts and recurses; on hostile mail
it takes quadratic time or exceeds the stack. Here each line that begins with ``--`` is looked up once.
"""

import re
from dataclasses import dataclass, field

from mailsvc.mime.arrived.header import Field, header_end, split_header
from mailsvc.mime.arrived.parameters import parse_parameters, parse_token

__all__ = ["MAX_DEPTH", "MAX_HEADER", "MAX_PARTS", "Entity", "Structure", "split_mail"]

MAX_DEPTH = 50  # multiparts inside one another
MAX_PARTS = 1000  # entities besides the mail itself
MAX_HEADER = 256 * 1024  # octets of the mail's header

_MAX_PART_HEADER = 16 * 1024  # octets
_MAX_PART_HEADERS = 1 << 20  # octets of all of them: 1,000 ordinary ones have a third
_MAX_CANDIDATES = 500_000  # lines that begin as a delimiter does; ordinary mails have some hundreds
_MAX_BOUNDARY = 200  # characters; RFC 2046 allows 70
_PADDING = b" \t\r"  # which relays may add to a delimiter (RFC 2046 section 5.1.1)
_DELIMITER = re.compile(rb"\n--([^\n]{1,250})(?=\n|\Z)")
_PART_HEADER_STOP = re.compile(rb"^(?:\r*\n|--([^\n]{1,250})\n)", re.MULTILINE)
_FIELD_START = re.compile(rb"[!-9;-~]+[ \t]*:")
_IDENTIFIER = re.compile(rb"<?([^<>\s]{1,250})>?")


@dataclass(slots=True, eq=False)
class Entity:
    """The mail itself or one of its parts; its body is ``raw[start:end]``."""

    start: int
    end: int
    media_type: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    encoding: str = ""  # Content-Transfer-Encoding in lower case
    disposition: str | None = None
    filename: str = ""  # as given
    content_id: str | None = None  # without angle brackets
    parts: list["Entity"] | None = None  # of a multipart that was opened

    @property
    def charset(self) -> str:
        """The declared charset, empty if there is none."""
        return self.parameters.get("charset", "").strip()


@dataclass(slots=True)
class Structure:
    """The header fields of a mail, its tree of entities, and which limits were exceeded."""

    fields: list[Field]
    root: Entity
    flaws: list[str]  # each the second half of a sentence about the mail


def split_mail(raw: bytes) -> Structure:
    """Return the structure of a mail. Offsets count in ``raw``."""
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")  # as old Macintosh programs end lines; the offsets stay the same
    flaws = []
    lines_end, start = header_end(raw)
    head = raw[:lines_end]
    if len(head) > MAX_HEADER:
        flaws.append(f"has a header over {MAX_HEADER // 1024} KiB")
        head = raw[: raw.rfind(b"\n", 0, MAX_HEADER) + 1]
    fields = split_header(head)
    root = _entity(fields, start, len(raw), "text/plain")
    if root.media_type.startswith("multipart/"):
        _Splitter(raw, root, flaws).split()
    return Structure(fields, root, flaws)


def _entity(fields: list[Field], start: int, end: int, default_type: str) -> Entity:
    mime: dict[str, bytes] = {}
    for name, value in fields:
        if name[:8].lower() == "content-":
            mime.setdefault(name[8:].lower(), value)
    declared = mime.get("type", b"")
    media_type = parse_token(declared)
    parameters = parse_parameters(declared)
    disposition = mime.get("disposition", b"")
    identifier = _IDENTIFIER.fullmatch(mime["id"].strip()) if "id" in mime else None
    return Entity(
        start=start,
        end=end,
        # What can't be read is plain text (RFC 2045 section 5.2); "text" alone is from RFC 1049.
        media_type=media_type if "/" in media_type else default_type,
        parameters=parameters,
        encoding=parse_token(mime.get("transfer-encoding", b"")),
        disposition=parse_token(disposition) or None,
        filename=parse_parameters(disposition).get("filename") or parameters.get("name", ""),
        content_id=identifier[1].decode("latin-1") if identifier else None,
    )


class _Splitter:
    """Opens and closes multiparts while it meets their delimiters."""

    def __init__(self, raw: bytes, root: Entity, flaws: list[str]) -> None:
        self._raw = raw
        self._flaws = flaws
        self._open: list[Entity] = []
        self._boundaries: list[bytes] = []  # of the open multiparts
        self._lines: dict[bytes, tuple[int, bool]] = {}  # their delimiters: depth, and whether it is the last one
        self._leaf: Entity | None = None
        self._count = 0
        self._header_room = _MAX_PART_HEADERS
        self._candidates = 0
        self._start = root.start
        self._begin(root)

    def split(self) -> None:
        # The line break that ends the header is also the first one that can precede a delimiter.
        at, end = self._start - 1, len(self._raw)
        while self._open and (found := self._next_delimiter(at)):
            depth, is_last, line = found
            at = line.end()
            self._close(depth if is_last else depth + 1, line.start())
            if is_last:
                continue
            if self._count == MAX_PARTS:
                self._note_flaw(f"has more than {MAX_PARTS:,} parts")
                end = line.start()
                break
            at = self._next_part(at + 1) - 1
        self._close(0, end)

    def _next_delimiter(self, at: int) -> tuple[int, bool, re.Match[bytes]] | None:
        """Return the depth of the multipart that the next delimiter belongs to, whether it is the last one, and its line."""
        known = self._lines
        for line in _DELIMITER.finditer(self._raw, at):
            self._candidates += 1
            if self._candidates > _MAX_CANDIDATES:
                self._note_flaw("has too many lines that look like boundaries")
                return None
            if (found := known.get(line[1].rstrip(_PADDING))) is not None:
                return (*found, line)
        return None

    def _next_part(self, at: int) -> int:
        """Begin the part after the delimiter that ends at ``at``; return where its body begins."""
        header, start = self._part_header(at)
        parent = self._open[-1]
        default_type = "message/rfc822" if parent.media_type == "multipart/digest" else "text/plain"
        entity = _entity(split_header(header), start, start, default_type)
        assert parent.parts is not None
        parent.parts.append(entity)
        self._count += 1
        self._begin(entity)
        return start

    def _part_header(self, at: int) -> tuple[bytes, int]:
        """Return the part's header, and where its body begins."""
        window = self._raw[at : at + min(_MAX_PART_HEADER, self._header_room)]
        header, size = self._header_in(window)
        self._header_room -= size
        if size == len(window) and at + size < len(self._raw):
            self._note_flaw("has part headers that are too long")
        # Without the empty line, the body begins at once.
        return (header, at + size) if not header or _FIELD_START.match(header) else (b"", at)

    def _header_in(self, window: bytes) -> tuple[bytes, int]:
        """Return the header at the beginning of the window, and its size with the empty line."""
        for stop in _PART_HEADER_STOP.finditer(window):
            if stop[1] is None:
                return window[: stop.start()], stop.end()
            if stop[1].rstrip(_PADDING) in self._lines:
                return window[: stop.start()], stop.start()
        return window, len(window)

    def _begin(self, entity: Entity) -> None:
        boundary = entity.parameters.get("boundary", "").rstrip()[:_MAX_BOUNDARY].encode("utf-8", "replace")
        if not entity.media_type.startswith("multipart/"):
            self._leaf = entity
        elif not boundary:
            entity.media_type = "text/plain"
            self._leaf = entity
        elif len(self._open) == MAX_DEPTH:
            self._note_flaw(f"has multiparts nested deeper than {MAX_DEPTH}")
            self._leaf = entity
        else:
            entity.parts = []
            self._open.append(entity)
            self._boundaries.append(boundary)
            self._index()

    def _close(self, depth: int, end: int) -> None:
        """End the current part, and the multiparts from this depth on, before the line break of a delimiter."""
        if end < len(self._raw) and self._raw[end - 1 : end] == b"\r":
            end -= 1
        if self._leaf is not None:
            self._leaf.end = max(self._leaf.start, end)
            self._leaf = None
        while len(self._open) > depth:
            multipart = self._open.pop()
            self._boundaries.pop()
            multipart.end = max(multipart.start, end)
            if not multipart.parts:
                multipart.parts, multipart.media_type = None, "text/plain"
        self._index()

    def _index(self) -> None:
        """An inner multipart comes before an outer one that has the same boundary."""
        self._lines = {boundary + b"--": (depth, True) for depth, boundary in enumerate(self._boundaries)}
        self._lines |= {boundary: (depth, False) for depth, boundary in enumerate(self._boundaries)}

    def _note_flaw(self, flaw: str) -> None:
        if flaw not in self._flaws:
            self._flaws.append(flaw)
