"""Short ways to hold an IMAP session with a server of the tests."""

import imaplib
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from mailsvc.imap.session import Session
from mailsvc.mailaccess.account import Credentials, Server, TlsMode
from mailsvc.mailaccess.errors import MailAccessError
from tests.support.faultyimap import FaultyImap
from tests.support.mailhost import HOST, MailHost

__all__ = ["error_of", "in_folder", "in_mailhost", "read", "second_client"]


def in_folder(server: FaultyImap, act: Callable[[Session], Any], **given: Any) -> Any:
    """What this gives in a session that has opened INBOX."""
    with Session(server.account(), **given) as session:
        session.open()
        session.login(server.credentials)
        session.select("INBOX")
        return act(session)


def error_of(server: FaultyImap, act: Callable[[Session], Any] = Session.noop, **given: Any) -> MailAccessError:
    """The error that ends this."""
    with server, pytest.raises(MailAccessError) as raised:
        in_folder(server, act, **given)
    return raised.value


def in_mailhost(mailhost: MailHost, user: Credentials, act: Callable[[Session], Any], tls: TlsMode = "implicit") -> Any:
    """What this gives in a session with Dovecot that is logged in."""
    port = mailhost.imaps if tls == "implicit" else mailhost.imap
    with Session(Server(HOST, port, tls, ca_pem=mailhost.ca_pem)) as session:
        session.open()
        session.login(user)
        return act(session)


def second_client(mailhost: MailHost, user: Credentials) -> imaplib.IMAP4_SSL:
    """Another program that is logged in to the same mailbox, and has INBOX open."""
    context = ssl.create_default_context(cadata=mailhost.ca_pem)
    client = imaplib.IMAP4_SSL(HOST, mailhost.imaps, ssl_context=context)
    client.authenticate("PLAIN", lambda _: f"\0{user.username}\0{user.password}".encode())
    client.select("INBOX")
    return client


def read(session: Session, uid: int, size: int = 1_000_000, **given: Any) -> bytes:
    """The whole message."""
    content = bytearray()
    assert session.fetch(uid, size, content.extend, **given) == len(content)
    return bytes(content)
