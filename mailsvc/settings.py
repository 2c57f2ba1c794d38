"""Settings: read once, checked, frozen. The only reader of the environment.

Sources, strongest first: ``X_FILE`` (a file that holds the value), the environment variable ``X``, ``x`` in
``mailsvc.toml`` in the working directory, the default.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from mailsvc.domain.certificates import check_ca_pem
from mailsvc.domain.draft import Limits
from mailsvc.domain.kubernetes import is_of_a_service
from mailsvc.domain.relay import AuthMechanism, TlsMode
from mailsvc.domain.settingurls import ENCODED, authority_flaw, percent_flaw
from mailsvc.domain.signing import check_secret

PREFIX = "MAILSVC_"
LEAST_SECRET = 32  # characters
CONFIG_FILE = "mailsvc.toml"
_TRUE, _FALSE = (
    frozenset({"true", "1", "yes", "on"}),
    frozenset({"false", "0", "no", "off"}),
)
_LATER = frozenset({"mailbox_url", "public_url", "max_inbound_bytes", "soft_bounce_limit"})  # names of the contract
_CLIENT_ONLY = frozenset({"MAILSVC_URL"})
_DATABASE_PORT = re.compile(r"postgresql\+psycopg://(?:[^@]*@)?(?:\[[^]]*\]|[^/:?]*):([^/?]+)")
_AT_LEAST_ONE = ("max_request_bytes", "max_message_bytes", "max_recipients", "lease_seconds")
_LARGEST = 10**12  # as a number of bytes or seconds it is as good as none, and every column can keep it
LOWEST_RATE, HIGHEST_RATE = 1 / 86400, 10_000.0  # a second
_SHAPE_OF_KEY = re.compile(r"[A-Za-z0-9_-]{32,}", re.ASCII)


class BadSetting(Exception):
    """A setting that can't be used; the text is one sentence that names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that may be set from outside; see the table in the README."""

    data_dir: Path = Path("mailsvc-data")
    database_url: str = ""
    bind: str = "127.0.0.1:8025"
    api_key: str | None = None
    secret_key: str | None = None
    relay_url: str | None = None
    webhook_url: str | None = None
    webhook_secret: str | None = None
    webhook_targets: Literal["any", "public", ""] = ""
    webhook_ca: str | None = None  # PEM
    relay_targets: Literal["any", "public"] = "any"
    log_format: Literal["console", "json", ""] = ""
    log_level: str = "info"
    allow_plaintext: bool = False
    max_request_bytes: int = 35 * 1024 * 1024
    max_message_bytes: int = 25 * 1024 * 1024
    max_recipients: int = 1000
    max_attachments: int = 100
    rate_per_key: float | None = None
    max_queue: int | None = None
    min_free_disk_bytes: int = 100 * 1024 * 1024
    lease_seconds: int = 60
    auto_migrate: bool = True

    @property
    def database(self) -> str:
        """The database's URL, the embedded one by default."""
        return self.database_url or f"sqlite:///{self.data_dir / 'mailsvc.db'}"

    @property
    def host(self) -> str:
        return self.bind.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        return int(self.bind.rpartition(":")[2])

    @property
    def targets(self) -> Literal["any", "public"]:
        """Which addresses webhooks may reach: any while only this host can talk to us."""
        if self.webhook_targets:
            return self.webhook_targets
        return "any" if self.host in ("127.0.0.1", "::1", "localhost") else "public"

    @property
    def limits(self) -> Limits:
        return Limits(
            max_request_bytes=self.max_request_bytes,
            max_message_bytes=self.max_message_bytes,
            max_recipients=self.max_recipients,
            max_attachments=self.max_attachments,
        )


def load(environ: Mapping[str, str] | None = None, directory: Path | None = None) -> Settings:
    """The settings as the environment and ``mailsvc.toml`` give them.

    Raises:
        BadSetting: an unknown name, a value that can't be read, a file that can't be opened.
    """
    given = _from_toml((directory or Path()) / CONFIG_FILE) | _from_environ(os.environ if environ is None else environ)
    values = {name: _convert(name, text) for name, text in given.items()}
    return checked(Settings(**values))


def checked(settings: Settings) -> Settings:
    """The same settings, if they make sense together; raises BadSetting otherwise."""
    _check(settings)
    return settings


def client_environ() -> tuple[str | None, str | None]:
    """``MAILSVC_URL`` and ``MAILSVC_API_KEY``, for commands that talk to a running service."""
    return os.environ.get("MAILSVC_URL"), os.environ.get("MAILSVC_API_KEY")


_NAMES = {f.name: f for f in fields(Settings)}


