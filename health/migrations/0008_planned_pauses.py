import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("health", "0007_component_in_list")]

    operations = [
        migrations.AddField(
            model_name="pause",
            name="part_of",
            field=models.ForeignKey(
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="parts",
                to="health.pause",
            ),
        ),
        migrations.AddField(
            model_name="note",
            name="removed_at",
            field=models.DateTimeField(editable=False, null=True, verbose_name="removed"),
        ),
        migrations.AddField(
            model_name="note",
            name="removed_by",
            field=models.CharField(blank=True, editable=False, max_length=255, verbose_name="removed by"),
        ),
    ]
