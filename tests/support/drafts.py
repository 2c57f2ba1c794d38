"""Drafts as an application submits them, and their wire form as an independent parser reads it."""

from collections.abc import Mapping
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

import pytest

from mailsvc.domain.draft import Draft, Limits, Prepared
from mailsvc.domain.errors import Invalid
from mailsvc.domain.message_form import check
from mailsvc.mime.compose import compose

NOW = 1_700_000_000_000_000
LIMITS = Limits()
MESSAGE_ID = "<01hf3x@app.test>"


def a_draft(**fields: Any) -> Draft:
    """Return a draft: a short text from the shop to Alice, changed by the given fields."""
    plain: Mapping[str, Any] = {
        "from_": "Shop <orders@app.test>",
        "to": ["Alice <alice@example.test>"],
        "subject": "Your order",
        "text": "It is on its way.",
    }
    return Draft(**{**plain, **fields})


def prepared(**fields: Any) -> Prepared:
    return check(a_draft(**fields), limits=LIMITS, now=NOW)


def faults(**fields: Any) -> dict[str, str]:
    """Return the rejected fields, each with the reason."""
    with pytest.raises(Invalid) as refused:
        prepared(**fields)
    return {error.field: error.detail for error in refused.value.errors}


def composed(*, references: tuple[str, ...] = (), **fields: Any) -> bytes:
    return compose(prepared(**fields), message_id=MESSAGE_ID, date=NOW, references=references, boundary_seed="01hf3x")


def read(raw: bytes) -> EmailMessage:
    """Parse the message with the standard library's parser, which shares no code with ours."""
    return BytesParser(policy=default).parsebytes(raw)


def received(**fields: Any) -> EmailMessage:
    return read(composed(**fields))
