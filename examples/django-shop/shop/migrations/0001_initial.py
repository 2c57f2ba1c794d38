"""The table of orders."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("email", models.TextField()),
                ("item", models.TextField()),
                ("mail_id", models.TextField(db_index=True)),
                ("mail_status", models.TextField(default="queued")),
            ],
        ),
    ]
