import uuid

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import credentials.fields
import credentials.sealing
import health.fields


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0006_key_check"),
        ("health", "0003_schedule"),
    ]

    operations = [
        migrations.CreateModel(
            name="Channel",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                (
                    "name",
                    health.fields.PlainTextField(
                        help_text="As it is called here, such as “On call” or “Customer success”.",
                        max_length=100,
                        unique=True,
                        verbose_name="name",
                    ),
                ),
                (
                    "way",
                    models.CharField(
                        choices=[("email", "E-mail"), ("slack", "Slack"), ("webhook", "Webhook")],
                        editable=False,
                        max_length=16,
                        verbose_name="way",
                    ),
                ),
                (
                    "enabled",
                    models.BooleanField(
                        default=True,
                        help_text="Off: nothing is sent, and what happens meanwhile is not sent later.",
                        verbose_name="switched on",
                    ),
                ),
                (
                    "addresses",
                    credentials.fields.StringListField(
                        blank=True,
                        default=list,
                        help_text="E-mail addresses, separated by spaces or lines. All get the same message.",
                        verbose_name="addresses",
                    ),
                ),
                (
                    "url",
                    credentials.sealing.SecretField(
                        blank=True,
                        help_text="The whole address, https only. It is stored like a secret and never shown again.",
                        max_length=2048,
                        null=True,
                        verbose_name="URL",
                    ),
                ),
                ("host", models.CharField(blank=True, editable=False, max_length=253, verbose_name="host")),
                (
                    "signing_secret",
                    credentials.sealing.SecretField(
                        blank=True,
                        help_text="The receiver needs the same one, and proves by it that a message is ours.",
                        max_length=200,
                        null=True,
                        verbose_name="signing secret",
                    ),
                ),
                (
                    "owner",
                    models.CharField(
                        blank=True,
                        choices=[("", "The customer or we"), ("customer", "The customer"), ("us", "We")],
                        help_text="Only what waits for them is told.",
                        max_length=16,
                        verbose_name="who must act",
                    ),
                ),
                (
                    "providers",
                    credentials.fields.StringListField(
                        blank=True,
                        default=list,
                        help_text="Only what is at these providers. None chosen: all.",
                        verbose_name="providers",
                    ),
                ),
                (
                    "kinds",
                    credentials.fields.StringListField(
                        blank=True,
                        default=list,
                        help_text="Only where a component of these kinds changes its status, by itself or because of another. None chosen: all.",
                        verbose_name="kinds",
                    ),
                ),
                (
                    "metadata",
                    credentials.fields.JsonObjectField(
                        blank=True,
                        default=dict,
                        help_text="Only credentials whose metadata hold all of these, and what needs such a credential. One on each line: customer_id=acme. Empty: all.",
                        verbose_name="metadata",
                    ),
                ),
                (
                    "recoveries",
                    models.BooleanField(
                        default=True,
                        help_text="Also say when something works again.",
                        verbose_name="tell recoveries",
                    ),
                ),
                (
                    "remind_every",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Hours between two reminders while it lasts, 1 to 720. Empty: no reminders.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(720),
                        ],
                        verbose_name="remind every",
                    ),
                ),
                ("listens_since", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("hold_until", models.DateTimeField(editable=False, null=True)),
                ("failures", models.PositiveIntegerField(default=0, editable=False)),
                (
                    "last_sent_at",
                    models.DateTimeField(editable=False, null=True, verbose_name="last message"),
                ),
                ("version", models.PositiveIntegerField(default=1, editable=False)),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated")),
                (
                    "url_seal_version",
                    models.PositiveIntegerField(
                        default=0, editable=False, verbose_name="version of the seal"
                    ),
                ),
                (
                    "url_seal_key",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=8, verbose_name="key of the seal"
                    ),
                ),
                (
                    "signing_secret_seal_version",
                    models.PositiveIntegerField(
                        default=0, editable=False, verbose_name="version of the seal"
                    ),
                ),
                (
                    "signing_secret_seal_key",
                    models.CharField(
                        blank=True, default="", editable=False, max_length=8, verbose_name="key of the seal"
                    ),
                ),
            ],
            options={
                "verbose_name": "notification channel",
                "verbose_name_plural": "notification channels",
                "ordering": ["name"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("way__in", ["email", "slack", "webhook"])),
                        name="channel_way_is_known",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("key", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "stage",
                    models.CharField(
                        choices=[
                            ("began", "Failure"),
                            ("reminder", "Reminder"),
                            ("recovered", "Recovery"),
                            ("test", "Test"),
                        ],
                        max_length=16,
                    ),
                ),
                ("number", models.PositiveIntegerField(default=0)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending", "Waiting"),
                            ("sent", "Delivered"),
                            ("folded", "Told together with others"),
                            ("given_up", "Given up"),
                            ("dropped", "Not sent: the channel was switched off"),
                        ],
                        default="pending",
                        max_length=16,
                    ),
                ),
                ("likeness", models.CharField(blank=True, max_length=200)),
                ("gathers", models.BooleanField(default=False)),
                ("due_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("settled_at", models.DateTimeField(null=True)),
                (
                    "channel",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="credentials.channel",
                    ),
                ),
                (
                    "flip",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="deliveries",
                        to="health.flip",
                    ),
                ),
                (
                    "spoken_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="speaks_for",
                        to="credentials.delivery",
                    ),
                ),
            ],
            options={
                "verbose_name": "delivery",
                "verbose_name_plural": "deliveries",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Attempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                ("ended_at", models.DateTimeField(null=True)),
                ("worked", models.BooleanField(default=False)),
                ("status", models.PositiveSmallIntegerField(null=True)),
                ("reason", models.CharField(blank=True, max_length=200)),
                (
                    "delivery",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tries",
                        to="credentials.delivery",
                    ),
                ),
            ],
            options={
                "verbose_name": "attempt",
                "verbose_name_plural": "attempts",
                "default_permissions": (),
            },
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(("state", "pending")), fields=["channel", "due_at"], name="delivery_due"
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["channel", "-id"], name="delivery_newest"),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(fields=["channel", "likeness", "created_at"], name="delivery_alike"),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.UniqueConstraint(fields=("channel", "flip", "number"), name="delivery_once"),
        ),
        migrations.AddConstraint(
            model_name="attempt",
            constraint=models.UniqueConstraint(fields=("delivery", "number"), name="attempt_once"),
        ),
    ]
