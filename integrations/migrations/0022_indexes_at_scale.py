"""Indexes, and the first deadlines of the tokens that are stored. Writers are not blocked; safe to repeat."""

from datetime import timedelta

from django.db import migrations, models
from django.db.models import Case, DateTimeField, ExpressionWrapper, F, Q, When
from django.db.models.functions import Coalesce, Least
from django.utils import timezone

from foundation.concurrent_indexes import AddIndexConcurrently, update_in_batches

FAR = timedelta(days=36500)


def fill_deadlines(apps, schema_editor):
    """Set each deadline to the earliest moment that it can be. The worker that finds it due sets the true one."""
    now = timezone.now()
    tokens = apps.get_model('integrations', 'Token').objects
    renewable = tokens.filter(state='valid', failure_code='', refresh_token__isnull=False, due_at__isnull=True)
    idle = ExpressionWrapper(F('refresh_expires_at') - timedelta(days=7), output_field=DateTimeField())
    used = ExpressionWrapper(F('expires_at') - timedelta(minutes=30), output_field=DateTimeField())
    is_used, idles = Q(last_used_at__gte=now - timedelta(days=1)), Q(refresh_expires_at__gt=now)
    idle_due_at = Case(When(idles, then=idle), output_field=DateTimeField())
    used_due_at = Case(When(is_used, then=used), output_field=DateTimeField())
    due_at = Least(Coalesce(idle_due_at, now + FAR), Coalesce(used_due_at, now + FAR))
    with_deadline = renewable.filter(idles | (is_used & Q(expires_at__isnull=False)))
    update_in_batches(with_deadline, due_at=due_at, idle_due_at=idle_due_at)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('integrations', '0021_renewal_deadlines'),
    ]

    operations = [
        migrations.RunPython(fill_deadlines, migrations.RunPython.noop, elidable=True),
        AddIndexConcurrently(
            model_name='token',
            index=models.Index(condition=Q(('due_at__isnull', False)), fields=['credential', 'due_at'], name='token_due'),
        ),
        AddIndexConcurrently(
            model_name='token',
            index=models.Index(condition=Q(('idle_due_at__isnull', False)), fields=['credential', 'idle_due_at'], name='token_idle_due'),
        ),
        AddIndexConcurrently(
            model_name='token',
            index=models.Index(fields=['credential', 'signed_in_at'], name='token_by_sign_in'),
        ),
        AddIndexConcurrently(
            model_name='renewal',
            index=models.Index(condition=Q(('outcome__in', ['refused', 'failed'])), fields=['asked_at'], name='renewal_refused_or_failed'),
        ),
        AddIndexConcurrently(
            model_name='token',
            index=models.Index(
                condition=Q(Q(('state', 'needs_reauth'), Q(('failure_code', ''), _negated=True), _connector='OR'), Q(('notice', 'needs_reauth'), _negated=True)),
                fields=['user'],
                name='token_owes_mail',
            ),
        ),
        AddIndexConcurrently(
            model_name='token',
            index=models.Index(condition=Q(('refresh_token__isnull', True), ('state', 'valid')), fields=['expires_at'], name='token_not_renewable'),
        ),
    ]
