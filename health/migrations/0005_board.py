from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("health", "0003_schedule")]

    operations = [
        migrations.AddIndex(
            model_name="component",
            index=models.Index(
                fields=["status", "-since", "id"],
                condition=models.Q(
                    status__in=["customer_intervention", "sequin_intervention"], retired_at__isnull=True
                ),
                name="component_failing",
            ),
        ),
    ]
