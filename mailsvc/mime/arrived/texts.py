"""Decodes the text and the HTML of a mail, with a limit."""

import re
from collections.abc import Iterable
from html import escape

from mailsvc.domain.fieldtext import printable
from mailsvc.mime.arrived.bodies import Passage
from mailsvc.mime.arrived.charsets import MAX_NAME, decode, is_known
from mailsvc.mime.arrived.entities import Entity
from mailsvc.mime.arrived.flowed import unwrap_flowed
from mailsvc.mime.arrived.htmltext import declared_charset, html_to_text
from mailsvc.mime.arrived.transfer import decoded_blocks

__all__ = ["MAX_TEXT", "Texts"]

MAX_TEXT = 1 << 20  # octets of UTF-8: of the text, and of the HTML
_SHIFTED = re.compile(rb"\+[A-Za-z0-9/]{2,}-")  # base64 in UTF-7


class Texts:
    """The decoded body of one mail; ``flaws`` says what was cut or could not be decoded."""

    def __init__(self, raw: bytes, passages: list[Passage]) -> None:
        self._raw = memoryview(raw)
        self._passages = passages
        self.flaws: list[str] = []
        self._made_of_html = 0  # passages
        self.is_of_html = False  # whether ``plain`` had nothing but HTML

    def plain(self) -> str | None:
        """Return the text with LF line breaks, from the HTML where there is only that; None without either."""
        if not self._passages:
            return None
        text = self._joined(map(self._plain_passage, self._passages), "text")
        self.is_of_html = self._made_of_html == len(self._passages)
        return text

    def html(self) -> str | None:
        """Return the HTML, with the plain parts between in ``<pre>``; None without any HTML."""
        has_html = any(passage.html for passage in self._passages)
        return self._joined(map(self._html_passage, self._passages), "HTML") if has_html else None

    def _plain_passage(self, passage: Passage) -> str:
        text = self._joined(map(self._decoded, passage.plain), "text")
        # Some programs send an empty text beside the HTML.
        if text.strip() or not passage.html:
            return text
        self._made_of_html += 1
        return self._joined(map(self._html_text, passage.html), "text")

    def _html_passage(self, passage: Passage) -> str:
        if passage.html:
            return self._joined(map(self._decoded, passage.html), "HTML")
        return f"<pre>{escape(self._joined(map(self._decoded, passage.plain), 'text'), quote=False)}</pre>"

    def _html_text(self, part: Entity) -> str:
        return html_to_text(self._decoded(part))

    def _joined(self, texts: Iterable[str], kind: str) -> str:
        """Join what fits, each on lines of its own; nothing is decoded that would be over the limit."""
        pieces: list[str] = []
        room = MAX_TEXT
        for text in texts:
            size = len(text) if text.isascii() else len(text.encode())
            if size > room:
                self._note_flaw(f"has over {MAX_TEXT >> 20} MiB of {kind}")
                pieces.append(text.encode()[:room].decode("utf-8", "ignore"))
                break
            pieces.append(text)
            room -= size + 1
        return "\n".join([*[piece.removesuffix("\n") for piece in pieces[:-1]], *pieces[-1:]])

    def _decoded(self, part: Entity) -> str:
        data = self._content(part)
        charset = part.charset
        if part.media_type == "text/html" and not is_known(charset):
            charset = declared_charset(data) or charset
        # What is plain ASCII is lost in few charsets, and then it looks like UTF-7.
        if charset and not is_known(charset) and (not data.isascii() or _SHIFTED.search(data)):
            self._note_flaw(f"has text in an unknown charset ({printable(charset[:MAX_NAME])})")
        text = _with_lf(decode(data, charset, is_cut=len(data) == MAX_TEXT)).replace("\0", "\ufffd")
        if part.media_type == "text/plain" and part.parameters.get("format", "").lower() == "flowed":
            return unwrap_flowed(text, del_sp=part.parameters.get("delsp", "").lower() == "yes")
        return text

    def _content(self, part: Entity) -> bytes:
        content = bytearray()
        for block in decoded_blocks(self._raw[part.start : part.end], part.encoding):
            content += block
            if len(content) > MAX_TEXT:
                self._note_flaw(
                    f"has over {MAX_TEXT >> 20} MiB of {'HTML' if part.media_type == 'text/html' else 'text'}"
                )
                break
        return bytes(content[:MAX_TEXT])

    def _note_flaw(self, flaw: str) -> None:
        if flaw not in self.flaws:
            self.flaws.append(flaw)


def _with_lf(text: str) -> str:
    if "\r" not in text:
        return text
    # Twice converted line breaks are common.
    return text.replace("\r\r\n", "\n").replace("\r\n", "\n").replace("\r", "\n")
