"""The list of credentials finds its pages in these indexes alone, whatever it is narrowed or sorted by."""

from django.db import migrations, models

IN_USE = models.Q(deleted_at=None)


def index(name: str, *fields: str) -> migrations.AddIndex:
    return migrations.AddIndex(
        model_name="credential",
        index=models.Index(fields=[*fields, "-updated_at", "-id"], condition=IN_USE, name=name),
    )


class Migration(migrations.Migration):
    dependencies = [("credentials", "0004_access_token")]

    operations = [
        migrations.RemoveIndex(model_name="credential", name="credential_provider_kind"),
        migrations.RemoveIndex(model_name="credential", name="credential_name"),
        migrations.RemoveIndex(model_name="credential", name="credential_updated"),
        index("credential_list"),
        index("credential_list_by_name", "name"),
        index("credential_list_by_provider", "provider"),
        index("credential_list_by_kind", "kind"),
    ]
