"""mailsvc in a Django project: ``INSTALLED_APPS += ["mailsvc.django"]``.

Its migrations make the service's tables; ``outbox`` sends mails in the transaction of ``atomic``; the admin shows them; and
``manage.py mailsvc`` is the command line, on the project's database.
"""

from mailsvc.django.sending import DjangoOutbox

__all__ = ["DjangoOutbox", "outbox"]

outbox = DjangoOutbox()
