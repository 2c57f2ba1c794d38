"""Parses mail addresses in requests (RFC 5321, 5322, 6531), strictly.

One string is one mailbox. Everything else is rejected with the fix, because a reader that guesses could be made to send
mail to another person. ``mime.addresslist`` reads the lists in headers of raw mail.
"""

import ipaddress
import re
from functools import lru_cache

import idna
import msgspec

from mailsvc.domain.fieldtext import MAX_FIELD_OCTETS, field_flaw

# No possessive quantifiers: they match wrongly in CPython 3.11.0 to 3.11.4. One character decides between alternatives.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_FAST = re.compile(rf"(?:([A-Za-z0-9 !#$%&'*+/=?^_`{{|}}~.-]*)<)?({_ATOM}(?:\.{_ATOM})*)@([A-Za-z0-9.-]+)(>)?")

_QUOTED = r'"(?:[^"\\]|\\.)*"'
_WIDE_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_NAMED = re.compile(rf'((?:{_QUOTED}|[^"<>()\[\]:;@\\,])*)<([^<>"]*(?:{_QUOTED}[^<>"]*)?)>')
_SPEC = re.compile(rf"({_WIDE_ATOM}(?:\.{_WIDE_ATOM})*|{_QUOTED})@([^@\s<>]+)")
_ENCLOSED = re.compile(r"<([^<>]*)>$")
_DOT_ATOM = re.compile(rf"{_WIDE_ATOM}(?:\.{_WIDE_ATOM})*")
_NAME_WORD = re.compile(rf"({_QUOTED})|[^\"\s]+")
_SPECIAL = re.compile(r'["<>()\[\]:;@\\,]')
_ESCAPED = re.compile(r"\\(.)")
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


class Mailbox(msgspec.Struct, frozen=True, gc=False):
    """A display name and an address; the local part is quoted if necessary, the domain is in A-labels."""

    name: str | None
    local: str
    domain: str

    @property
    def addr(self) -> str:
        """The form for the envelope and for comparisons: ``local@domain``."""
        return f"{self.local}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only RFC 6531 can carry the address."""
        return not self.local.isascii()

    def __str__(self) -> str:
        if self.name is None:
            return self.addr
        if not _SPECIAL.search(self.name):
            return f"{self.name} <{self.addr}>"
        escaped = self.name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{self.addr}>'


def parse_mailbox(text: str) -> Mailbox:
    """Return the mailbox in ``a@b.test``, ``Name <a@b.test>`` or ``"Last, First" <a@b.test>``.

    Raises:
        ValueError: it is not exactly one mailbox; the message says what to fix.
    """
    # The length first: on millions of characters, backtracking takes a hundred octets per character.
    if (
        len(text) <= MAX_FIELD_OCTETS
        and (match := _FAST.fullmatch(text))
        and (match[1] is None) == (match[4] is None)
        and "=?" not in text
    ):
        return _mailbox((match[1] or "").strip() or None, match[2], match[3])
    return _parse_any(text.strip(" \t"))


def comparable(address: str) -> str:
    """Return what all spellings of an address have in common; of what is no address, the text in lower case."""
    try:
        return parse_mailbox(address.removesuffix(".")).addr.lower()
    except ValueError:
        return address.lower()


def _parse_any(text: str) -> Mailbox:
    if not text:
        raise ValueError("is empty; give an address such as name@example.com")
    if flaw := field_flaw(text):
        raise ValueError(flaw)
    named = _NAMED.fullmatch(text)
    spec = named[2].strip() if named else text
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise ValueError(_explain(text))
    return _mailbox(_unquote_name(named[1]) if named else None, _canonical_local(match[1]), match[2])


def _mailbox(name: str | None, local: str, domain: str) -> Mailbox:
    host = _domain(domain)
    # More than 64 octets before the @ (RFC 5321) are common: ticket systems put tokens there, and their servers accept
    # it.
    size = len(local) if local.isascii() else len(local.encode())
    if size + len(host) > 253:
        raise ValueError("is longer than 254 octets (RFC 5321); use a shorter address")
    return Mailbox(name, local, host)


def _unquote_name(phrase: str) -> str | None:
    if '"' not in phrase:
        return phrase.strip() or None
    words = [_ESCAPED.sub(r"\1", m[1][1:-1]) if m[1] else m[0] for m in _NAME_WORD.finditer(phrase)]
    return " ".join(words).strip() or None


def _canonical_local(local: str) -> str:
    if not local.isprintable():
        raise ValueError("has an invisible character before the @; type the address again")
    if not local.startswith('"'):
        return local
    bare = _ESCAPED.sub(r"\1", local[1:-1])
    if not bare:
        raise ValueError("has nothing before the @; write it as name@example.com")
    # RFC 5321 section 4.1.2: the same mailbox gets the same form; otherwise duplicates would not be found.
    if _DOT_ATOM.fullmatch(bare):
        return bare
    return '"' + bare.replace("\\", "\\\\").replace('"', '\\"') + '"'


@lru_cache(maxsize=8192)
def _domain(text: str) -> str:
    if text.startswith("["):
        return _literal(text)
    if len(text) > 255:
        raise ValueError("has a domain longer than 255 octets; use a shorter one")
    host = text.lower()
    if not host.isascii() or "xn--" in host:
        try:
            host = idna.encode(text, uts46=True, std3_rules=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise ValueError("has a domain that is not a valid internationalised name; check it") from error
    if not _HOST.fullmatch(host):
        raise ValueError("has a domain that is no host name (letters, digits, hyphens, single dots); correct it")
    if host.rpartition(".")[2].isdigit():
        raise ValueError("has a number for a domain; name the host, or write [192.0.2.1] for an IP address")
    return host


def _literal(text: str) -> str:
    inner = text[1:-1] if text.endswith("]") else ""
    try:
        if inner[:5].upper() == "IPV6:" and "%" not in inner:
            return f"[IPv6:{ipaddress.IPv6Address(inner[5:])}]"
        return f"[{ipaddress.IPv4Address(inner)}]"
    except ValueError:
        raise ValueError("has an IP address in brackets that can't be read; use [192.0.2.1] or a domain") from None


def _explain(text: str) -> str:
    unquoted = re.sub(_QUOTED, "", text)
    enclosed = _ENCLOSED.search(text)
    local, at, domain = (enclosed[1] if enclosed else text).rpartition("@")
    if '"' in unquoted:
        return 'has a double quote without its partner; quote a name like "Last, First" <name@example.com>'
    if "," in unquoted or ";" in unquoted or unquoted.count("@") > 1:
        return "must be exactly one address; give further ones as list entries and put a name with , ; @ into quotes"
    if "(" in unquoted or ")" in unquoted:
        return "must not contain a comment in parentheses; put the name before the address, in double quotes"
    if unquoted.count("<") != unquoted.count(">") or (">" in unquoted and not unquoted.endswith(">")):
        return "has angle brackets that don't enclose its end; write it as Name <name@example.com>"
    if not at:
        return "has no @; write it as name@example.com"
    if not local or not domain:
        return "has nothing on one side of the @; write it as name@example.com"
    if local.startswith(".") or local.endswith(".") or ".." in local:
        return "has a dot at an end of the part before the @, or two in a row; remove it or quote that part"
    if enclosed and _SPEC.fullmatch(enclosed[1]):
        return "has a special character in the name; put the name into double quotes"
    return "is not an address; write it as name@example.com or Name <name@example.com>"
