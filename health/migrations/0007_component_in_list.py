"""Lists sorted by the time of the last change, and the few that are paused or wait for both, are found in
indexes."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("health", "0006_checks")]

    operations = [
        migrations.AddIndex(
            model_name="component",
            index=models.Index(
                fields=["kind", "since", "id"],
                condition=models.Q(retired_at__isnull=True),
                name="component_kind_since",
            ),
        ),
        migrations.AddIndex(
            model_name="component",
            index=models.Index(
                fields=["paused_until"],
                condition=models.Q(paused_until__isnull=False),
                name="component_paused",
            ),
        ),
        migrations.AddIndex(
            model_name="component",
            index=models.Index(
                fields=["kind"], condition=models.Q(also__isnull=False), name="component_also"
            ),
        ),
    ]
