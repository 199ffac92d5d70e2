"""Seeds Amira's page Account security: a permanent token, an approved program, and a second session."""

from datetime import timedelta

import requests
from django.utils import timezone

from accounts.access_tokens import operations
from accounts.access_tokens.models import PermanentToken
from accounts.models import User
from accounts.oauth_server.models import Application, Approval
from demo import views

SCOPES = ["integrations:read"]
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/18.5 Mobile/15E148 Safari/604.1"
)


def seed(user: User) -> None:
    """Seed the user's access. Safe to repeat. Needs the running site: the session comes from the demo's link."""
    if not PermanentToken.objects.filter(user=user).exists():
        expires_at = timezone.now() + timedelta(days=90)
        operations.make_token(user, name="Nightly report", scopes=SCOPES, expires_at=expires_at, by=user)
    application, is_new = Application.objects.get_or_create(
        client_id="field-notes",
        defaults={
            "name": "Field Notes",
            "client_type": Application.CLIENT_PUBLIC,
            "authorization_grant_type": Application.GRANT_AUTHORIZATION_CODE,
            "redirect_uris": "http://127.0.0.1/field-notes",
            "allowed_scopes": " ".join(SCOPES),
        },
    )
    if is_new:
        Approval.objects.create(user=user, application=application, scopes=SCOPES)
        open_on_phone(views.link(user))


def open_on_phone(link: str) -> None:
    with requests.Session() as phone:
        phone.trust_env = False  # no proxy for loopback
        phone.get(link, headers={"User-Agent": PHONE}, timeout=30).raise_for_status()
