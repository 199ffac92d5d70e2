"""Bearer tokens as query conditions and columns, for the fast path.

Makes no statement of its own: the caller adds these parts to the query for what the program asks for. A token that is
not accepted here goes to `accounts.api.authentication`, which can say why. Never accepts what that would refuse.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from django.db.models import CharField, Q, Subquery
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables
from oauth2_provider.models import get_access_token_model

from accounts.access_tokens import operations, token_formats
from accounts.access_tokens.models import PermanentToken
from accounts.api.authentication import Rights
from accounts.models import User
from accounts.sign_in.lockout import client_address
from foundation.database import Slot, columns_of

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

    TOKEN: ClassVar = ("expires", "scope", "resource", "application__client_id", "application__name")

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
        expires, scope, resource, client_id, name = columns[len(USER) :]
        if expires <= timezone.now() or resource:
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
            scopes = frozenset(token.scopes)
        elif operations.has_active_people(token):
            scopes = operations.effective_scopes(token)
        else:
            return None
        auth = Rights(scopes=scopes, secret_id=f"token {token.pk}", name=token.name)
        return Bearer(user=token.user, auth=auth, permanent_token=token)


KINDS: tuple[type[PresentedToken], ...] = (OAuthToken, PermanentTokenSecret)


@sensitive_variables("token")
def bearer_token_in(request: HttpRequest) -> PresentedToken | None:
    """The bearer token of the request (RFC 6750 §2.1); None if there is none, or a malformed one."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not token.isascii():
        return None
    if not token.startswith(token_formats.PREFIX):
        return OAuthToken(checksum=hashlib.sha256(token.encode()).hexdigest())
    public_id = token_formats.public_part(token)
    if not public_id:
        return None
    return PermanentTokenSecret(public_id=public_id, secret=token, address=client_address(request))


def record_use(presented: PresentedToken, bearer: Bearer) -> None:
    """Store the use of a permanent token. Uses of access tokens are not recorded."""
    if isinstance(presented, PermanentTokenSecret) and bearer.permanent_token:
        operations.record_use(bearer.permanent_token, presented.secret, presented.address)


def user_in(columns: list[Any]) -> User:
    return User.from_db("default", USER, columns[: len(USER)])


def related_access_tokens() -> str:
    return str(get_access_token_model()._meta.get_field("user").related_query_name())
