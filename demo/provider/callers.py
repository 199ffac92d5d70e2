"""Identify and authenticate callers of the endpoints.

`client_of` trusts the request, which is enough to choose a fault; `authenticated_application` does not.
"""

import base64
import binascii
from urllib.parse import unquote_plus

from django.http import HttpRequest
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application
from oauth2_provider.oauth2_backends import get_oauthlib_core
from oauthlib.common import Request

from demo.provider.ledger import checksum
from demo.provider.models import Client

GRANT_TYPES = frozenset({"authorization_code", "refresh_token", "password", "client_credentials"})


def client_of(request: HttpRequest) -> Client | None:
    """Return the client that the request names, proved or not."""
    clients = Client.objects.select_related("application")
    if token := bearer_of(request):
        owner = AccessToken.objects.filter(token_checksum=checksum(token)).values("application_id")
        return clients.filter(application_id__in=owner).first()
    return clients.filter(application__client_id=_claimed_id(request)).first()


def grant_type_of(request: HttpRequest) -> str:
    """Return the grant type if it is one of ours; any other text could be a misplaced secret."""
    grant_type = request.POST.get("grant_type", "")
    return grant_type if grant_type in GRANT_TYPES else ""


def bearer_of(request: HttpRequest) -> str:
    """Return the bearer token of the Authorization header, the only place where we look for one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def access_token_of(request: HttpRequest) -> AccessToken | None:
    """Return the live access token that came with the request, of a person who is still active."""
    if not (token := bearer_of(request)):
        return None
    live = AccessToken.objects.select_related("user", "application__profile")
    return live.filter(token_checksum=checksum(token), expires__gt=timezone.now(), user__is_active=True).first()


def authenticated_application(request: HttpRequest) -> Application | None:
    """Return the client that proved itself by Basic or in the body (RFC 6749, 2.3.1)."""
    core = get_oauthlib_core()
    uri, method, body, headers = core._extract_params(request)
    oauth_request = Request(uri, method, body, headers)
    return oauth_request.client if core.server.request_validator.authenticate_client(oauth_request) else None


def _claimed_id(request: HttpRequest) -> str:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return request.POST.get("client_id", "")
    try:
        return unquote_plus(base64.b64decode(encoded).decode().partition(":")[0])
    except (binascii.Error, UnicodeDecodeError):
        return ""
