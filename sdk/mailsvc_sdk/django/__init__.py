"""Django's e-mail through mailsvc, and its webhooks.

::

    EMAIL_BACKEND = "mailsvc_sdk.django.EmailBackend"  # Django 5.2
    MAILERS = {"default": {"BACKEND": "mailsvc_sdk.django.EmailBackend"}}  # Django 6.1
    MAILSVC = {"URL": "http://127.0.0.1:8025", "API_KEY": "…"}

Messages take the attributes of django-anymail (``tags``, ``metadata``, ``send_at``, ``esp_extra`` …), and get its
``anymail_status``.
"""

from mailsvc_sdk.django import signals
from mailsvc_sdk.django._backend import EmailBackend
from mailsvc_sdk.django._features import UnsupportedFeature
from mailsvc_sdk.django._views import AnymailWebhookView, webhook_view
from mailsvc_sdk.django.signals import CancelSend

__all__ = ["AnymailWebhookView", "CancelSend", "EmailBackend", "UnsupportedFeature", "signals", "webhook_view"]
