"""Webhooks in FastAPI and Starlette.

::

    @app.post("/mail-events", status_code=204)
    async def told(event: Annotated[Event, Depends(WebhookEvent())]) -> None: ...
"""

from starlette.exceptions import HTTPException
from starlette.requests import Request

from mailsvc_sdk._errors import SignatureError
from mailsvc_sdk._hooks import LARGEST_BODY, PROBLEM, Secret, problem_of, verified
from mailsvc_sdk.events import Event

__all__ = ["WebhookEvent"]


class WebhookEvent:
    """A dependency that gives the event of a request. In Starlette: ``event = await WebhookEvent()(request)``.

    A request that is not signed as it should be is answered with 400, one over 1 MiB with 413.

    Args:
        secret: one or several; by default ``MAILSVC_WEBHOOK_SECRET``.
    """

    def __init__(self, secret: Secret = None) -> None:
        self._secret = secret

    async def __call__(self, request: Request) -> Event:
        """Return the event. Raises HTTPException."""
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > LARGEST_BODY:
                raise HTTPException(413)
        try:
            return verified(bytes(body), request.headers.items(), self._secret)
        except SignatureError as error:
            raise HTTPException(400, problem_of(error), {"Content-Type": PROBLEM}) from error
