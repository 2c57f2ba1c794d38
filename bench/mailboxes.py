"""A Dovecot with mails, to be read: by mailsvc and by the peers."""

import contextlib
import imaplib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlencode

from bench.figure import Skipped
from tests.support.mailhost import HOST, MailHost, why_no_mailhost
from tests.support.rootserver import why_not

__all__ = ["HOST", "PASSWORD", "MailHost", "append", "fill", "idling", "mail", "mailhost", "open_session", "url_of"]

PASSWORD = "bench-password"
_BODY = "A line of a mail that somebody wrote, seventy-odd characters in length.\r\n" * 28
_AT_ONCE = 5000


@contextlib.contextmanager
def mailhost() -> Iterator[MailHost]:
    """A Dovecot of its own; raises Skipped."""
    if reason := why_not() or why_no_mailhost():
        raise Skipped(reason)
    host = MailHost()
    try:
        yield host
    finally:
        host.remove()


def mail(number: int) -> bytes:
    """A mail of 5 KB in text and HTML, as mail programs write them."""
    return (
        f"Received: from mx.example.test (mx.example.test [192.0.2.1])\r\n\tby mail.app.test with ESMTPS id B{number}\r\n"
        f"\tfor <support@app.test>; Fri, 27 Nov 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{number}@example.test>\r\nDate: Fri, 27 Nov 2026 10:00:00 +0000\r\n"
        f"From: Jane Doe <jane{number}@example.test>\r\nTo: Support <support@app.test>\r\nSubject: Question {number}\r\n"
        f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="b{number}"\r\n\r\n'
        f"--b{number}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{_BODY}\r\n"
        f"--b{number}\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>{_BODY}</p></body></html>\r\n"
        f"--b{number}--\r\n"
    ).encode()


def fill(host: MailHost, user: str, mails: int, make: Callable[[int], bytes] = mail) -> None:
    """A new user with so many mails, which Dovecot has indexed."""
    host.add_user(user, PASSWORD)
    for start in range(0, mails, _AT_ONCE):
        host.deliver_many(user, [make(number) for number in range(start, min(start + _AT_ONCE, mails))])
    with open_session(host, user) as session:
        found = int(session.select("INBOX", readonly=True)[1][0] or 0)
    if found != mails:
        raise RuntimeError(f"the mailbox holds {found} of {mails} mails")


@contextlib.contextmanager
def open_session(host: MailHost, user: str) -> Iterator[imaplib.IMAP4_SSL]:
    """Another program in the mailbox."""
    with imaplib.IMAP4_SSL(
        HOST, host.imaps, ssl_context=ssl.create_default_context(cadata=host.ca_pem), timeout=300
    ) as session:
        session.login(user, PASSWORD)
        yield session


@contextlib.contextmanager
def idling(host: MailHost, user: str) -> Iterator[list[float]]:
    """When the server told a client in IDLE (RFC 2177) of each new mail, on the monotonic clock."""
    times: list[float] = []
    with open_session(host, user) as session:
        session.select("INBOX", readonly=True)
        session.send(b"idle IDLE\r\n")
        session.readline()
        thread = threading.Thread(target=_listen, args=(session, times), daemon=True)
        thread.start()
        yield times
        session.send(b"DONE\r\n")
        thread.join()


def _listen(session: imaplib.IMAP4_SSL, times: list[float]) -> None:
    while not (line := session.readline()).startswith(b"idle "):
        if line.rstrip().endswith(b" EXISTS"):
            times.append(time.monotonic())


def append(session: imaplib.IMAP4_SSL, number: int) -> None:
    """Deliver a mail."""
    if session.append("INBOX", None, None, mail(number))[0] != "OK":
        raise RuntimeError("Dovecot refuses a mail")


def url_of(host: MailHost, user: str, directory: Path, scheme: str = "imaps", **options: object) -> str:
    """The mailbox as MAILSVC_MAILBOX_URL names it."""
    ca = directory / "mailhost.pem"
    ca.write_text(host.ca_pem)
    query = urlencode({"ca": ca, "first_read": "all", "name": user, **options})
    return f"{scheme}://{user}:{PASSWORD}@{HOST}:{getattr(host, scheme)}?{query}"
