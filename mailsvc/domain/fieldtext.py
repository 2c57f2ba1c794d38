"""Checks text for headers and bodies, and decodes RFC 2047 encoded words to find what they hide.

A header injection needs a line break that a reader sees. Therefore line breaks are rejected in every form, encoded ones
included, before anything is composed.
"""

import binascii
import re

_FORBIDDEN = re.compile("[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]")
_BREAK = re.compile("[\0\n\r]")
_MAX_DECODED = 4000
# As lenient as the most lenient readers, because the check must find what any of them would decode.
_WORD = re.compile(r"=\?([^?]*)\?([bBqQ])\?(.*?)\?=", re.DOTALL)

MAX_FIELD_OCTETS = 998  # RFC 5322 section 2.1.1


def field_flaw(text: str, *, most: int = MAX_FIELD_OCTETS) -> str | None:
    """Why this text can't be a header's value, as the second half of a sentence, or None. A tab is allowed.

    Args:
        most: the limit in octets.
    """
    # isprintable() is true for all common harmless text, and several times faster than the pattern.
    if not text.isprintable() and (found := _FORBIDDEN.search(text)):
        return f"must not contain {_describe(found[0])}; remove it"
    if len(text) * 4 > most and len(text.encode()) > most:
        return f"is longer than {most} octets; shorten it"
    if "=?" in text and len(text) > _MAX_DECODED:
        return f"has an encoded word, and more than {_MAX_DECODED} characters; write the text plainly, it is encoded for you"
    if "=?" in text and (found := _FORBIDDEN.search(decode_words(text)) or _BREAK.search(_undecoded(text))):
        return f"has an encoded word that hides {_describe(found[0])}; write the text plainly, it is encoded for you"
    return None


def body_flaw(text: str) -> str | None:
    """Why this text can't be a body, as the second half of a sentence, or None."""
    if "\0" in text:
        return "must not contain NUL (U+0000); remove it"
    return surrogate_flaw(text)


def surrogate_flaw(text: str) -> str | None:
    """Why this text has no UTF-8 form (a lone surrogate), so that it can be neither stored nor sent; or None."""
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"must not contain {_describe(text[error.start])}; send whole characters"
    return None


def crlf(text: str) -> str:
    """Return the text with every line break as CRLF (RFC 5322 section 2.1)."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    # Checking for a line break is much faster than replacing none.
    return text.replace("\n", "\r\n") if "\n" in text else text


def printable(text: str) -> str:
    """Return the text with everything that ``field_flaw`` rejects replaced, to show text of others."""
    return text if text.isprintable() else _FORBIDDEN.sub("\ufffd", text)


def decode_words(text: str) -> str:
    """Return the text with its encoded words decoded (RFC 2047), as leniently as readers do; never raises.

    A text over 4,000 characters is returned unchanged: the search for words takes quadratic time.
    """
    if len(text) > _MAX_DECODED:
        return text
    out: list[str] = []
    run, run_charset, end = b"", "", 0
    for word in _WORD.finditer(text):
        between, charset = text[end : word.start()], word[1].partition("*")[0].lower()
        if end and not between.strip():
            between = ""
        # Adjacent words are decoded together: writers often split characters between them, wrongly.
        if not between and charset == run_charset:
            run += _word_bytes(word)
        else:
            out += [_decode(run, run_charset), between]
            run, run_charset = _word_bytes(word), charset
        end = word.end()
    return "".join([*out, _decode(run, run_charset), text[end:]])


def _undecoded(text: str) -> str:
    """Return the content of the encoded words for a reader that doesn't know their charset, or assumes another one."""
    return "".join([_word_bytes(word).decode("latin-1") for word in _WORD.finditer(text)])


def _word_bytes(word: re.Match[str]) -> bytes:
    data = word[3].encode("utf-8", "replace")
    if word[2] in "qQ":
        return binascii.a2b_qp(data, header=True)
    try:
        return binascii.a2b_base64(data + b"==")
    except binascii.Error:
        return b""


def _decode(data: bytes, charset: str) -> str:
    try:
        return data.decode(charset or "ascii", "replace")
    except (LookupError, ValueError):
        return data.decode("latin-1")


def _describe(char: str) -> str:
    code = ord(char)
    names = {0: "NUL", 10: "a line feed", 13: "a carriage return", 0x85: "a line break", 0x2028: "a line separator"}
    if 0xD800 <= code <= 0xDFFF:
        return f"half a character (the lone surrogate U+{code:04X})"
    return f"{names.get(code, 'the control character')} (U+{code:04X})"
