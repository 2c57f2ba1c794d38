"""Messages and results for tests."""

from typing import Any

import msgspec

from mailsvc import clock
from mailsvc.domain.draft import Draft, Limits, check
from mailsvc.domain.relay import Relay
from mailsvc.outbox.build import NewMessage, Terms, build_draft
from mailsvc.outcomes.record import Try


def a_message(
    *, relay: Relay, to: tuple[str, ...] = ("alice@example.test",), now: int | None = None, **fields: Any
) -> NewMessage:
    """Return a new_message of app ``app_1``, ready to be accepted."""
    at = clock.now() if now is None else now
    draft = msgspec.convert(
        {"from": "Shop <orders@app.test>", "to": list(to), "subject": "Hi", "text": "Hello.", **fields}, Draft
    )
    return build_draft(check(draft, limits=Limits(), now=at), Terms("app_1", relay, at))


def sent_try(outcome: str = "sent", code: int = 250) -> Try:
    """Return one attempt that ended with this code."""
    return Try(clock.now(), 5.0, "eom", code, None, "said so", "rly_a", "mx.app.test", None, outcome)
