"""Helpers for permanent tokens, and users with single permissions."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.access_tokens import operations
from accounts.access_tokens.models import PermanentToken
from accounts.models import User
from tests import cast

BASE = "/api/v1/integrations/"
DAY = timedelta(days=1)


def make_token(user: User, *scopes: str, by: User | None = None, **fields: Any) -> tuple[PermanentToken, str]:
    fields = {"name": "nightly-report", "expires_at": timezone.now() + 90 * DAY, **fields}
    return operations.make_token(user, scopes=scopes or ["integrations:read"], by=by or user, **fields)


def caller(secret: str, **headers: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {secret}", **headers})


def status(secret: str, path: str = BASE, **options: Any) -> int:
    return caller(secret).get(path, **options).status_code


def permitted(username: str, *names: str) -> User:
    """A user of the cast with these permissions, such as `accounts.change_user`."""
    user = cast.person(username)
    for name in names:
        app, _, codename = name.partition(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return User.objects.get(pk=user.pk)
