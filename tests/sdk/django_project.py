"""A Django project for the tests: importing it configures Django."""

import django
from django.conf import settings
from django.urls import path

RECEIVED: list[object] = []


def handle(event: object) -> None:
    RECEIVED.append(event)


async def handle_async(event: object) -> None:
    RECEIVED.append(event)


BACKEND = "mailsvc_sdk.django.EmailBackend"
MAILERS = {
    "default": {"BACKEND": BACKEND},
    "receipts": {"BACKEND": BACKEND, "OPTIONS": {"tags": ["receipt"], "priority": "high"}},
    "misspelt": {"BACKEND": BACKEND, "OPTIONS": {"nonsense": 1}},
}
MAIL = {"MAILERS": MAILERS} if django.VERSION >= (6, 1) else {"EMAIL_BACKEND": BACKEND}

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["*"],
        DEFAULT_FROM_EMAIL="default@app.test",
        **MAIL,
        INSTALLED_APPS=["mailsvc_sdk.django"],
        MAILSVC={"TAGS": ["django"], "WEBHOOK_SECRET": "whsec_" + "A" * 32},
        ROOT_URLCONF=__name__,
        SECRET_KEY="tests",
        USE_TZ=True,
        TIME_ZONE="Europe/Berlin",
    )
    django.setup()

from mailsvc_sdk.django import AnymailWebhookView, webhook_view  # noqa: E402

urlpatterns = [
    path("hook", webhook_view(handle)),
    path("async-hook", webhook_view(handle_async)),
    path("anymail", AnymailWebhookView.as_view()),
]
