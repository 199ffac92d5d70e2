"""The migration of keys of deferred mails: those about tokens had hyphens, and their rows would never be deleted."""

import importlib
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import connection

from foundation.mail_outbox import DeferredMail

pytestmark = pytest.mark.django_db


def test_only_rows_with_old_keys_are_deleted() -> None:
    secret = uuid4()
    kept = {f"made:permanenttoken:{secret.hex}", f"moved:{secret.hex}", "sign-in-again:7"}
    old = {f"made:permanenttoken:{secret}", f"leaked:applicationpassword:{secret}"}
    DeferredMail.objects.bulk_create([DeferredMail(key=key) for key in kept | old])
    migration = importlib.import_module("accounts.migrations.0017_keys_of_deferred_mails")
    migration.forget_old_keys(apps, connection.schema_editor(collect_sql=True))
    assert {*DeferredMail.objects.values_list("key", flat=True)} == kept
