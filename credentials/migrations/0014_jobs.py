import uuid

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0013_search"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Job",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "act",
                    models.CharField(
                        choices=[
                            ("test", "Test"),
                            ("pause", "Pause"),
                            ("resume", "Resume"),
                            ("limit", "Set rate limit"),
                            ("metadata", "Set metadata"),
                            ("delete", "Delete"),
                        ],
                        max_length=16,
                    ),
                ),
                ("actor", models.CharField(max_length=255)),
                ("parameters", models.JSONField(default=dict)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Waiting"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("cancelled", "Cancelled"),
                            ("stopped", "Stopped"),
                        ],
                        default="waiting",
                        max_length=16,
                    ),
                ),
                ("said", models.CharField(blank=True, max_length=200)),
                ("total", models.PositiveIntegerField(default=0)),
                ("worked", models.PositiveIntegerField(default=0)),
                ("failed", models.PositiveIntegerField(default=0)),
                ("refused", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("beat_at", models.DateTimeField(null=True)),
                ("fence", models.PositiveIntegerField(default=0)),
                ("turn_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "person",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="jobs",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "job",
                "verbose_name_plural": "jobs",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="JobItem",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("credential", models.UUIDField()),
                ("name", models.CharField(max_length=200)),
                (
                    "result",
                    models.CharField(
                        blank=True,
                        choices=[("worked", "Done"), ("failed", "Failed"), ("refused", "Refused")],
                        max_length=8,
                    ),
                ),
                ("said", models.CharField(blank=True, max_length=200)),
                ("at", models.DateTimeField(null=True)),
                (
                    "job",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="items",
                        to="credentials.job",
                    ),
                ),
            ],
            options={
                "verbose_name": "item of a job",
                "verbose_name_plural": "items of jobs",
                "default_permissions": (),
            },
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=models.Q(("state__in", ["waiting", "running"])), fields=["turn_at"], name="job_open"
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["-created_at", "-id"], name="job_newest"),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(fields=["person", "-created_at", "-id"], name="job_newest_of_one"),
        ),
        migrations.AddIndex(
            model_name="jobitem",
            index=models.Index(fields=["job", "id"], name="jobitem_in_order"),
        ),
        migrations.AddIndex(
            model_name="jobitem",
            index=models.Index(fields=["job", "result", "id"], name="jobitem_by_result"),
        ),
    ]
