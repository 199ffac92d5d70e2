"""Token introspection (RFC 7662): which client asks, and what it is told of a token of its own."""

from typing import Any, cast

from django.http import HttpRequest
from oauth2_provider.models import get_access_token_model, get_refresh_token_model
from oauth2_provider.oauth2_backends import get_oauthlib_core
from oauthlib.common import Request

from accounts import token_families
from accounts.models import User
from accounts.oauth_server.code_replay import digest
from accounts.oauth_server.models import Application
from accounts.oauth_server.refresh_rules import is_active

AccessToken, RefreshToken = get_access_token_model(), get_refresh_token_model()


def asking_client(request: HttpRequest) -> Application | None:
    """The confidential client that proved its identity in this request (RFC 6749 §2.3.1)."""
    core = get_oauthlib_core()
    asked = Request(*core._extract_params(request))
    if not core.server.request_validator.authenticate_client(asked):
        return None
    client = cast(Application, asked.client)
    return client if client.client_type == Application.CLIENT_CONFIDENTIAL else None


def introspection(token: str, client: Application) -> dict[str, Any] | None:
    """What RFC 7662 tells of a living token of this client; None for any other."""
    mine = {"token_checksum": digest(token), "application": client}
    found = AccessToken.objects.select_related("user").filter(**mine).first()
    if found and found.is_valid() and is_active(found.user):
        audience = {"aud": found.resource} if found.resource else {}
        return told_of(found.user, client, scope=found.scope, exp=int(found.expires.timestamp()), **audience)
    held = RefreshToken.objects.select_related("user", "access_token").filter(**mine, revoked__isnull=True).first()
    if held and held.access_token and is_active(held.user) and not token_families.is_over(held.token_family):
        return told_of(held.user, client, scope=held.access_token.scope)
    return None


def told_of(user: User | None, client: Application, **facts: Any) -> dict[str, Any]:
    who = {"username": user.get_username(), "sub": str(user.pk)} if user else {}
    return {"active": True, "client_id": client.client_id, **who, **facts}
