"""Credentials are found by words and their beginnings, and listed by creation and by last use.

The text for finding of existing rows becomes words, in batches by key; going back leaves it so.
"""

from typing import Any

from django.db import migrations, models

from credentials import finding, finding_index

BATCH = 5_000
TABLE = finding_index.TABLE


def make_words(apps: Any, schema_editor: Any) -> None:
    """Turn what stands in `search` into words. Rows where it is the same already are left alone."""
    first = f"SELECT id, search FROM {TABLE} ORDER BY id LIMIT {BATCH}"  # noqa: S608
    rest = f"SELECT id, search FROM {TABLE} WHERE id > %s ORDER BY id LIMIT {BATCH}"  # noqa: S608
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(first)
        while rows := cursor.fetchall():
            changed = [
                (text, pk) for pk, before in rows if (text := " ".join(finding.words(before))) != before
            ]
            if changed:
                cursor.executemany(f"UPDATE {TABLE} SET search = %s WHERE id = %s", changed)  # noqa: S608
            cursor.execute(rest, [rows[-1][0]])


class Migration(migrations.Migration):
    dependencies = [("credentials", "0012_notifications")]

    operations = [
        migrations.AddIndex(
            model_name="credential",
            index=models.Index(
                fields=["created_at", "id"],
                condition=models.Q(deleted_at=None),
                name="credential_list_by_age",
            ),
        ),
        migrations.AddIndex(
            model_name="credential",
            index=models.Index(
                fields=["last_used_at", "id"],
                condition=models.Q(deleted_at=None),
                name="credential_list_by_use",
            ),
        ),
        migrations.AddIndex(
            model_name="credential",
            index=models.Index(
                fields=["name", "id"],
                condition=models.Q(deleted_at__isnull=False),
                name="credential_deleted_by_name",
            ),
        ),
        migrations.RunPython(make_words, migrations.RunPython.noop),
        migrations.RunPython(finding_index.install, finding_index.remove),
    ]
