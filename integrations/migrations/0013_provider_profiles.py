import foundation.secrets_at_rest
from django.db import migrations, models


def tell_entered_ends_from_told_ones(apps, _schema_editor):
    """Ends at a registry with an entered lifespan may be entered ones: such a refresh token is tried once more."""
    token_model = apps.get_model("integrations", "Token")
    entered = apps.get_model("integrations", "ApplicationRegistry").objects.exclude(refresh_token_lifespan=8_640_000)
    tokens = token_model.objects.filter(credential__profile__registry__in=entered.values("pk"))
    for told, now in (("known", "entered"), ("extended", "rolling")):
        rows = tokens.filter(refresh_expiry=told).values("pk")
        token_model.objects.filter(pk__in=rows).update(refresh_expiry=now)


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
        migrations.AddField(
            model_name='authorizationattempt',
            name='failure_meaning',
            field=models.CharField(blank=True, max_length=30, default=''),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name='token',
            name='refresh_expiry',
            field=models.CharField(blank=True, choices=[('', 'Assumed'), ('entered', 'Entered'), ('rolling', 'Entered, and counted from each renewal'), ('known', 'Known'), ('extended', 'Extended by each renewal')], editable=False, max_length=10),
        ),
        migrations.AddField(
            model_name='token',
            name='forced_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='token',
            name='forced_version',
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='token',
            name='unhelpful_renewals',
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name='token',
            name='lacking_scopes',
            field=models.JSONField(blank=True, default=list, editable=False),
        ),
        migrations.AddField(
            model_name='token',
            name='claims_challenge',
            field=models.TextField(blank=True, editable=False),
        ),
        migrations.AlterField(
            model_name='applicationregistry',
            name='misconfigured_use',
            field=models.CharField(blank=True, choices=[('tokens', 'Tokens'), ('sign_in', 'Sign-in'), ('revocation', 'Revocation'), ('refusals', 'Refusals')], editable=False, max_length=20),
        ),
        migrations.RunPython(tell_entered_ends_from_told_ones, migrations.RunPython.noop),
    ]
