"""A provider: brings what its Postfix takes to a mailbox of its Dovecot, and files copies of what was sent."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mailsvc import clock
from mailsvc.mailaccess.account import Credentials
from tests.support.imapclient import in_mailhost
from tests.support.mailhost import MailHost
from tests.support.postfix import Postfix, Stored

__all__ = ["Carry", "carrying"]

Carry = Callable[[Stored], bytes | None]


@contextmanager
def carrying(postfix: Postfix, mailhost: MailHost, user: Credentials, carry: Carry, files: int) -> Iterator[None]:
    """Bring to the mailbox what Postfix stores, as this provider would, and file so many copies of the plain mail."""
    stop, seen = threading.Event(), set()

    def run() -> None:
        while not stop.wait(0.1):
            for stored in postfix.messages():
                if stored.raw in seen:
                    continue
                seen.add(stored.raw)
                if (raw := carry(stored)) is not None:
                    mailhost.deliver(user.username, raw)
                if "(plain)" in str(stored.parsed["Subject"]):
                    for _ in range(files):
                        at = clock.as_datetime(clock.now())
                        in_mailhost(mailhost, user, lambda s, raw=stored.raw, at=at: s.append("Sent", raw, at))

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
