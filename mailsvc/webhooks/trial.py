"""Posting one event now, on request, and telling how it went. Nothing is queued or tried again."""

import asyncio
from typing import Any

from mailsvc import clock
from mailsvc.domain.targets import TargetPolicy, check_url
from mailsvc.webhooks.post import Poster
from mailsvc.webhooks.worker import is_success, signed_headers

__all__ = ["post_now"]


def post_now(targets: TargetPolicy, url: str, body: bytes, secrets: list[str], event_id: str) -> dict[str, Any]:
    """Post a signed event from a thread without an event loop; at most as long as any webhook may take.

    Returns:
        ``{"delivered", "status_code", "duration_ms", "error"}``.
    """
    return asyncio.run(_post(targets, url, body, signed_headers(secrets, event_id, clock.now(), body)))


async def _post(targets: TargetPolicy, url: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    poster = Poster(targets)
    try:
        answer = await poster.post(check_url(url, targets), body, headers)
    except ValueError as error:  # the rule became stricter after the webhook was made
        return {"delivered": False, "status_code": None, "duration_ms": 0.0, "error": str(error)}
    finally:
        await poster.aclose()
    return {
        "delivered": is_success(answer),
        "status_code": answer.status,
        "duration_ms": round(answer.duration * 1000, 3),
        "error": answer.error,
    }
