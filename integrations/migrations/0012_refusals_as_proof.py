from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0011_what_is_known'),
    ]

    operations = [
        migrations.AddField(
            model_name='revocation',
            name='token_id',
            field=models.UUIDField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='revocation',
            name='granted_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='revocation',
            name='is_refusal_proof',
            field=models.BooleanField(default=True, editable=False),
        ),
    ]
