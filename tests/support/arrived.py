"""Mails as they arrive, for the tests of their reader."""

from mailsvc.mime.arrived import ArrivedMail, read_mail

FROM = "From: Anna <anna@shop.test>\r\n"


def mail(header: str = "", body: str | bytes = "Hello\r\n") -> bytes:
    content = body if isinstance(body, bytes) else body.encode()
    return (FROM + header).encode() + b"\r\n" + content


def part(content_type: str, body: str, *fields: str) -> str:
    return "\r\n".join([f"Content-Type: {content_type}", *fields, "", body])


def multipart(subtype: str, *parts: str, boundary: str = "b") -> str:
    """An entity of its own, or the end of a mail's header with the body."""
    body = "".join(f"--{boundary}\r\n{content}\r\n" for content in parts)
    return f'Content-Type: multipart/{subtype}; boundary="{boundary}"\r\n\r\n{body}--{boundary}--\r\n'


def read(entity: str) -> ArrivedMail:
    return read_mail((FROM + entity).encode())
