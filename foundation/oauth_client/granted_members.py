"""What a token response grants: the object that holds the tokens, its members by our names, lifetimes and scopes."""

import re
from collections.abc import Mapping

from foundation.oauth_client import error_codes, id_tokens, json_pointers, lifetimes
from foundation.oauth_client.error_documents import spell_plainly
from foundation.oauth_client.provider_profile import Reply, format, texts, value_at
from foundation.oauth_client.provider_profile.format import Lifetime
from foundation.oauth_client.provider_profile.rule_format import Place
from foundation.oauth_client.provider_profile.rules import seconds_from

MAX_SCOPES = 64 << 10  # characters of all of them
NOTHING = frozenset({"null", "none", "undefined", "nil"})  # of languages with typed nulls
# Members that name the scopes, in the order of preference: RFC 6749, HubSpot and Bitbucket, TikTok Shop.
SCOPES = ("scope", "scopes", "granted_scopes", "granted_scope")


class Grant:
    """The object that holds the person's tokens: at `token_path`, or the response, or the only one in it with a token.

    Slack nests the person's tokens beside its bot's at a sign-in, but not in the response to a refresh.
    """

    def __init__(
        self,
        members: Mapping[str, object],
        token_path: str,
        layout: format.TokenAnswer,
        *,
        is_refresh: bool,
    ) -> None:
        self._members, self._layout = members, layout
        self._places = {**layout.members, **layout.refresh} if is_refresh else layout.members
        nested = json_pointers.resolve(members, token_path) if token_path else None
        self._use(nested if isinstance(nested, dict) else members)
        if not self.token("access_token"):
            self._use(_enclosed_grant(members) or self._grant)

    def _use(self, grant: Mapping[str, object]) -> None:
        self._grant = grant
        # accessToken, AccessToken and Access_Token, where the member of RFC 6749 is missing.
        self._spellings = {error_codes.plain_spelling(name): name for name in reversed(list(grant))}

    def member(self, name: str) -> object:
        """A member by our name, from where the profile says that it stands, or else from the grant."""
        for pointer in texts(self._places.get(name, ())):
            if (value := json_pointers.resolve(self._members, pointer)) is not None:
                return value
        value = self._grant.get(name)
        return self._grant.get(self._spellings.get(name, "")) if value is None else value

    def token(self, name: str) -> object:
        """A token; also one in an object of its own, as Heroku has it: {"access_token": {"token": …}}.

        `token` alone is the access token where a member of RFC 6749 beside it says that this is an answer with one.
        """
        value = self.member(name)
        if isinstance(value, dict):
            return value.get("token")
        is_answer = any(self.member(each) for each in ("token_type", "expires_in", "expires_at", "refresh_token"))
        other = self.member("token") if value is None and name == "access_token" and is_answer else None
        return other if isinstance(other, str) else value

    def scopes(self) -> object:
        """What was granted, in the first member that is there and not empty."""
        values = [self.member(name) for name in SCOPES]
        return next((value for value in values if value not in (None, "")), values[0])

    def lifetime(self) -> int | None:
        """Seconds; None if the answer doesn't say, or says with one of the profile's figures that there is no end."""
        if self._layout.lifetime:
            if self._is_endless(self._layout.lifetime):
                return None
            seconds = self._lifetime_at(self._layout.lifetime)
        else:
            seconds = lifetimes.read_lifetime(self.member)
            inside = self.member("access_token")
            if seconds is None and isinstance(inside, dict):
                seconds = lifetimes.read_lifetime(inside.get)
        return (self._layout.assumed_lifetime or None) if seconds is None else seconds

    def refresh_lifetime(self) -> int | None:
        if self._layout.refresh_lifetime:
            return self._lifetime_at(self._layout.refresh_lifetime) or None
        return lifetimes.read_refresh_lifetime(self.member)

    def _is_endless(self, lifetime: Lifetime) -> bool:
        """Whether the answer says, with one of the profile's figures, that the token doesn't expire."""
        figures = (lifetime.never,) if isinstance(lifetime.never, int) else lifetime.never
        return self._figure_at(lifetime) in {str(figure) for figure in figures}

    def _figure_at(self, lifetime: Lifetime) -> str:
        return value_at(Place(at=lifetime.at or "/expires_in"), Reply(document=self._members))

    def _lifetime_at(self, lifetime: Lifetime) -> int | None:
        access_token = self.member("access_token")
        if lifetime.in_token and isinstance(access_token, str):
            seconds_left = id_tokens.seconds_left(access_token)
            if seconds_left is not None:
                return min(seconds_left, lifetimes.MAX_LIFETIME)
        text = self._figure_at(lifetime)
        seconds = seconds_from(text, lifetime.unit) if text else None
        if seconds is not None and lifetime.most and seconds > lifetime.most:
            seconds /= 1000
        return None if seconds is None else lifetimes.seconds_of(seconds)


def _enclosed_grant(members: Mapping[str, object]) -> Mapping[str, object] | None:
    """The object in an envelope: {"code": 0, "data": {"access_token": …}}. None unless exactly one has a token."""
    objects = [inner for inner in members.values() if isinstance(inner, dict)]
    grants = [each for each in objects if json_pointers.resolve(spell_plainly(each), "/access_token")]
    return grants[0] if len(grants) == 1 else None


def _words(text: str, separator: str) -> list[str]:
    """The words of a text, which may be a list as text: ["a", "b"] or [a, b]; "null" is none."""
    is_list = text.lstrip().startswith("[") and text.rstrip().endswith("]")
    inner = text.strip()[1:-1].replace('"', " ").replace("'", " ") if is_list else text
    return [] if text.strip().lower() in NOTHING else re.split(rf"[\s,{re.escape(separator)}]+", inner)


def read_scopes(value: object, separator: str = " ") -> tuple[str, ...] | None:
    """Words of a text, separated by spaces, commas or as we separate them in requests; or those of a list."""
    if isinstance(value, str):
        words = _words(value, separator)
    elif isinstance(value, list) and (not value or any(isinstance(word, str) for word in value)):
        words = [word for text in value if isinstance(text, str) for word in _words(text, separator)]
    else:
        return None
    scopes = tuple(dict.fromkeys(word for word in words if word.isprintable() and word))
    if not scopes and isinstance(value, str):
        return None  # GitHub Apps answer "" whatever was granted
    return scopes if sum(map(len, scopes)) <= MAX_SCOPES else None
