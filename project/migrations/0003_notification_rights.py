from django.db import migrations

from project import roles


class Migration(migrations.Migration):
    dependencies = [
        ("project", "0002_console"),
        ("credentials", "0012_notifications"),
    ]

    operations = [migrations.RunPython(roles.establish, migrations.RunPython.noop)]
