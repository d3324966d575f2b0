import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("health", "0005_board")]

    operations = [
        migrations.CreateModel(
            name="Beat",
            fields=[
                ("name", models.CharField(max_length=64, primary_key=True, serialize=False)),
                ("began_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("seen_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.CreateModel(
            name="Chore",
            fields=[
                ("name", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("next_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(null=True)),
                ("seconds", models.FloatField(default=0)),
                ("looked_at", models.PositiveBigIntegerField(default=0)),
                ("found", models.PositiveIntegerField(default=0)),
            ],
            options={"default_permissions": ()},
        ),
        migrations.AddField(
            model_name="component",
            name="unknown_since",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="unknown since"),
        ),
        migrations.AddIndex(
            model_name="component",
            index=models.Index(
                fields=["kind", "provider", "status"],
                condition=models.Q(retired_at__isnull=True),
                name="component_counted",
            ),
        ),
        migrations.AddIndex(
            model_name="component",
            index=models.Index(
                fields=["kind", "provider"],
                condition=models.Q(known_since__isnull=True, last_reported_at__isnull=True),
                name="component_unchecked",
            ),
        ),
        migrations.AddIndex(
            model_name="component",
            index=models.Index(
                fields=["kind", "provider"],
                condition=models.Q(unknown_since__isnull=False),
                name="component_in_doubt",
            ),
        ),
        migrations.CreateModel(
            name="Doubt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("starts_at", models.DateTimeField(verbose_name="from")),
                ("ended_at", models.DateTimeField(blank=True, null=True, verbose_name="ended")),
                (
                    "component",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="doubts",
                        to="health.component",
                    ),
                ),
            ],
            options={
                "verbose_name": "doubt",
                "verbose_name_plural": "doubts",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("ended_at", None)),
                        fields=("component",),
                        name="doubt_one_at_a_time",
                    )
                ],
            },
        ),
    ]
