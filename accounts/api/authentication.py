"""Authentication of the REST API: sessions, bearer tokens and application passwords.

The fast path has bearer tokens as query conditions and columns. It makes no statement of its own: the caller adds these
parts to the query for what the program asks for. A token that is not accepted there goes to the authentication classes,
which can say why; what they would refuse is never accepted.
"""

import base64
import hashlib
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from django.db.models import CharField, Q, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_variables
from oauth2_provider.models import get_access_token_model
from oauth2_provider.oauth2_backends import get_oauthlib_core
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.request import Request

from accounts.access_tokens import operations, usage
from accounts.access_tokens.models import PermanentToken
from accounts.api.permissions import REALM, Limit, Rights, bearer_challenge
from accounts.models import User
from accounts.oauth_server.models import accepts_requests
from accounts.oauth_server.replays import hash_secret
from accounts.oauth_server.request_rules import is_url_covered
from accounts.sign_in import backends, mfa
from accounts.sign_in.lockout import limited_attempt
from accounts.sign_in.middleware import LockedOut, client_address, counted_address, seconds_locked
from foundation.database import Slot, columns_of

NOT_ALIVE = "The access token is unknown, expired or revoked."
OF_NO_PERSON = "The access token belongs to a program alone (client_credentials), and calls need a person."
WRONG_PASSWORD = "There is no such application password. The password of the account is not accepted here."  # noqa: S105
NO_SECOND_STEP = "Two-step sign-in is required of this user, who hasn't set it up yet."
LONGEST_NAME = 254
REFUSED_TOKENS = Limit(name="refused-tokens", times=100, seconds=600)


class BearerToken(BaseAuthentication):
    """A permanent token or an OAuth access token, in the Authorization header only (RFC 6750 §2.1)."""

    @method_decorator(sensitive_variables("header"))
    def authenticate(self, request: Request) -> tuple[User, Rights] | None:
        header = get_authorization_header(request)
        if header[:7].lower() != b"bearer ":
            return None
        user, rights = self.authenticate_token(request, header[7:].strip().decode("latin-1"))
        require_second_step(user)
        return user, rights

    @method_decorator(sensitive_variables("token"))
    def authenticate_token(self, request: Request, token: str) -> tuple[User, Rights]:
        if token.startswith(operations.TOKEN_PREFIX):
            return authenticate_permanent_token(request, token)
        is_valid, oauth_request = get_oauthlib_core().verify_request(request._request, scopes=[])
        if not is_valid or oauth_request.user is None:
            reason = OF_NO_PERSON if is_valid else reason_of_refusal(token, request.path)
            raise AuthenticationFailed(reason, code="invalid_token")
        return oauth_request.user, Rights(
            scopes=frozenset(oauth_request.scopes),
            client_id=oauth_request.client.client_id,
            name=oauth_request.client.name,
        )

    def authenticate_header(self, request: Request) -> str:
        return bearer_challenge()


@sensitive_variables("token")
def reason_of_refusal(token: str, path: str) -> str:
    """Why an OAuth access token is not accepted at this path. One that is alive may be bound to other addresses."""
    row = get_access_token_model().objects.filter(token_checksum=hash_secret(token)).first()
    if row and row.resource and row.is_valid() and not is_url_covered(path, row.resource):
        return f"The access token is for {' '.join(row.resource)} only (RFC 8707)."
    return NOT_ALIVE


@sensitive_variables("token")
def authenticate_permanent_token(request: Request, token: str) -> tuple[User, Rights]:
    """User and rights of a permanent token. Throttles an address that sends too many invalid ones."""
    row = operations.verify_token(token, client_address(request._request))
    if row is None:
        if REFUSED_TOKENS.count(counted_address(request._request)):
            raise Throttled(wait=REFUSED_TOKENS.wait())
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
        place = usage.known_place(user, address) if user else ""
        try:
            with limited_attempt(request._request, user, name=username, known_place=place) as current:
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


class Session(SessionAuthentication):
    """The session of a signed-in user.

    Ignored if the request has an Authorization header: a cookie must not let an invalid token pass.
    """

    def authenticate(self, request: Request) -> Any:
        if "HTTP_AUTHORIZATION" in request.META:
            return None
        user_and_auth = super().authenticate(request)
        if user_and_auth:
            require_second_step(user_and_auth[0])
        return user_and_auth


def require_second_step(user: User) -> None:
    """Raise `PermissionDenied` if the user must set up two-step sign-in first. Application passwords need it anyway."""
    if mfa.is_missing(user):
        raise PermissionDenied(NO_SECOND_STEP)


# Fast path ------------------------------------------------------------------------------------------------------------


USER = columns_of(User, "id", "username", "is_active", "is_superuser")  # other columns are deferred
CHECKSUM, PUBLIC_ID = Slot("checksum", CharField()), Slot("public_id", CharField())


