"""Token introspection (RFC 7662), for confidential clients and their own tokens."""

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


def authenticate_client(request: HttpRequest) -> Application | None:
    """The confidential client that authenticates in this request (RFC 6749 §2.3.1); None if there is none."""
    core = get_oauthlib_core()
    oauth_request = Request(*core._extract_params(request))
    if not core.server.request_validator.authenticate_client(oauth_request):
        return None
    client = cast(Application, oauth_request.client)
    return client if client.client_type == Application.CLIENT_CONFIDENTIAL else None


def introspect_token(token: str, client: Application) -> dict[str, Any] | None:
    """The response for an active token of this client (RFC 7662 §2.2); None for any other token."""
    of_client = {"token_checksum": digest(token), "application": client}
    access_token = AccessToken.objects.select_related("user").filter(**of_client).first()
    if access_token and access_token.is_valid() and is_active(access_token.user):
        audience = {"aud": access_token.resource} if access_token.resource else {}
        return active_response(
            access_token.user, client, scope=access_token.scope, exp=int(access_token.expires.timestamp()), **audience
        )
    rows = RefreshToken.objects.select_related("user", "access_token").filter(**of_client, revoked__isnull=True)
    row = rows.first()
    if row and row.access_token and is_active(row.user) and not token_families.is_over(row.token_family):
        return active_response(row.user, client, scope=row.access_token.scope)
    return None


def active_response(user: User | None, client: Application, **facts: Any) -> dict[str, Any]:
    owner = {"username": user.get_username(), "sub": str(user.pk)} if user else {}
    return {"active": True, "client_id": client.client_id, **owner, **facts}
