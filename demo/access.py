"""Seeds Amira's page Account security: permanent tokens, an approved program, and a second session."""

import json
import os
from datetime import timedelta

import requests
from django.conf import settings
from django.utils import timezone

from accounts.access_tokens import operations
from accounts.access_tokens.models import PermanentToken
from accounts.models import User
from accounts.oauth_server.models import Application, Approval
from demo import agent, views

SCOPES = ["integrations:read"]
AGENT = "Demo agent"
OF_AGENT = ["remote-tables:read", "service:*", "subflows:run"]
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


def seed_agent(user: User) -> None:
    """Write the address and a token of the user for `agent.py`, readable by its owner only. Safe to repeat."""
    file = settings.DATA_DIR / agent.FILE
    if file.exists() and PermanentToken.objects.filter(user=user, name=AGENT).exists():
        token = json.loads(file.read_text(encoding="utf-8"))["token"]
    else:
        PermanentToken.objects.filter(user=user, name=AGENT).delete()
        expires_at = timezone.now() + timedelta(days=90)
        _row, token = operations.make_token(user, name=AGENT, scopes=OF_AGENT, expires_at=expires_at, by=user)
    file.unlink(missing_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:
        json.dump({"url": f"{settings.SITE_URL}/mcp", "token": token}, output)


def open_on_phone(link: str) -> None:
    with requests.Session() as phone:
        phone.trust_env = False  # no proxy for loopback
        phone.get(link, headers={"User-Agent": PHONE}, timeout=30).raise_for_status()