@dataclass(frozen=True, kw_only=True, slots=True)
class Bearer:
    """User and rights behind a request, with the attributes that throttles, permissions and views read."""

    user: User
    auth: Rights
    permanent_token: PermanentToken | None = None


class PresentedToken(Protocol):
    """A token in a request, as query conditions and columns. `user`: the lookup path to the user."""

    @property
    def values(self) -> dict[str, str]: ...
    @staticmethod
    def user_id() -> Subquery: ...
    @staticmethod
    def condition(user: str) -> Q: ...
    @staticmethod
    def columns(user: str) -> tuple[str, ...]: ...
    def bearer_in(self, columns: list[Any]) -> Bearer | None: ...


@dataclass(frozen=True, kw_only=True)
class OAuthToken:
    """An access token of our OAuth server, found by its SHA-256."""

    TOKEN: ClassVar = (
        *("expires", "scope", "resource", "application__client_id", "application__name"),
        *("application__standing", "application__cimd_expires_at"),
    )

    checksum: str

    @property
    def values(self) -> dict[str, str]:
        return {"checksum": self.checksum}

    @staticmethod
    def user_id() -> Subquery:
        return Subquery(get_access_token_model().objects.filter(token_checksum=CHECKSUM).values("user_id"))

    @staticmethod
    def condition(user: str) -> Q:
        token = f"{user}__{related_access_tokens()}"
        return Q(**{f"{token}__token_checksum": CHECKSUM, f"{token}__application__isnull": False})

    @classmethod
    def columns(cls, user: str) -> tuple[str, ...]:
        token = f"{user}__{related_access_tokens()}"
        return (*(f"{user}__{name}" for name in USER), *(f"{token}__{name}" for name in cls.TOKEN))

    def bearer_in(self, columns: list[Any]) -> Bearer | None:
        expires, scope, resource, client_id, name, standing, document_expires_at = columns[len(USER) :]
        if expires <= timezone.now() or resource or not accepts_requests(standing, document_expires_at):
            return None
        return Bearer(
            user=user_in(columns), auth=Rights(scopes=frozenset(scope.split()), client_id=client_id, name=name)
        )


@dataclass(frozen=True, kw_only=True)
class PermanentTokenSecret:
    """A permanent token, found by its public part and verified by the keyed hash."""

    TOKEN: ClassVar = tuple(column.attname for column in PermanentToken._meta.concrete_fields)

    public_id: str
    secret: str = field(repr=False)
    address: str

    @property
    def values(self) -> dict[str, str]:
        return {"public_id": self.public_id}

    @staticmethod
    def user_id() -> Subquery:
        return Subquery(PermanentToken.objects.filter(public_id=PUBLIC_ID).values("user_id"))

    @staticmethod
    def condition(user: str) -> Q:
        return Q(**{f"{user}__permanent_tokens__public_id": PUBLIC_ID})

    @classmethod
    def columns(cls, user: str) -> tuple[str, ...]:
        return (*(f"{user}__{name}" for name in USER), *(f"{user}__permanent_tokens__{name}" for name in cls.TOKEN))

    @sensitive_variables()
    def bearer_in(self, columns: list[Any]) -> Bearer | None:
        """User and rights from the columns read; None if the token doesn't work.

        The scopes of a token that its owner created are not reduced here: admission checks the owner's rights.
        """
        token = PermanentToken.from_db("default", self.TOKEN, columns[len(USER) :])
        token.user = user_in(columns)
        if not token.is_alive or not operations.matches_secret(token, self.secret):
            return None
        if token.is_own:
            scopes: Set[str] = frozenset(token.scopes)
        elif operations.has_active_people(token):
            scopes = operations.effective_scopes(token)
        else:
            return None
        auth = Rights(scopes=scopes, secret_id=f"token {token.pk}", name=token.name)
        return Bearer(user=token.user, auth=auth, permanent_token=token)


TOKEN_KINDS: tuple[type[PresentedToken], ...] = (OAuthToken, PermanentTokenSecret)


@sensitive_variables("token")
def bearer_token_in(request: HttpRequest) -> PresentedToken | None:
    """The bearer token of the request (RFC 6750 §2.1); None if there is none, or a malformed one."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not token.isascii():
        return None
    if not token.startswith(operations.TOKEN_PREFIX):
        return OAuthToken(checksum=hashlib.sha256(token.encode()).hexdigest())
    public_id = operations.public_part(token)
    if not public_id:
        return None
    return PermanentTokenSecret(public_id=public_id, secret=token, address=client_address(request))


def record_token_use(presented: PresentedToken, bearer: Bearer) -> None:
    """Store the use of a permanent token. Uses of access tokens are not recorded."""
    if isinstance(presented, PermanentTokenSecret) and bearer.permanent_token:
        operations.record_use(bearer.permanent_token, presented.secret, presented.address)


def user_in(columns: list[Any]) -> User:
    return User.from_db("default", USER, columns[: len(USER)])


def related_access_tokens() -> str:
    return str(get_access_token_model()._meta.get_field("user").related_query_name())
