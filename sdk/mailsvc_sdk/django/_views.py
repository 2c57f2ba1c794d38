"""Webhooks in Django."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from django.views.generic import View

from mailsvc_sdk import events as kinds
from mailsvc_sdk._errors import SignatureError
from mailsvc_sdk._hooks import LARGEST_BODY, PROBLEM, Secret, problem_of, verified
from mailsvc_sdk.django._options import BackendOptions, setting
from mailsvc_sdk.django._tracking import inbound_event, tracking_event
from mailsvc_sdk.django.signals import inbound, tracking
from mailsvc_sdk.events import Event

__all__ = ["AnymailWebhookView", "webhook_view"]

Handler = Callable[[Event], object] | Callable[[Event], Awaitable[object]]
AnyView = Callable[..., Any]


def webhook_view(handler: Handler, *, secret: Secret = None) -> AnyView:
    """Return a view that gives each event to the handler.

    The answer is 204; 400 if the request is not signed as it should be, 405 but for POST, 413 over 1 MiB.

    Args:
        handler: a function or a coroutine function; then the view is one too.
        secret: one or several; by default ``MAILSVC["WEBHOOK_SECRET"]``, else the environment's.
    """

    def view(request: HttpRequest) -> HttpResponse:
        event = _received(request, secret)
        if isinstance(event, HttpResponse):
            return event
        handler(event)
        return HttpResponse(status=204)

    async def async_view(request: HttpRequest) -> HttpResponse:
        event = _received(request, secret)
        if isinstance(event, HttpResponse):
            return event
        result = handler(event)
        assert inspect.isawaitable(result)
        await result
        return HttpResponse(status=204)

    chosen: AnyView = async_view if inspect.iscoroutinefunction(handler) else view
    exempt: AnyView = csrf_exempt(require_POST(chosen))
    return exempt


def _received(request: HttpRequest, secret: Secret) -> Event | HttpResponse:
    try:
        body = request.body
    except RequestDataTooBig:
        return HttpResponse(status=413)
    if len(body) > LARGEST_BODY:
        return HttpResponse(status=413)
    try:
        return verified(body, list(request.headers.items()), secret or setting("WEBHOOK_SECRET"))
    except SignatureError as error:
        return HttpResponse(problem_of(error), status=400, content_type=PROBLEM)


@method_decorator(csrf_exempt, name="dispatch")
class AnymailWebhookView(View):
    """Sends django-anymail's signals ``tracking`` and ``inbound`` for mailsvc's webhooks.

    ``path("mail-events", AnymailWebhookView.as_view(secret=…))``
    """

    http_method_names = ("post",)
    secret: Secret = None

    def post(self, request: HttpRequest) -> HttpResponse:
        """Send the signal of an event."""
        event = _received(request, self.secret)
        if isinstance(event, HttpResponse):
            return event
        told = tracking_event(event)
        if told is not None:
            tracking.send(type(self), event=told, esp_name="mailsvc")
        if isinstance(event, kinds.InboundReceived | kinds.InboundUnmatchedBounce | kinds.MessageReplied):
            mail = BackendOptions().client()
            inbound.send(type(self), event=inbound_event(event, mail), esp_name="mailsvc")
        return HttpResponse(status=204)
