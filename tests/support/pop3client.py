"""Short ways to hold a POP3 session with a server of the tests."""

from collections.abc import Callable
from typing import Any

import pytest

from mailsvc.mailaccess.errors import MailAccessError
from mailsvc.pop3.session import Session
from tests.support.faultypop3 import FaultyPop3

__all__ = ["error_of", "in_session", "read"]


def in_session(server: FaultyPop3, act: Callable[[Session], Any], **given: Any) -> Any:
    """What this gives in a session that is logged in."""
    with Session(server.account(), **given) as session:
        session.open()
        session.login(server.credentials)
        return act(session)


def error_of(server: FaultyPop3, act: Callable[[Session], Any] = Session.stat, **given: Any) -> MailAccessError:
    """The error that ends this."""
    with server, pytest.raises(MailAccessError) as raised:
        in_session(server, act, **given)
    return raised.value


def read(session: Session, number: int, limit: int = 1_000_000) -> bytes:
    """The whole message."""
    content = bytearray()
    assert session.retrieve(number, content.extend, limit=limit) == len(content)
    return bytes(content)
