"""Each token gets the addresses that are set up now, as if its owner had just signed in: nobody has to do it again."""

import hashlib
import json

from django.db import migrations, models

AT_ONCE = 500
ENDPOINTS = (
    'token_url', 'refresh_url', 'token_revocation_url', 'token_introspection_url', 'userinfo_url',
    'account_settings_url',
)


def agreement(registry, connection_urls):
    headers = registry.call_headers
    return {
        'connections': sorted(set(connection_urls)),
        **{name: getattr(registry, name) for name in ENDPOINTS},
        'base_url_hosts': registry.base_url_hosts.split(),
        'call_headers': hashlib.sha256(json.dumps(headers, sort_keys=True).encode()).hexdigest() if headers else '',
        'revocation_request': registry.revocation_request,
    }


def fill(apps, schema_editor):
    database = schema_editor.connection.alias
    rows = {name: apps.get_model('integrations', name) for name in (
        'OAuth2Credential', 'HttpConnection', 'Token', 'AuthorizationAttempt',
    )}
    credentials = rows['OAuth2Credential'].objects.using(database).select_related('profile__registry')
    for credential in credentials.iterator(chunk_size=AT_ONCE):
        connections = rows['HttpConnection'].objects.using(database).filter(credential=credential, active=True)
        agreed = agreement(credential.profile.registry, connections.values_list('connection_url', flat=True))
        for name in ('Token', 'AuthorizationAttempt'):
            rows[name].objects.using(database).filter(credential=credential).update(agreed=agreed)


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0008_revocation_witnesses'),
    ]

    operations = [
        migrations.AddField(
            model_name='token',
            name='agreed',
            field=models.JSONField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name='authorizationattempt',
            name='agreed',
            field=models.JSONField(default=dict),
        ),
        migrations.AddField(
            model_name='applicationregistry',
            name='moved_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name='applicationregistry',
            name='moved_told_at',
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
