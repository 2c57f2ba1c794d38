"""Parses structured MIME fields: a value with parameters, continued and encoded as in RFC 2231. Never raises."""

import re
from collections import defaultdict
from urllib.parse import unquote_to_bytes

from mailsvc.mime.arrived.charsets import decode, decode_unlabelled
from mailsvc.mime.arrived.words import decode_words

__all__ = ["parse_parameters", "parse_token"]

_MAX_VALUE = 16 * 1024  # octets
_TOKEN = re.compile(r"[\s\"]*([A-Za-z0-9!#$%&'*+.^_`{|}~-]+(?:/[A-Za-z0-9!#$%&'*+.^_`{|}~-]+)?)")
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;]*))', re.DOTALL)
_NAME = re.compile(r"([^*]+)(?:\*([0-9]{1,4}))?(\*?)")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_FOLD = re.compile(r"[\r\n]+")

_Pieces = dict[int, tuple[str, bool]]  # by number: the text, and whether it is percent-encoded


def parse_token(value: bytes) -> str:
    """Return the value before the parameters in lower case, ``text/plain`` for instance; empty if it is none."""
    if not value:
        return ""
    match = _TOKEN.match(value[:_MAX_VALUE].decode("latin-1"))
    return match[1].lower() if match else ""


def parse_parameters(value: bytes) -> dict[str, str]:
    """Return the parameters by their names in lower case, decoded; the first one counts if a name occurs twice."""
    if b";" not in value:
        return {}
    found: defaultdict[str, _Pieces] = defaultdict(dict)
    text = _FOLD.sub("", decode_unlabelled(value[:_MAX_VALUE]))
    for name, quoted, plain in _PARAMETER.findall(text):
        match = _NAME.fullmatch(name)
        if match is not None:
            content = _ESCAPED.sub(r"\1", quoted) if quoted else plain.strip()
            found[match[1].lower()].setdefault(int(match[2] or 0), (content, bool(match[3])))
    return {name: _joined([pieces[n] for n in sorted(pieces)]) for name, pieces in found.items()}


def _joined(pieces: list[tuple[str, bool]]) -> str:
    if not any(is_encoded for _, is_encoded in pieces):
        # RFC 2047 section 5 forbids encoded words here, but many writers use them.
        return decode_words("".join([text for text, _ in pieces]))
    first, is_encoded = pieces[0]
    charset = ""
    if is_encoded and first.count("'") >= 2:
        charset, _, first = first.split("'", 2)
    texts = [(first, is_encoded), *pieces[1:]]
    return decode(b"".join([unquote_to_bytes(t) if e else t.encode("utf-8", "replace") for t, e in texts]), charset)
