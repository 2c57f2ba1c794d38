"""mailsvc in a Flask application: the API below a prefix, ``mail.send``, callbacks, and commands under ``flask mail``."""

from mailsvc.api.auth import Access
from mailsvc.flask.extension import Mailsvc

__all__ = ["Access", "Mailsvc"]
