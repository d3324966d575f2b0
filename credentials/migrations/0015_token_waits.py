from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credentials", "0014_jobs")]

    operations = [
        migrations.AddField(
            model_name="accesstoken",
            name="failures",
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="accesstoken",
            name="wait_until",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="accesstoken",
            name="failed_code",
            field=models.CharField(blank=True, editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name="accesstoken",
            name="failed_with",
            field=models.CharField(blank=True, editable=False, max_length=64),
        ),
    ]
