"""Attachments as people have them, turned into what the API takes."""

import mimetypes
import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Self, TypeAlias, cast

from .choices import Disposition

__all__ = ["Attachable", "Attachment", "attachment"]

Content: TypeAlias = bytes | str | os.PathLike[str] | BinaryIO


@dataclass(frozen=True)
class Attachment:
    """A file to send along.

    Args:
        content: bytes, text (sent as UTF-8), a path or a binary file object.
        filename: by default, the name of the path or file object.
        content_type: by default, guessed from the name.
        content_id: by which HTML refers to it (``cid:logo``), without angle brackets.
    """

    content: Content = field(repr=False)
    filename: str | None = None
    content_type: str | None = None
    content_id: str | None = field(default=None, kw_only=True)
    disposition: Disposition | None = field(default=None, kw_only=True)

    @classmethod
    def inline(
        cls, content: Content, cid: str, *, filename: str | None = None, content_type: str | None = None
    ) -> Self:
        """Return an image that is shown in the HTML where it says ``cid:<cid>``."""
        return cls(content, filename, content_type, content_id=cid, disposition="inline")


Attachable: TypeAlias = (
    Attachment
    | os.PathLike[str]
    | BinaryIO
    | tuple[str, bytes | str]
    | tuple[str, bytes | str, str]
    | Mapping[str, Any]
)


def attachment(value: Attachable) -> Mapping[str, Any]:
    """Return the API's JSON of an attachment. Raises TypeError for what has no name, OSError for an unreadable file."""
    if isinstance(value, Mapping):
        return value
    made = _attachment(value)
    data, name = _read(made.content), made.filename or _name(made.content)
    members = {
        "filename": name,
        "content": b64encode(data).decode(),
        "content_type": made.content_type or _guessed(made.content, name),
        "content_id": made.content_id,
        "disposition": made.disposition,
    }
    return {key: member for key, member in members.items() if member is not None}


def _attachment(value: Attachable) -> Attachment:
    if isinstance(value, Attachment):
        return value
    if isinstance(value, tuple):
        name, content, *kind = cast("tuple[Any, ...]", value)
        return Attachment(content, name, *kind)
    if isinstance(value, bytes | bytearray | str):
        raise TypeError(f"an attachment of {type(value).__name__} has no name: write (filename, content), or Path(…)")
    if isinstance(value, os.PathLike) or hasattr(value, "read"):
        return Attachment(cast("Content", value))
    raise TypeError(f"an attachment is a Path, a binary file, (filename, content) or Attachment, not {type(value)}")


def _read(content: Content) -> bytes:
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, os.PathLike):
        return Path(content).read_bytes()
    data = content if isinstance(content, bytes | bytearray) else content.read()
    if not isinstance(data, bytes | bytearray):
        raise TypeError("an attachment's file must be opened in binary mode")
    return bytes(data)


def _name(content: Content) -> str:
    name = content if isinstance(content, os.PathLike) else getattr(content, "name", None)
    if not isinstance(name, str | os.PathLike):
        raise TypeError("the attachment has no name: give its filename")
    return Path(name).name


def _guessed(content: Content, name: str) -> str:
    if isinstance(content, str):
        return "text/plain; charset=utf-8"
    kind, encoding = mimetypes.guess_type(name)
    return kind if kind and not encoding else "application/octet-stream"
