"""Files that people upload, sealed between their preview and their import."""

import uuid

import django.core.serializers.json
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import credentials.sealing


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0016_limiter_after_a_crash"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Upload",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("name", models.CharField(editable=False, max_length=120)),
                ("size", models.PositiveIntegerField(editable=False)),
                ("form", models.CharField(editable=False, max_length=8)),
                ("columns", models.JSONField(editable=False, null=True)),
                ("kind", models.CharField(blank=True, editable=False, max_length=40)),
                (
                    "preview",
                    models.JSONField(
                        editable=False,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                    ),
                ),
                (
                    "result",
                    models.JSONField(
                        editable=False,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        null=True,
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("begun_at", models.DateTimeField(editable=False, null=True)),
                (
                    "owner",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "file to import",
                "verbose_name_plural": "files to import",
                "default_permissions": (),
                "indexes": [models.Index(fields=["created_at"], name="upload_created")],
            },
        ),
        migrations.CreateModel(
            name="UploadPiece",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("number", models.PositiveIntegerField(editable=False)),
                (
                    "content",
                    credentials.sealing.SecretField(
                        editable=False, max_length=524288, verbose_name="content"
                    ),
                ),
                (
                    "content_seal_version",
                    models.PositiveIntegerField(
                        default=0, editable=False, verbose_name="version of the seal"
                    ),
                ),
                (
                    "content_seal_key",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=8, verbose_name="key of the seal"
                    ),
                ),
                (
                    "upload",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="pieces",
                        to="credentials.upload",
                    ),
                ),
            ],
            options={
                "verbose_name": "piece of a file",
                "verbose_name_plural": "pieces of files",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(fields=["upload", "number"], name="upload_piece_once")
                ],
            },
        ),
    ]
