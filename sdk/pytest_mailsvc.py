"""The pytest plugin: the fixtures ``mailsvc`` and ``mailsvc_secret``."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mailsvc_sdk.testing import FakeMail


@pytest.fixture(name="mailsvc")
def _mailsvc() -> "Iterator[FakeMail]":
    """A FakeMail that answers every client of the test: ``mailsvc.outbox[0].to == ["alice@example.test"]``."""
    from mailsvc_sdk.testing import FakeMail  # noqa: PLC0415 - not before a test asks for it

    with FakeMail() as fake:
        yield fake


@pytest.fixture
def mailsvc_secret(mailsvc: "FakeMail") -> str:
    """The secret that ``mailsvc.webhook(…)`` signs with."""
    return mailsvc.secret
