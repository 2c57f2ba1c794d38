"""What a project's own tests do."""

from typing import Any

from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.test import TestCase, TransactionTestCase

from mailsvc.django import outbox
from mailsvc.django.models import Message, Submission
from mailsvc.django.options import option

ALIAS = option("DATABASE") or "default"
MAIL: dict[str, Any] = {"from_": "shop@app.test", "to": "alice@example.test", "subject": "Order", "text": "Thanks."}


class InATransaction(TestCase):
    databases = set(connections)

    def test_a_mail_is_pending(self) -> None:
        receipt = outbox.send(idempotency_key="order-17", **MAIL)

        (mail,) = outbox.pending()
        assert (mail["id"], mail["app"], mail["idempotency_key"]) == (receipt.id, "default", "order-17")
        assert mail["draft"]["to"] == "alice@example.test"

    def test_a_rollback_takes_it_back(self) -> None:
        try:
            with transaction.atomic(ALIAS):
                outbox.send(**MAIL, using=ALIAS)
                outbox.send_many([{"from": "a@app.test", "to": "b@example.test", "text": "x"}] * 2)
                assert len(outbox.pending()) == 3
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        assert outbox.pending() == []

    def test_a_connection_is_a_target(self) -> None:
        outbox.send(connections[ALIAS], **MAIL)

        assert len(outbox.pending(using=ALIAS)) == 1

    def test_the_admin_shows_and_changes_nothing(self) -> None:
        self.client.force_login(User.objects.create_superuser("root"))
        receipt = outbox.send(**MAIL)
        if ALIAS == "default":  # as for any model of another database, a router would say so
            page = self.client.get(f"/admin/mailsvc/submission/{receipt.id.replace('_', '_5F')}/change/")
            assert b"alice@example.test" in page.content
            listing = self.client.get("/admin/mailsvc/submission/?q=order")
            assert listing.status_code == 200
            assert self.client.get("/admin/mailsvc/message/?q=alice").status_code == 200
            assert self.client.get("/admin/mailsvc/submission/add/").status_code == 403
            assert self.client.post(f"/admin/mailsvc/submission/{receipt.id}/delete/").status_code == 403

    def test_times_are_aware(self) -> None:
        outbox.send(**MAIL)

        found = Submission.objects.using(ALIAS).get()
        assert found.created_at.tzinfo is not None
        assert not Message.objects.using(ALIAS).exists()


class Committed(TransactionTestCase):
    databases = set(connections)

    def test_atomic_commits_it(self) -> None:
        with transaction.atomic(ALIAS):
            receipt = outbox.send(**MAIL)
        assert [mail["id"] for mail in outbox.pending()] == [receipt.id]
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(f"DELETE FROM {Submission._meta.db_table}")

    def test_djangos_own_functions_are_still_there(self) -> None:
        assert not User.objects.filter(username__regex="^x").exists()
        assert connection.is_usable()
