"""Authentication and permission classes of the REST API: sessions, bearer tokens and application passwords.

A session has all rights of its user, a token only its scopes.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from oauth2_provider.oauth2_backends import get_oauthlib_core
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.access_tokens import operations, token_formats
from accounts.api.rate_limits import Limit
from accounts.models import User
from accounts.sign_in import backends
from accounts.sign_in.lockout import LockedOut, attempt, client_address, counted_address, seconds_locked

REALM = "keyrack"
NOT_ALIVE = "The access token is unknown, expired or revoked."
WRONG_PASSWORD = "There is no such application password. The password of the account is not accepted here."  # noqa: S105
LONGEST_NAME = 254
REFUSED_TOKENS = Limit(name="refused-tokens", times=100, seconds=600)


def challenge(**attributes: str) -> str:
    """The WWW-Authenticate header of an error (RFC 6750 §3). Pass no values from outside: quotes are not escaped."""
    words = {"realm": REALM, **attributes}
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in words.items())


@dataclass(frozen=True, kw_only=True)
class Rights:
    """Scopes and origin of a token, as `request.auth`. None there stands for a session."""

    scopes: frozenset[str]
    client_id: str = ""  # of an OAuth access token
    secret_id: str = ""  # of a permanent token or an application password
    name: str = ""  # of the application, token or password, as its user knows it

    @property
    def counted_as(self) -> str:
        """Key of the program in throttles."""
        return self.client_id or self.secret_id


class BearerToken(BaseAuthentication):
    """A permanent token or an OAuth access token, in the Authorization header only (RFC 6750 §2.1)."""

    @method_decorator(sensitive_variables("header", "token"))
    def authenticate(self, request: Request) -> tuple[User, Rights] | None:
        header = get_authorization_header(request)
        if header[:7].lower() != b"bearer ":
            return None
        token = header[7:].strip().decode("latin-1")
        if token.startswith(token_formats.PREFIX):
            return authenticate_permanent_token(request, token)
        is_valid, oauth_request = get_oauthlib_core().verify_request(request._request, scopes=[])
        if not is_valid or oauth_request.user is None:
            raise AuthenticationFailed(NOT_ALIVE, code="invalid_token")
        return oauth_request.user, Rights(
            scopes=frozenset(oauth_request.scopes),
            client_id=oauth_request.client.client_id,
            name=oauth_request.client.name,
        )

    def authenticate_header(self, request: Request) -> str:
        return challenge()


@sensitive_variables("token")
def authenticate_permanent_token(request: Request, token: str) -> tuple[User, Rights]:
    """User and rights of a permanent token. Throttles an address that sends too many invalid ones."""
    row = operations.verify_token(token, client_address(request._request))
    if row is None:
        if REFUSED_TOKENS.count(counted_address(request._request)):
            raise Throttled(wait=REFUSED_TOKENS.seconds)
        raise AuthenticationFailed(NOT_ALIVE, code="invalid_token")
    return row.user, Rights(scopes=operations.effective_scopes(row), secret_id=f"token {row.pk}", name=row.name)


class ApplicationPasswordOverBasic(BaseAuthentication):
    """Username and application password (RFC 7617). The password of the account is refused."""

    @method_decorator(sensitive_variables("header", "password"))
    def authenticate(self, request: Request) -> tuple[User, Rights] | None:
        header = get_authorization_header(request)
        if header[:6].lower() != b"basic ":
            return None
        username, password = name_and_password(header[6:])
        user, address = backends.find_user(username), client_address(request._request)
        place = operations.known_place(user, address) if user else ""
        try:
            with attempt(request._request, user, name=username, known_place=place) as current:
                row = user and operations.verify_application_password(user, password, address)
                current.has_succeeded = bool(row)
        except LockedOut:
            raise Throttled(wait=seconds_locked()) from None
        if not row:
            raise AuthenticationFailed(WRONG_PASSWORD)
        scopes = operations.application_password_scopes(row)
        return row.user, Rights(scopes=scopes, secret_id=f"password {row.pk}", name=row.name)

    def authenticate_header(self, request: Request) -> str:
        return f'Basic realm="{REALM}"'


@sensitive_variables()
def name_and_password(encoded: bytes) -> tuple[str, str]:
    try:
        name, separator, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        name = separator = password = ""
    if not separator or "\0" in name or len(name) > LONGEST_NAME:
        raise AuthenticationFailed(WRONG_PASSWORD)
    return name, password


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # drf-spectacular is partly untyped
    target_class = BearerToken
    name = "bearer"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        words = "An access token from `/o/token/`, or a permanent token."
        return {"type": "http", "scheme": "bearer", "description": words}


class Session(SessionAuthentication):
    """The session of a signed-in user.

    Ignored if the request has an Authorization header: a cookie must not let an invalid token pass.
    """

    def authenticate(self, request: Request) -> Any:
        if "HTTP_AUTHORIZATION" in request.META:
            return None
        return super().authenticate(request)


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = Session
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        words = "A session of Keyrack's own pages. Requests that change something also need the header `X-CSRFToken`."
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME, "description": words}


class ApplicationPasswordScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # as above
    target_class = ApplicationPasswordOverBasic
    name = "application password"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "basic"}


class InsufficientScope(PermissionDenied):
    """The token lacks a scope. `needed` has all scopes of the call, not just the missing ones (RFC 6750 §3.1)."""

    default_code = "insufficient_scope"

    def __init__(self, needed: Sequence[str], missing: Sequence[str]) -> None:
        super().__init__(f"The access token lacks: {' '.join(missing)}.")
        self.needed = tuple(needed)


class HasScopes(BasePermission):
    """Allows sessions, and tokens with the scopes that `needed_scopes` of the view names for the method.

    A view without `needed_scopes` refuses every token. This is the default permission class, so that no view lacks it.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            return False
        rights = cast("Rights | None", request.auth)
        if rights is None:
            return True
        if not hasattr(view, "needed_scopes"):
            return False
        needed: Sequence[str] = view.needed_scopes(request.method)
        missing = [scope for scope in needed if scope not in rights.scopes]
        if missing:
            raise InsufficientScope(needed, missing)
        return True
