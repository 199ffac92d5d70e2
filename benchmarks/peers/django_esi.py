"""django-esi: `Token.get_token(character, scopes).valid_access_token()`, as its documentation says.

After a refresh it looks the token up in the keys of its one provider. They are put into its cache here: EVE Online's
address cannot be configured, and nobody is asked over the internet.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.utils import timezone
from esi.models import Scope, Token
from esi.sso import JWKS_CACHE_KEY

from benchmarks import filling
from benchmarks.filling import ACCESS_TOKEN, PROVIDERS, REFRESH_TOKEN

SCOPE = "esi-skills.read_skills.v1"
ITS_KEYS = {"keys": [{"alg": "RS256", "kty": "RSA", "e": "AQAB", "n": "AQAB"}]}


def token_of(user_id: int, character: int, *, refresh_token: str = REFRESH_TOKEN) -> Any:
    return Token(
        user_id=user_id,
        character_id=character,
        character_name=f"Character {character}",
        character_owner_hash=str(character),
        access_token=ACCESS_TOKEN,
        refresh_token=refresh_token,
    )


def scope() -> Any:
    return Scope.objects.get_or_create(name=SCOPE, defaults={"help_text": "Read"})[0]


def character_of(user_id: int, provider: int) -> int:
    """A person of EVE Online has characters, each with a token of its own."""
    return user_id * PROVIDERS + provider


def prepare(refresh_token: str) -> None:
    user = get_user_model().objects.create_user("amira")
    token = token_of(user.pk, 1, refresh_token=refresh_token)
    token.save()
    token.scopes.add(scope())
    Token.objects.update(created=timezone.now() - timedelta(days=2))


def caller() -> Callable[[], str]:
    Token.objects.count()  # connects
    cache.set(JWKS_CACHE_KEY, ITS_KEYS, 3600)
    return lambda: read(1)


def read(character: int) -> str:
    access_token: str = Token.get_token(character, [SCOPE]).valid_access_token()
    return access_token


def read_only_valid(user: Any, character: int) -> str:
    """The other way that its documentation shows."""
    tokens = Token.objects.filter(user=user, character_id=character)
    return str(tokens.require_scopes(SCOPE).require_valid().first().access_token)


def stored() -> str:
    return str(Token.objects.get().refresh_token)


def fill(people: list[int]) -> None:
    differing = (
        {"user_id": person, "character_id": character_of(person, at)} for person, at in filling.each_at_each(people)
    )
    filling.store_like(token_of(people[0], 0), differing)
    keys = Token.objects.values_list("pk", flat=True).iterator()
    filling.store_like(Token.scopes.through(scope_id=scope().pk), ({"token_id": key} for key in keys))
