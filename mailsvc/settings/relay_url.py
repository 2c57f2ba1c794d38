"""A relay in one URL: the value of MAILSVC_RELAY_URL and of ``mailsvc relay add``."""

import difflib
from typing import Any, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from mailsvc.domain.relay import AuthMechanism, TlsMode
from mailsvc.domain.settingurls import ENCODED, authority_flaw, percent_flaw
from mailsvc.settings.values import BadSetting, parse_bool, parse_number, read_file

__all__ = ["parse_relay_url"]

_AS_THEY_ARE = ("rate", "return_path", "ehlo", "unsubscribe_mailbox")
_SWITCHES = ("verp", "dsn", "verify", "reply_token", "file_sent")
_NUMBERS = ("max_connections", "max_messages_per_connection", "max_recipients")
_CHOICES: dict[str, tuple[str, ...]] = {
    "tls": get_args(TlsMode),
    "auth": get_args(AuthMechanism),
    "pipelining": ("auto", "off"),
}


def parse_relay_url(url: str, shown: str = "MAILSVC_RELAY_URL") -> dict[str, Any]:
    """``smtp://user:pass@host:587?rate=14/s`` as the fields of a relay object.

    Raises:
        BadSetting: not such a URL; the sentence names the part at fault.
    """
    if flaw := percent_flaw(url) or authority_flaw(url):
        raise BadSetting(f"{shown} {flaw}.")
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise BadSetting(f"{shown} is not a URL such as smtp://user:password@host:587; {ENCODED}.")
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise BadSetting(f"{shown} must look like smtp://user:password@host:587 or smtps://user:password@host:465.")
    if parts.path.strip("/") or parts.fragment:
        raise BadSetting(f"{shown} has something behind the host; {ENCODED}.")
    if parts.username and not parts.password:
        raise BadSetting(f"{shown} has a user name but no password.")
    implicit = parts.scheme == "smtps"
    relay: dict[str, Any] = {
        "host": parts.hostname,
        "port": port or (465 if implicit else 587),
        "tls": "implicit" if implicit else "starttls",
        "username": _decoded(parts.username, shown),
        "password": _decoded(parts.password, shown),
    }
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        relay.update(_relay_option(name, value, shown))
    return relay


def _decoded(text: str | None, shown: str) -> str | None:
    try:
        return unquote(text, errors="strict") if text else None
    except UnicodeDecodeError:
        raise BadSetting(f"{shown} has a user name or password that is not percent-encoded UTF-8.") from None


def _relay_option(name: str, value: str, shown: str) -> dict[str, Any]:
    """One option of the query. Errors quote only known names: the rest may be part of a password that contains a ``?``."""
    if name == "ca":
        return {"ca_pem": read_file(f"ca= in {shown}", value)}
    if name in _SWITCHES:
        return {name: parse_bool(value, f"{name}= in {shown}", quoting=False)}
    if name in _NUMBERS:
        return {name: parse_number(value, f"{name}= in {shown}", quoting=False)}
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise BadSetting(f"{name}= in {shown} must be one of {', '.join(_CHOICES[name])}.")
        return {name: value}
    if name in _AS_THEY_ARE:
        return {name: value or None}
    known = ("ca", *_SWITCHES, *_NUMBERS, *_CHOICES, *_AS_THEY_ARE)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (was {close[0]}= meant?)" if close else ""
    raise BadSetting(f"{shown} has an unknown option{hint}; known are {', '.join(known)}; {ENCODED}.")
