"""What says with which keys this database was written: see credentials/keys.py."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credentials", "0011_pending_consent")]

    operations = [
        migrations.CreateModel(
            name="KeyCheck",
            fields=[
                (
                    "name",
                    models.CharField(max_length=32, primary_key=True, serialize=False, verbose_name="name"),
                ),
                ("value", models.CharField(max_length=64, verbose_name="value")),
                ("since", models.DateTimeField(auto_now_add=True, verbose_name="since")),
            ],
            options={"verbose_name": "key check", "verbose_name_plural": "key checks"},
        ),
    ]
