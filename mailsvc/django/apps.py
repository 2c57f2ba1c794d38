"""The application, as Django has it."""

from django.apps import AppConfig

__all__ = ["MailsvcConfig"]


class MailsvcConfig(AppConfig):
    """Tables and admin pages of mailsvc."""

    name = "mailsvc.django"
    label = "mailsvc"
    verbose_name = "Mail"