def _from_environ(environ: Mapping[str, str]) -> dict[str, str]:
    given: dict[str, str] = {}
    for variable in sorted(environ):  # X comes before X_FILE, which is the stronger
        if not variable.startswith(PREFIX) or variable in _CLIENT_ONLY:
            continue
        name = variable.removeprefix(PREFIX).lower()
        _refuse_early(name, variable)
        if name in _NAMES:
            given.setdefault(name, environ[variable])
        elif name.endswith("_file") and name.removesuffix("_file") in _NAMES:
            given[name.removesuffix("_file")] = _read_file(variable, environ[variable])
        elif not is_of_a_service(variable, environ[variable], "mailsvc"):
            raise BadSetting(f"{variable} is not a setting of mailsvc{_hint(name, PREFIX)}")
    return given


def _from_toml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadSetting(f"{path} can't be read: {error}.") from error
    given: dict[str, Any] = {}
    for key in sorted(table):
        name = key.removeprefix("mailsvc_")
        _refuse_early(name, f"{key} in {path}")
        if name in _NAMES:
            if not isinstance(table[key], str | int | float):
                raise BadSetting(f"{key} in {path} must be text, a number, true or false.")
            given.setdefault(name, table[key])
        elif name.endswith("_file") and name.removesuffix("_file") in _NAMES:
            given[name.removesuffix("_file")] = _read_file(f"{key} in {path}", str(table[key]))
        else:
            raise BadSetting(f"{key} in {path} is not a setting of mailsvc{_hint(name, '')}")
    return given


def _refuse_early(name: str, shown: str) -> None:
    """Raises BadSetting for what will be a setting; passing over it would look as if it worked."""
    if name.removesuffix("_file") in _LATER:
        raise BadSetting(f"{shown} is not available yet.")


def _hint(name: str, prefix: str) -> str:
    close = difflib.get_close_matches(name, _NAMES, n=1)
    shown = (prefix + close[0].upper() if prefix else close[0]) if close else ""
    return f"; did you mean {shown}?" if shown else "."


def _read_file(setting: str, path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except (OSError, ValueError) as error:
        # Without its path: where a setting holds a secret itself by mistake, that is what would be quoted.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        raise BadSetting(f"{setting} names a file that can't be read: {reason}.") from error


def _convert(name: str, value: Any) -> Any:
    kind = str(_NAMES[name].type)
    shown = PREFIX + name.upper()
    text = str(value).strip() if not isinstance(value, bool) else ("true" if value else "false")
    if "bool" in kind:
        return parse_bool(text, shown)
    if text == "" and "None" in kind:
        return None
    if "Path" in kind:
        return Path(text or "mailsvc-data")
    if "int" in kind:
        return _number(text, shown, int)
    if name == "rate_per_key":
        return parse_rate(text, shown)
    if name == "webhook_ca" and "-----BEGIN" not in text:
        return _read_file(shown, text)
    return text


def _number(text: str, shown: str, kind: type[int], *, quoting: bool = True) -> int:
    try:
        number = kind(text)
    except ValueError:
        raise BadSetting(f"{shown} must be a whole number{f', not {text!r}' if quoting else ''}.") from None
    if number < 0:
        raise BadSetting(f"{shown} must not be negative.")
    if number > _LARGEST:
        raise BadSetting(f"{shown} must be at most {_LARGEST}.")
    return number


def parse_bool(text: str, shown: str, *, quoting: bool = True) -> bool:
    """One of true/false/1/0/yes/no/on/off; raises BadSetting otherwise, quoting the text or not."""
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise BadSetting(f"{shown} must be true or false (or 1/0, yes/no, on/off){f', not {text!r}' if quoting else ''}.")


def parse_rate(text: str, shown: str) -> float:
    """``14/s``, ``600/m`` or ``5000/h`` as a number a second; raises BadSetting otherwise."""
    match = _RATE.fullmatch(text)
    if not match:
        raise BadSetting(f"{shown} must be a number a second, minute, hour or day, such as 14/s.")
    rate = _per_second(match)
    if not LOWEST_RATE * 0.999 <= rate <= HIGHEST_RATE:
        raise BadSetting(f"{shown} must be from 1/d to 10000/s.")
    return rate


def stored_rate(text: str) -> float | None:
    """A rate that was let in before there were bounds: the nearest that there may be, None where it is none."""
    match = _RATE.fullmatch(text)
    return min(HIGHEST_RATE, max(LOWEST_RATE, _per_second(match))) if match else None


_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)/(s|m|h|d)")


def _per_second(match: re.Match[str]) -> float:
    return float(match[1]) / {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]]


