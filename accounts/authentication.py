"""Who sends this API request, and what it may do: a session may all that the person may, a token what it was given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from oauth2_provider.oauth2_backends import get_oauthlib_core
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.models import User

REALM = "keyrack"


@dataclass(frozen=True, kw_only=True)
class Rights:
    """What came with the request's token, instead of a session's."""

    scopes: frozenset[str]
    client_id: str


class BearerToken(BaseAuthentication):
    """An access token of ours in the Authorization header (RFC 6750 §2.1), and nowhere else."""

    def authenticate(self, request: Request) -> tuple[User, Rights] | None:
        if get_authorization_header(request)[:7].lower() != b"bearer ":
            return None
        is_valid, asked = get_oauthlib_core().verify_request(request._request, scopes=[])
        if not is_valid or asked.user is None:
            raise AuthenticationFailed("The access token is unknown, expired or revoked.", code="invalid_token")
        return asked.user, Rights(scopes=frozenset(asked.scopes), client_id=asked.client.client_id)

    def authenticate_header(self, request: Request) -> str:
        return f'Bearer realm="{REALM}"'


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # drf-spectacular has few types
    target_class = BearerToken
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}


class InsufficientScope(PermissionDenied):
    default_code = "insufficient_scope"


class HasScopes(BasePermission):
    """Every view says what each of its methods needs. One that says nothing lets no token in, and fails a test."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            return False
        rights = cast("Rights | None", request.auth)
        if rights is None:
            return True
        needed: Sequence[str] = view.needed_scopes(request.method)
        missing = [scope for scope in needed if scope not in rights.scopes]
        if missing:
            raise InsufficientScope(f"The access token lacks: {' '.join(missing)}.")
        return True
