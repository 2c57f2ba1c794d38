"""Text and addresses, as Flask-Mail makes them."""

from collections.abc import Iterable
from email.header import Header
from email.utils import formataddr, parseaddr

__all__ = ["FlaskMailUnicodeDecodeError", "force_text", "sanitize_address", "sanitize_addresses", "sanitize_subject"]

Recipient = str | tuple[str, str]


class FlaskMailUnicodeDecodeError(UnicodeDecodeError):
    """Bytes that are no text."""

    def __init__(self, obj: object, *args: object) -> None:
        self.obj = obj
        super().__init__(*args)  # type: ignore[arg-type] # those of another UnicodeDecodeError

    def __str__(self) -> str:
        return f"{super().__str__()}. You passed in {self.obj!r} ({type(self.obj)})"


def force_text(s: object, encoding: str = "utf-8", errors: str = "strict") -> str:
    """Return text for anything, lazy strings included. Raises FlaskMailUnicodeDecodeError."""
    if isinstance(s, str):
        return s
    try:
        return str(s, encoding, errors) if isinstance(s, bytes) else str(s)
    except UnicodeDecodeError as error:
        raise FlaskMailUnicodeDecodeError(s, *error.args) from error


def sanitize_subject(subject: str, encoding: str = "utf-8") -> str:
    """Return a subject encoded for a header (RFC 2047)."""
    return subject if subject.isascii() else _header(subject, encoding)


def sanitize_address(addr: Recipient, encoding: str = "utf-8") -> str:
    """Return an address encoded for a header (RFC 2047, RFC 3490)."""
    name, mail = parseaddr(force_text(addr)) if isinstance(addr, str) else addr
    return formataddr((_header(name, encoding), mail if mail.isascii() else _ascii(mail, encoding)))


def _header(text: str, encoding: str) -> str:
    try:
        return Header(text, encoding).encode()
    except UnicodeEncodeError:
        return Header(text, "utf-8").encode()


def _ascii(mail: str, encoding: str) -> str:
    local, at, domain = mail.partition("@")
    if not at:
        return Header(mail, encoding).encode()
    return f"{Header(local, encoding)}@{domain.encode('idna').decode('ascii')}"


def sanitize_addresses(addresses: Iterable[Recipient], encoding: str = "utf-8") -> list[str]:
    """Return addresses encoded for a header."""
    return [sanitize_address(address, encoding) for address in addresses]
