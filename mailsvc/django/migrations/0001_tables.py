"""The tables of mailsvc, at revision 0014."""

from typing import ClassVar

from django.db import migrations, models

from mailsvc.django.models import InstantField
from mailsvc.django.options import table
from mailsvc.django.tables import leave_tables, to_revision


class Migration(migrations.Migration):
    """By the service's own migrations."""

    initial = True
    operations: ClassVar[list[object]] = [
        migrations.RunPython(to_revision("0014"), leave_tables),
        migrations.CreateModel(
            name="Submission",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("app", models.TextField()),
                ("draft", models.TextField()),
                ("idempotency_key", models.TextField(null=True)),
                ("created_at", InstantField()),
                ("errors", models.TextField(null=True)),
            ],
            options={"managed": False, "db_table": table("mailsvc_submission")},
        ),
        migrations.CreateModel(
            name="Message",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("sender", models.TextField()),
                ("subject", models.TextField(null=True)),
                ("message_id", models.TextField()),
                ("tags", models.TextField()),
                ("metadata", models.TextField()),
                ("size", models.IntegerField()),
                ("scheduled_at", InstantField(null=True)),
                ("created_at", InstantField()),
            ],
            options={"managed": False, "db_table": table("mailsvc_message")},
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                (
                    "message",
                    models.ForeignKey(
                        to="mailsvc.message",
                        on_delete=models.DO_NOTHING,
                        db_constraint=False,
                        related_name="deliveries",
                    ),
                ),
                ("recipient", models.TextField()),
                ("status", models.TextField()),
                ("attempts", models.IntegerField()),
                ("due_at", InstantField(null=True)),
                ("updated_at", InstantField()),
            ],
            options={
                "managed": False,
                "db_table": table("mailsvc_delivery"),
                "verbose_name_plural": "deliveries",
            },
        ),
    ]
