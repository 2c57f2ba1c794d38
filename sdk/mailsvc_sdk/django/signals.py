"""The signals: django-anymail's own where it is installed, so that its users' receivers hear them."""

from django.dispatch import Signal

try:
    from anymail.exceptions import AnymailCancelSend as CancelSend
    from anymail.signals import inbound, post_send, pre_send, tracking
except ImportError:
    pre_send, post_send, tracking, inbound = Signal(), Signal(), Signal(), Signal()

    class CancelSend(Exception):  # type: ignore[no-redef]
        """Raised by a receiver of ``pre_send``: the message is not sent."""


__all__ = ["CancelSend", "inbound", "post_send", "pre_send", "tracking"]
