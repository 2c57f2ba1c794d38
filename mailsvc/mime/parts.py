"""Builds the tree of MIME entities for a message's texts and files (RFC 2046), and its bytes."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from mailsvc.domain.prepared import Attachment, Prepared
from mailsvc.mime.bodies import as_message, base64_lines, encode_text
from mailsvc.mime.contentids import content_ids_in
from mailsvc.mime.headers import filename_parameter, raw_value
from mailsvc.mime.wire import require_fields

__all__ = ["Field", "Part", "body_of", "field_block"]

_TYPE, _ENCODING = "Content-Type", "Content-Transfer-Encoding"
_SEED = re.compile(r"[A-Za-z0-9_]{1,50}")

Field = tuple[str, str]


class Part(NamedTuple):
    """One entity: its ``Content-`` fields and its body, which can be read once."""

    fields: list[Field]
    chunks: Iterable[bytes]


def field_block(fields: list[Field]) -> bytes:
    """Return the lines of a header block without the final empty line."""
    return "".join([f"{name}: {value}\r\n" for name, value in fields]).encode()


def body_of(prepared: Prepared, seed: str) -> Part:
    """Return mixed(alternative(text, related(html, its pictures), others), files), without unnecessary layers.

    Raises:
        ValueError: the seed can't be part of a boundary.
    """
    text, html = _texts(prepared)
    if not prepared.attachments and (text is None or html is None):
        return _alone(text or html or _text("plain", ""))
    boundary = _boundary(seed, prepared)
    pictures, others, files = _sorted(prepared)
    if html and pictures:
        html = _multipart("related", boundary + "r", [html, *[_file(a, "inline") for a in pictures]])
    choices = [part for part in (text, html) if part] + [_file(a, None) for a in others]
    body = _multipart("alternative", boundary + "a", choices) if len(choices) > 1 else next(iter(choices), None)
    if body and not files:
        return body
    parts = [_file(a, a.disposition or "attachment") for a in files]
    return _multipart("mixed", boundary + "m", [body, *parts] if body else parts)


def _sorted(prepared: Prepared) -> tuple[list[Attachment], list[Attachment], list[Attachment]]:
    """Return the pictures in the HTML, the alternatives to the text (such as an invitation), and the files."""
    named = any(a.content_id is not None for a in prepared.attachments)
    shown = content_ids_in(prepared.html) if named and prepared.html is not None else frozenset()
    pictures, others, files = [], [], []
    for attachment in prepared.attachments:
        if attachment.disposition == "alternative":
            others.append(attachment)
        elif attachment.disposition != "attachment" and attachment.content_id in shown:
            pictures.append(attachment)
        else:
            files.append(attachment)
    return pictures, others, files


def _texts(prepared: Prepared) -> tuple[Part | None, Part | None]:
    return (
        None if prepared.text is None else _text("plain", prepared.text),
        None if prepared.html is None else _text("html", prepared.html),
    )


def _text(subtype: str, text: str) -> Part:
    encoding, data = encode_text(text)
    return Part([(_TYPE, f"text/{subtype}; charset=utf-8"), (_ENCODING, encoding)], (data,))


def _alone(part: Part) -> Part:
    """End the last line of a body that is the whole message, as SMTP requires (RFC 5321 section 4.1.1.4)."""
    data = b"".join(part.chunks)
    return Part(part.fields, (data,) if data.endswith(b"\r\n") else (data, b"\r\n"))


def _file(attachment: Attachment, disposition: str | None) -> Part:
    content_type, encoding = attachment.content_type, "base64"
    chunks: Iterable[bytes] = base64_lines(attachment.content)
    if content_type.lower().startswith("message/"):
        whole = as_message(attachment.content)
        if whole is None:
            content_type = "application/octet-stream"
        else:
            encoding, chunks = "7bit", (whole,)
    fields = [(_TYPE, raw_value(_TYPE, content_type)), (_ENCODING, encoding)]
    if disposition is not None:
        fields.append(("Content-Disposition", disposition + filename_parameter(attachment.filename)))
    if attachment.content_id is not None:
        fields.append(("Content-ID", f"<{attachment.content_id}>"))
    # compose checks the message's own header at its end; here, too, some values come from the application.
    require_fields(field_block(fields)[:-2], [name for name, _ in fields])
    return Part(fields, chunks)


def _multipart(subtype: str, boundary: str, parts: list[Part]) -> Part:
    kind = '; type="text/html"' if subtype == "related" else ""
    content_type = f'multipart/{subtype}{kind};\r\n boundary="{boundary}"'
    return Part([(_TYPE, content_type)], _enclosed(boundary.encode("ascii"), parts))


def _enclosed(boundary: bytes, parts: list[Part]) -> Iterator[bytes]:
    for part in parts:
        yield b"--" + boundary + b"\r\n" + field_block(part.fields) + b"\r\n"
        yield from part.chunks
        yield b"\r\n"
    yield b"--" + boundary + b"--\r\n"


def _boundary(seed: str, prepared: Prepared) -> str:
    """The prefix of each boundary: ``=_`` can't occur in an encoded body, and unencoded bodies are searched for it."""
    if not _SEED.fullmatch(seed):
        raise ValueError("a boundary seed has 1 to 50 letters, digits and underscores")
    boundary = f"=_{seed}_"
    while _occurs(boundary, prepared):
        boundary += "x_"
    return boundary


def _occurs(boundary: str, prepared: Prepared) -> bool:
    if boundary in (prepared.text or "") or boundary in (prepared.html or ""):
        return True
    if not prepared.attachments:
        return False
    messages = (a.content for a in prepared.attachments if a.content_type.lower().startswith("message/"))
    return any(boundary.encode("ascii") in content for content in messages)
