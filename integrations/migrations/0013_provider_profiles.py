import foundation.secrets_at_rest
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0012_refusals_as_proof'),
    ]

    operations = [
        migrations.AddField(
            model_name='applicationregistry',
            name='provider_profile',
            field=models.JSONField(blank=True, default=dict, help_text='How this provider departs from the standards, as JSON. docs/provider-profiles.md has the format.', verbose_name='Provider’s ways'),
        ),
        migrations.AddField(
            model_name='authorizationattempt',
            name='choices',
            field=foundation.secrets_at_rest.EncryptedField(purpose='attempt'),
        ),
        migrations.AddField(
            model_name='token',
            name='provider_values',
            field=foundation.secrets_at_rest.EncryptedField(purpose='token'),
        ),
        migrations.AlterField(
            model_name='applicationregistry',
            name='send_credentials',
            field=models.CharField(choices=[('client_secret_basic', 'As Basic Authorization Header'), ('client_secret_basic_unencoded', 'As Basic Authorization Header, not form-encoded'), ('client_secret_post', 'In Request Body (Form URL-Encoded)'), ('none', 'None (public client)')], default='client_secret_basic', max_length=40, verbose_name='Send Credentials'),
        ),
        migrations.AlterField(
            model_name='authorizationattempt',
            name='status',
            field=models.CharField(choices=[('pending', 'Under way'), ('claimed', 'Answer received'), ('connected', 'Connected'), ('other_account', 'Waiting for a choice of account'), ('choice', 'Waiting for a choice at the provider'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='pending', max_length=20),
        ),
        migrations.AlterField(
            model_name='revocation',
            name='send_credentials',
            field=models.CharField(max_length=40),
        ),
    ]
