"""Webhooks in Flask.

::

    @app.post("/mail-events")
    @webhook()
    def told(event): ...
"""

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import Any, TypeVar

from flask import Response, current_app, request

from mailsvc_sdk._errors import SignatureError
from mailsvc_sdk._hooks import LARGEST_BODY, PROBLEM, Secret, problem_of, verified
from mailsvc_sdk.events import Event

__all__ = ["webhook"]

R = TypeVar("R")


def webhook(secret: Secret = None) -> Callable[[Callable[[Event], R]], Callable[..., R | Response]]:
    """Return the decorator of a view that gets the event.

    The answer is 204, or what the view returns; 400 if the request is not signed as it should be, 413 over 1 MiB.

    Args:
        secret: one or several; by default ``app.config["MAILSVC_WEBHOOK_SECRET"]``, else the environment's.
    """

    def decorate(view: Callable[[Event], R]) -> Callable[..., R | Response]:
        @wraps(view)
        def receive(*args: Any, **kwargs: Any) -> R | Response:
            with suppress(AttributeError):  # Flask 3.0 knows the app's limit only
                request.max_content_length = LARGEST_BODY
            if (request.content_length or 0) > LARGEST_BODY:
                return Response(status=413)
            body = request.get_data()  # which the application may have read before
            try:
                event = verified(
                    body, list(request.headers), secret or current_app.config.get("MAILSVC_WEBHOOK_SECRET")
                )
            except SignatureError as error:
                return Response(problem_of(error), 400, content_type=PROBLEM)
            result = view(event, *args, **kwargs)
            return Response(status=204) if result is None else result

        return receive

    return decorate
