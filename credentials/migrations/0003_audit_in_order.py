"""Events get ids in the order of happening, the page of the trail its indexes, and the triggers refuse to
replace a row or to empty the table.

Rows of before keep their ids, which their hashes are made of: they stay in the order that the chain gave
them, which is that of the page: by time, then id. The column does not change, so that SQLite need not make
the table anew, which may be long.
"""

from django.db import migrations, models

import credentials.models.audit_event
from credentials import audit_triggers

BEFORE = ("audit_object_time", "audit_actor_action_time", "audit_time", "audit_unchained")
ORDERED = {
    "audit_time_order": [],
    "audit_actor_order": ["actor"],
    "audit_action_order": ["action"],
    "audit_type_order": ["object_type"],
    "audit_object_order": ["object_id"],
    "audit_request_order": ["request_id"],
}


class Migration(migrations.Migration):
    dependencies = [("credentials", "0002_audit_is_append_only")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name="auditevent",
                    name="id",
                    field=models.UUIDField(
                        default=credentials.models.audit_event.ordered_id,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                )
            ]
        ),
        *(migrations.RemoveIndex(model_name="auditevent", name=name) for name in BEFORE),
        *(
            migrations.AddIndex(
                model_name="auditevent", index=models.Index(fields=[*fields, "time", "id"], name=name)
            )
            for name, fields in ORDERED.items()
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                fields=["time", "id"], condition=models.Q(number=None), name="audit_unchained_order"
            ),
        ),
        # The way back leaves the stricter triggers: they forbid nothing that the code before does.
        migrations.RunPython(audit_triggers.install, migrations.RunPython.noop),
    ]
