from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0020_calendar_feeds'),
    ]

    operations = [
        migrations.AddField(
            model_name='token',
            name='due_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='token',
            name='idle_due_at',
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='applicationregistry',
            name='renewals_paced_until',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
    ]
