"""Rate limits carry a revision, and on PostgreSQL the limiter gets its tables."""

from django.db import migrations, models

import credentials.models.rate_limit
from credentials.limiter import postgresql_schema


class Migration(migrations.Migration):
    dependencies = [("credentials", "0005_list_in_order")]

    operations = [
        migrations.AddField(
            model_name="ratelimit",
            name="revision",
            field=models.BigIntegerField(default=credentials.models.rate_limit.new_revision, editable=False),
        ),
        migrations.RunPython(postgresql_schema.install, postgresql_schema.remove),
    ]
