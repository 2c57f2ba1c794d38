"""Checks an attachment's media type: its parameters must not hide anything (RFC 2045, RFC 2231)."""

import re
from collections import defaultdict
from urllib.parse import unquote_to_bytes

from mailsvc.domain.fieldtext import field_flaw

__all__ = ["media_type_flaw"]

_WORD = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"
_QUOTED = r'"(?:[ !#-\[\]-~]|\\[ -~])*"'
_PARAMETER = rf"[ \t]*;[ \t]*({_WORD})=({_WORD}|{_QUOTED})"
_MEDIA_TYPE = re.compile(rf"{_WORD}/{_WORD}(?:{_PARAMETER})*")
_PARAMETERS = re.compile(_PARAMETER)
_NAME = re.compile(r"([^*]+)(?:\*([0-9]+))?(\*?)")
_ESCAPED = re.compile(r"\\(.)")


def media_type_flaw(text: str) -> str | None:
    """Why this can't be a part's content type, as the second half of a sentence, or None."""
    if "=?" in text:
        return "must not contain an encoded word; write parameters plainly, or by RFC 2231"
    if len(text) > 255 or not _MEDIA_TYPE.fullmatch(text):
        return "is not a media type; write it as type/subtype, such as application/pdf"
    if text.lower().startswith("multipart/"):
        return "must not be multipart/*; attach its parts, or the whole as application/octet-stream"
    return next((flaw for name, value in _values(text) if (flaw := _value_flaw(name, value))), None)


def _values(text: str) -> list[tuple[str, str]]:
    """Return the parameters as the most lenient readers see them: joined, and decoded in every possible way."""
    pieces: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    encoded: set[str] = set()
    for whole, value in _PARAMETERS.findall(text):
        match = _NAME.fullmatch(whole)
        name, number, star = match.groups() if match else (whole, None, "*")
        pieces[name.lower()].append((int(number or 0), _ESCAPED.sub(r"\1", value[1:-1]) if value[0] == '"' else value))
        if star:
            encoded.add(name.lower())
    joined = {name: "".join([value for _, value in sorted(found)]) for name, found in pieces.items()}
    return [(name, reading) for name, value in joined.items() for reading in _readings(value, encoded=name in encoded)]


def _readings(value: str, *, encoded: bool) -> set[str]:
    if not encoded:
        return {value}
    charset, quote, rest = value.partition("'")
    data = unquote_to_bytes(rest.partition("'")[2] if quote else value)
    return {_decoded(data, charset), data.decode("latin-1")}


def _decoded(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset or "utf-8", "replace")
    except (LookupError, ValueError):
        return data.decode("utf-8", "replace")


def _value_flaw(name: str, value: str) -> str | None:
    if "=?" in value:
        return f"has an encoded word in its parameter {name}; write that plainly, or by RFC 2231"
    flaw = field_flaw(value)
    return f"has a parameter {name} that {flaw}" if flaw else None
