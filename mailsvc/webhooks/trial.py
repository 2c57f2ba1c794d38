"""Posts one event now, on request. Nothing is queued or repeated."""

import asyncio
from typing import Any

from mailsvc import clock
from mailsvc.domain.signing import TrialPost
from mailsvc.domain.targets import TargetPolicy, check_url
from mailsvc.webhooks.post import Poster, signed_headers

__all__ = ["post_now"]


def post_now(targets: TargetPolicy, ca_pem: str | None, trial: TrialPost) -> dict[str, Any]:
    """Post a signed event from a thread without an event loop; at most as long as any webhook may take.

    Args:
        targets: which addresses may be reached.
        ca_pem: CAs to trust instead of the system's, where the webhook has none of its own.

    Returns:
        ``{"delivered", "status_code", "duration_ms", "error"}``.
    """
    return asyncio.run(_post(targets, ca_pem, trial))


async def _post(targets: TargetPolicy, ca_pem: str | None, trial: TrialPost) -> dict[str, Any]:
    poster = Poster(targets, ca_pem=ca_pem)
    headers = signed_headers(trial.secrets, trial.event_id, clock.now(), trial.body)
    try:
        answer = await poster.post(check_url(trial.url, targets), trial.body, headers, ca_pem=trial.ca_pem)
    except ValueError as error:  # the rule became stricter after the webhook was created
        return {"delivered": False, "status_code": None, "duration_ms": 0.0, "error": str(error)}
    finally:
        await poster.aclose()
    return {
        "delivered": answer.is_success,
        "status_code": answer.status,
        "duration_ms": round(answer.duration * 1000, 3),
        "error": answer.error,
    }
