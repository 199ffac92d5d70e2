"""Tokens of ours that programs present, as parts of another query: the fast path of calls that come again.

No statement of its own: conditions and columns for the one that looks up what the program asks for. It accepts or knows
nothing: `accounts.api.authentication` is asked then, which can say why not. It never accepts what that would refuse.
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
from foundation.compiled_queries import Slot, columns_of

USER = columns_of(User, "id", "username", "is_active", "is_superuser")  # the rest is read where it is asked for
CHECKSUM, PUBLIC_ID = Slot("checksum", CharField()), Slot("public_id", CharField())


@dataclass(frozen=True, kw_only=True, slots=True)
class Bearer:
    """Who a request comes from and what its token allows, as throttles, permissions and views see it."""

    user: User
    auth: Rights
    permanent_token: PermanentToken | None = None


class Presented(Protocol):
    """A token in a request: which rows it belongs to, and what is read of them. `user`: the lookup of the user."""

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
    """An access token of our own server (RFC 6749), which stores its SHA-256."""

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
    """A permanent token, known by its public part and proved by the hash of the whole."""

    TOKEN: ClassVar = tuple(each.attname for each in PermanentToken._meta.concrete_fields)

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
        """Of one's own token the scopes are taken as they are: admission has asked what the owner may do."""
        token = PermanentToken.from_db("default", self.TOKEN, columns[len(USER) :])
        token.user = user_in(columns)
        if not token.is_alive or not operations.reads_so(token, self.secret):
            return None
        if token.is_own:
            scopes = frozenset(token.scopes)
        elif operations.stands(token):
            scopes = operations.rights_of(token)
        else:
            return None
        auth = Rights(scopes=scopes, secret_id=f"token {token.pk}", name=token.name)
        return Bearer(user=token.user, auth=auth, permanent_token=token)


KINDS: tuple[type[Presented], ...] = (OAuthToken, PermanentTokenSecret)


@sensitive_variables("token")
def presented(request: HttpRequest) -> Presented | None:
    """The bearer token of the request (RFC 6750 §2.1); None where there is none that could be ours."""
    scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer" or not token.isascii():
        return None
    if not token.startswith(token_formats.PREFIX):
        return OAuthToken(checksum=hashlib.sha256(token.encode()).hexdigest())
    public_id = token_formats.public_part(token)
    if not public_id:
        return None
    return PermanentTokenSecret(public_id=public_id, secret=token, address=client_address(request))


def note_use(presented: Presented, bearer: Bearer) -> None:
    """When a permanent token was last used. Uses of access tokens are not written down."""
    if isinstance(presented, PermanentTokenSecret) and bearer.permanent_token:
        operations.note_use(bearer.permanent_token, presented.secret, presented.address)


def user_in(columns: list[Any]) -> User:
    return User.from_db("default", USER, columns[: len(USER)])


def related_access_tokens() -> str:
    return str(get_access_token_model()._meta.get_field("user").related_query_name())
