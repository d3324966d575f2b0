from django.db import migrations

from project import roles


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("credentials", "0002_audit_is_append_only"),
        ("health", "0001_initial"),
    ]

    operations = [migrations.RunPython(roles.establish, migrations.RunPython.noop)]
