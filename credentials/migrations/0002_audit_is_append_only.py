from django.db import migrations

from credentials import audit_triggers


class Migration(migrations.Migration):
    dependencies = [("credentials", "0001_initial")]

    operations = [migrations.RunPython(audit_triggers.install, audit_triggers.remove)]