def _check(settings: Settings) -> None:
    host, colon, port = settings.bind.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) <= 65535:
        raise BadSetting(f"MAILSVC_BIND must be an address and a port such as 127.0.0.1:8025, not {settings.bind!r}.")
    if settings.webhook_targets not in ("", "any", "public"):
        raise BadSetting("MAILSVC_WEBHOOK_TARGETS must be any or public.")
    if settings.relay_targets not in ("any", "public"):
        raise BadSetting("MAILSVC_RELAY_TARGETS must be any or public.")
    if settings.log_format not in ("", "console", "json"):
        raise BadSetting("MAILSVC_LOG_FORMAT must be console or json.")
    if settings.log_level.lower() not in ("debug", "info", "warning", "error"):
        raise BadSetting("MAILSVC_LOG_LEVEL must be debug, info, warning or error.")
    for name in _AT_LEAST_ONE:
        if getattr(settings, name) < 1:
            raise BadSetting(f"{PREFIX}{name.upper()} must be at least 1.")
    _check_secrets(settings)
    _check_urls(settings)


def _check_urls(settings: Settings) -> None:
    for name in ("database_url", "relay_url", "webhook_url"):
        if flaw := percent_flaw(getattr(settings, name) or ""):
            raise BadSetting(f"{PREFIX}{name.upper()} {flaw}.")
    if settings.database_url:
        _check_database_url(settings.database_url)


def _check_secrets(settings: Settings) -> None:
    if settings.api_key is not None and not _SHAPE_OF_KEY.fullmatch(settings.api_key):
        raise BadSetting("MAILSVC_API_KEY must be at least 32 characters of A-Z a-z 0-9 _ and -.")
    if settings.secret_key is not None and not _are_long(settings.secret_key):
        raise BadSetting(
            f"MAILSVC_SECRET_KEY must hold a key of at least {LEAST_SECRET} characters, or several separated by commas; "
            "`openssl rand -hex 32` makes one."
        )
    if settings.webhook_secret is not None:
        _check_webhook_secret(settings.webhook_secret)
    if settings.webhook_ca is not None:
        _check_webhook_ca(settings.webhook_ca)


def _are_long(keys: str) -> bool:
    lengths = [len(key.strip()) for key in keys.split(",") if key.strip()]
    return bool(lengths) and min(lengths) >= LEAST_SECRET


def _check_webhook_secret(text: str) -> None:
    try:
        check_secret(text)
    except ValueError as error:
        raise BadSetting(f"MAILSVC_WEBHOOK_SECRET can't be used: {error}.") from None


def _check_webhook_ca(pem: str) -> None:
    try:
        check_ca_pem(pem)
    except ValueError as error:
        raise BadSetting(f"MAILSVC_WEBHOOK_CA names a file that {error}.") from None


def _check_database_url(url: str) -> None:
    if not url.startswith(("sqlite:///", "postgresql+psycopg://")):
        raise BadSetting("MAILSVC_DATABASE_URL must begin with sqlite:/// or postgresql+psycopg://.")
    if url.startswith("sqlite") and url.removeprefix("sqlite:///").partition("?")[0] in ("", ":memory:"):
        raise BadSetting("MAILSVC_DATABASE_URL must name a file: what is only in memory does not survive the process.")
    if not url.startswith("sqlite") and not _is_database_url(url):
        raise BadSetting(
            f"MAILSVC_DATABASE_URL is not a URL such as postgresql+psycopg://user:password@host:5432/name; {ENCODED}."
        )


def _is_database_url(url: str) -> bool:
    port = _DATABASE_PORT.match(url)
    query = urlsplit(url).query if authority_flaw(url) is None else "-"
    return (not port or port[1].isdecimal()) and all("=" in option for option in query.split("&") if option)


_AS_THEY_ARE = ("rate", "return_path", "ehlo")
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
    """One of the query, of which nothing is quoted but names that are known: it may be what follows a ? in a password."""
    if name == "ca":
        return {"ca_pem": _read_file(f"ca= in {shown}", value)}
    if name in ("verp", "dsn", "verify"):
        return {name: parse_bool(value, f"{name}= in {shown}", quoting=False)}
    if name in _NUMBERS:
        return {name: _number(value, f"{name}= in {shown}", int, quoting=False)}
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise BadSetting(f"{name}= in {shown} must be one of {', '.join(_CHOICES[name])}.")
        return {name: value}
    if name in _AS_THEY_ARE:
        return {name: value or None}
    known = ("ca", "verp", "dsn", "verify", *_NUMBERS, *_CHOICES, *_AS_THEY_ARE)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (was {close[0]}= meant?)" if close else ""
    raise BadSetting(f"{shown} has an unknown option{hint}; known are {', '.join(known)}; {ENCODED}.")
