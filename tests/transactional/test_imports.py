"""An application that sends loads what it needs, and no more."""

import subprocess
import sys

import pytest

import mailsvc
import mailsvc_sdk

HEAVY = ["flask", "aiosmtplib", "uvicorn", "alembic", "psycopg", "sqlite3", "cryptography", "httptools", "django"]
SCRIPT = f"""
import sys
from mailsvc import Outbox
Outbox(app="shop")
print([name for name in {HEAVY} if name in sys.modules])
"""


def test_an_outbox_loads_neither_the_service_nor_drivers() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there() -> None:
    for name in mailsvc.__all__:
        assert getattr(mailsvc, name) is not None
    assert set(mailsvc.__all__) <= set(dir(mailsvc))
    with pytest.raises(AttributeError):
        mailsvc.nonsense  # noqa: B018


def test_ids_are_those_of_the_service() -> None:
    from mailsvc.domain.ids import is_id

    for new in (mailsvc.new_message_id, mailsvc_sdk.new_message_id):
        ids = [new() for _ in range(100)]

        assert all(is_id(id_, "msg") for id_ in ids)
        assert ids == sorted(set(ids))
