"""Mailboxes in URLs: the values of MAILSVC_MAILBOX_URL and of ``mailsvc mailbox add``."""

import difflib
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from mailsvc.domain.settingurls import ENCODED, authority_flaw, percent_flaw
from mailsvc.settings.values import BadSetting, parse_bool, parse_number, read_file

__all__ = ["parse_mailbox_url", "parse_mailbox_urls"]

_SCHEMES = {
    "imap": ("imap", "starttls"),
    "imaps": ("imap", "implicit"),
    "pop3": ("pop3", "starttls"),
    "pop3s": ("pop3", "implicit"),
}
_TLS_PORTS = {"imap": 993, "pop3": 995}
_OTHER_PORTS = {"imap": 143, "pop3": 110}
_CHOICES = {"first_read": ("new", "all"), "tls": ("implicit", "starttls", "none")}
_AS_THEY_ARE = ("after", "name", "relay", "sent_folder")
_BOOLEANS = ("idle", "verify")
_NUMBERS = ("poll_interval",)


def parse_mailbox_urls(text: str, shown: str = "MAILSVC_MAILBOX_URL") -> list[dict[str, Any]]:
    """Return the fields of several mailboxes, whose URLs are separated by white space.

    Raises:
        BadSetting: not such a URL, or two of one name; the sentence names the part at fault.
    """
    urls = text.split()
    found = [
        parse_mailbox_url(url, shown if len(urls) == 1 else f"URL {n} of {shown}") for n, url in enumerate(urls, 1)
    ]
    names = [mailbox["name"] for mailbox in found]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise BadSetting(f"{shown} names the mailbox {twice!r} twice; give one of them another name with ?name=.")
    return found


def parse_mailbox_url(url: str, shown: str = "MAILSVC_MAILBOX_URL") -> dict[str, Any]:
    """``imaps://user:password@host:993/INBOX?after=seen`` as the fields of a mailbox object.

    Raises:
        BadSetting: not such a URL; the sentence names the part at fault.
    """
    if flaw := percent_flaw(url) or authority_flaw(url):
        raise BadSetting(f"{shown} {flaw}.")
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise BadSetting(
            f"{shown} must look like imaps://user:password@host:993/INBOX; imap:// and pop3:// stand for STARTTLS, "
            "pop3s:// for POP3 with TLS."
        )
    protocol, tls = _SCHEMES[parts.scheme]
    if not parts.username:
        raise BadSetting(f"{shown} must have a user name: imaps://user:password@host; {ENCODED}.")
    if parts.fragment:
        raise BadSetting(f"{shown} has something behind a #; {ENCODED}.")
    mailbox: dict[str, Any] = {
        "protocol": protocol,
        "host": parts.hostname.removesuffix("."),  # as it is stored
        "port": _port(parts, shown),
        "tls": tls,
        "username": _decoded(parts.username, shown),
        "password": _decoded(parts.password or "", shown) or None,
        "folder": _decoded(parts.path.removeprefix("/"), shown) or "INBOX",
    }
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        mailbox.update(_option(name, value, shown))
    usual_ports = _TLS_PORTS if mailbox["tls"] == "implicit" else _OTHER_PORTS
    mailbox["port"] = mailbox["port"] or usual_ports[protocol]
    return {"name": f"{mailbox['username']}@{mailbox['host']}/{mailbox['folder']}", **mailbox}


def _port(parts: SplitResult, shown: str) -> int | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise BadSetting(f"{shown} has a port that is not a number from 1 to 65535; {ENCODED}.")
    return port


def _decoded(text: str, shown: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise BadSetting(f"{shown} has a part that is not percent-encoded UTF-8.") from None


def _option(name: str, value: str, shown: str) -> dict[str, Any]:
    """One option of the query. Errors quote only known names: the rest may be part of a password that contains a ``?``."""
    if name == "ca":
        return {"ca_pem": read_file(f"ca= in {shown}", value)}
    if name in _BOOLEANS:
        return {name: parse_bool(value, f"{name}= in {shown}", quoting=False)}
    if name in _NUMBERS:
        return {name: parse_number(value, f"{name}= in {shown}", quoting=False)}
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise BadSetting(f"{name}= in {shown} must be one of {', '.join(_CHOICES[name])}.")
        return {name: value}
    if name in _AS_THEY_ARE:
        return {name: value or None} if value or name in ("relay", "sent_folder") else {}
    known = ("ca", *_BOOLEANS, *_NUMBERS, *_CHOICES, *_AS_THEY_ARE)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (was {close[0]}= meant?)" if close else ""
    raise BadSetting(f"{shown} has an unknown option{hint}; known are {', '.join(known)}; {ENCODED}.")
