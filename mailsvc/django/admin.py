"""Admin pages to look at; changes go through the API, which checks them."""

from typing import Any, ClassVar

from django.contrib import admin

from mailsvc.django.models import Delivery, Message, Submission

__all__ = ["MessageAdmin", "SubmissionAdmin"]


class _ReadOnly:
    def has_add_permission(self, *_: Any) -> bool:
        """Nothing is added here."""
        return False

    def has_change_permission(self, *_: Any) -> bool:
        """Nothing is changed here."""
        return False

    def has_delete_permission(self, *_: Any) -> bool:
        """Nothing is deleted here."""
        return False


class DeliveryInline(_ReadOnly, admin.TabularInline):
    """The recipients of a mail."""

    model = Delivery
    fields = ("recipient", "status", "attempts", "due_at", "updated_at")
    extra = 0


@admin.register(Message)
class MessageAdmin(_ReadOnly, admin.ModelAdmin):
    """Accepted mails."""

    list_display = ("id", "created_at", "sender", "subject")
    ordering = ("-id",)
    search_fields = ("id", "message_id", "deliveries__recipient")
    inlines: ClassVar[list[type[admin.TabularInline]]] = [DeliveryInline]
    show_full_result_count = False  # it would count every mail


@admin.register(Submission)
class SubmissionAdmin(_ReadOnly, admin.ModelAdmin):
    """Mails that are not taken up yet, or were refused."""

    list_display = ("id", "app", "created_at", "errors")
    ordering = ("-id",)
    search_fields = ("id", "idempotency_key")
