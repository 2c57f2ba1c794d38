"""Tests of applications that send mail, without network and without a server.

::

    with FakeMail() as fake:
        register("alice@example.test")  # sends by a Mailsvc of its own

    assert fake.outbox[0].to == ["alice@example.test"]

pytest has the fixture ``mailsvc``, which is an installed FakeMail.
"""

from mailsvc_sdk.testing._fake import FakeMail
from mailsvc_sdk.testing._hook import SignedRequest
from mailsvc_sdk.testing._sent import SentMail
from mailsvc_sdk.testing._wait import wait_for

__all__ = ["FakeMail", "SentMail", "SignedRequest", "wait_for"]
