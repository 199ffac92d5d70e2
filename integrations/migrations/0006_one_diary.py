"""Events of integrations move to the diary that all of the site keeps."""

from django.db import migrations

AT_ONCE = 1_000


def in_batches(rows):
    batch = []
    for row in rows.iterator(chunk_size=AT_ONCE):
        batch.append(row)
        if len(batch) == AT_ONCE:
            yield batch
            batch = []
    yield batch


def move(apps, schema_editor):
    database = schema_editor.connection.alias
    old, new = apps.get_model('integrations', 'Event'), apps.get_model('accounts', 'Event')
    for events in in_batches(old.objects.using(database).select_related('credential')):
        new.objects.using(database).bulk_create(
            new(
                id=event.id,
                at=event.at,
                kind=event.kind,
                detail=event.detail,
                whose_id=event.user_id,
                whose_name=event.username,
                subject=event.credential.name[:200] if event.credential else '',
                subject_id=event.credential_id,
            )
            for event in events
        )


def move_back(apps, schema_editor):
    """Of the site's events only those that were moved; by their kinds, which the old table knew."""
    database = schema_editor.connection.alias
    old, new = apps.get_model('integrations', 'Event'), apps.get_model('accounts', 'Event')
    credentials = set(apps.get_model('integrations', 'OAuth2Credential').objects.using(database).values_list('pk', flat=True))
    kinds = [kind for kind, _words in old._meta.get_field('kind').choices]
    for events in in_batches(new.objects.using(database).filter(kind__in=kinds)):
        old.objects.using(database).bulk_create(
            old(
                id=event.id,
                at=event.at,
                kind=event.kind,
                detail=event.detail,
                user_id=event.whose_id,
                username=event.whose_name,
                credential_id=event.subject_id if event.subject_id in credentials else None,
            )
            for event in events
        )
        new.objects.using(database).filter(pk__in=[event.pk for event in events]).delete()


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0003_diary'),
        ('integrations', '0005_configuration_templates'),
    ]

    operations = [
        migrations.RunPython(move, move_back),
        migrations.DeleteModel(
            name='Event',
        ),
    ]
