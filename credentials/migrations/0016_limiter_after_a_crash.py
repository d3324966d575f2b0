"""The limiter's function loses no lease in a crash of PostgreSQL."""

from django.db import migrations

from credentials.limiter import postgresql_schema


class Migration(migrations.Migration):
    dependencies = [("credentials", "0015_token_waits")]

    operations = [migrations.RunPython(postgresql_schema.replace_take, migrations.RunPython.noop)]
