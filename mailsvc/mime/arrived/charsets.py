"""Decodes text in the charsets that mail uses, under the names that mail programs give them. Never raises.

Only listed codecs are used. Python would also look up others by name: UTF-7 turns plain ASCII into markup, ``idna`` and
``punycode`` take quadratic time, and every unknown name is cached for good.
"""

import codecs
from contextlib import suppress
from encodings.aliases import aliases
from functools import lru_cache

__all__ = ["MAX_NAME", "decode", "decode_unlabelled", "is_known"]

MAX_NAME = 40  # characters of a charset name

_CODECS = frozenset(
    [
        "utf_8",
        "utf_16",
        "utf_16_le",
        "utf_16_be",
        "utf_32",
        "utf_32_le",
        "utf_32_be",
        "cp1250",
        "cp1251",
        "cp1252",
        "cp1253",
        "cp1254",
        "cp1255",
        "cp1256",
        "cp1257",
        "cp1258",
        "cp874",
        "iso8859_2",
        "iso8859_3",
        "iso8859_4",
        "iso8859_5",
        "iso8859_6",
        "iso8859_7",
        "iso8859_8",
        "iso8859_10",
        "iso8859_13",
        "iso8859_14",
        "iso8859_15",
        "iso8859_16",
        "koi8_r",
        "koi8_u",
        "koi8_t",
        "kz1048",
        "ptcp154",
        "cp437",
        "cp720",
        "cp737",
        "cp775",
        "cp850",
        "cp852",
        "cp855",
        "cp857",
        "cp858",
        "cp860",
        "cp861",
        "cp862",
        "cp863",
        "cp864",
        "cp865",
        "cp866",
        "cp869",
        "cp1125",
        "mac_roman",
        "mac_cyrillic",
        "mac_greek",
        "mac_turkish",
        "mac_latin2",
        "mac_iceland",
        "gb18030",
        "hz",
        "big5hkscs",
        "cp950",
        "cp932",
        "shift_jisx0213",
        "euc_jp",
        "euc_jis_2004",
        "cp949",
        "johab",
        "iso2022_jp",
        "iso2022_jp_1",
        "iso2022_jp_2",
        "iso2022_jp_3",
        "iso2022_jp_2004",
        "iso2022_jp_ext",
        "iso2022_kr",
    ]
)
# Writers name the standard and use the vendor's superset of it; the WHATWG Encoding Standard reads these names so, too.
_SUPERSETS = {
    "ascii": "cp1252",
    "latin_1": "cp1252",
    "iso8859_1": "cp1252",
    "iso8859_9": "cp1254",
    "iso8859_11": "cp874",
    "tis_620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso2022_jp": "iso2022_jp_ext",
}
_OTHER_NAMES = {
    "iso88598i": "iso8859_8",
    "iso88598e": "iso8859_8",
    "iso88596i": "iso8859_6",
    "iso88596e": "iso8859_6",
    "macintosh": "mac_roman",
    "maccyrillic": "mac_cyrillic",
    "ksc5601": "cp949",
    "ksc56011987": "cp949",
    "korean": "cp949",
    "windows949": "cp949",
    "windows936": "gb18030",
    "windows932": "cp932",
    "windows31j": "cp932",
    "windows950": "cp950",
    "windows874": "cp874",
    "gb231280": "gb18030",
    "cngb": "gb18030",
    "chinese": "gb18030",
    "cnbig5": "big5hkscs",
    "eucjp": "euc_jp",
    "sjis": "cp932",
    "unicode11utf8": "utf_8",
    "utf8mb4": "utf_8",
} | {f"win{page}": f"cp{page}" for page in range(1250, 1259)}


@lru_cache(maxsize=256)
def _squeezed(name: str) -> str:
    return "".join([char for char in name.lower() if char.isalnum()]).removeprefix("x")


def _names() -> dict[str, str]:
    """The codec for each name in lower case, without punctuation and without the prefix ``x-``."""
    codec_of = {**aliases, **{codec: codec for codec in (*_CODECS, *_SUPERSETS)}}
    best = {_squeezed(name): _SUPERSETS.get(codec, codec) for name, codec in codec_of.items()}
    return {name: codec for name, codec in best.items() if codec in _CODECS} | _OTHER_NAMES


_CODEC_OF = _names()


def is_known(charset: str) -> bool:
    """Whether text in this charset can be decoded."""
    return len(charset) <= MAX_NAME and _squeezed(charset) in _CODEC_OF


def decode(data: bytes, charset: str, *, is_cut: bool = False) -> str:
    """Return the text; octets that have no meaning in the charset become U+FFFD. An empty or unknown charset is guessed.

    Args:
        is_cut: the data may end in the middle of a character, which is left out then.
    """
    codec = _CODEC_OF.get(_squeezed(charset)) if len(charset) <= MAX_NAME else None
    if codec is None or (codec == "cp1252" and "ascii" in charset.lower()):
        return decode_unlabelled(data, is_cut=is_cut)
    text = data.decode() if codec == "utf_8" and data.isascii() else _decode(data, codec, is_cut=is_cut)
    return _mended(data, codec, text) if "\ufffd" in text else text


def decode_unlabelled(data: bytes, *, is_cut: bool = False) -> str:
    """Return the text of octets without a (credible) charset: UTF-8 if it is valid, else Windows-1252."""
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        is_utf_8 = is_cut and error.reason == "unexpected end of data"
        return _decode(data, "utf_8" if is_utf_8 else "cp1252", is_cut=is_cut)


def _decode(data: bytes, codec: str, *, is_cut: bool) -> str:
    try:
        decoder = codecs.getincrementaldecoder(codec)("replace")
        return decoder.decode(data, final=not is_cut).removeprefix("\ufeff")
    except ValueError:  # UTF-16 without its byte order mark, for instance
        return data.decode("latin-1")


def _mended(data: bytes, codec: str, text: str) -> str:
    """Return the text in the charset that is meant where another one is declared, if that is certain enough."""
    others = ["utf_8"]
    if codec.startswith("iso2022_jp"):
        others += ["euc_jp", "cp932"]
    if codec == "utf_8" and text.replace("\ufffd", "").isascii():
        others.append("cp1252")
    for other in others:
        with suppress(UnicodeDecodeError):
            return data.decode(other)
    return text
