"""What a token response grants: the object that holds the tokens, its members by our names, lifetimes and scopes."""

import re
from collections.abc import Callable, Mapping

from foundation.oauth_client import error_codes, id_tokens, json_pointers
from foundation.oauth_client.error_documents import spell_plainly
from foundation.oauth_client.provider_profile import Reply, format, texts, value_at
from foundation.oauth_client.provider_profile.format import Lifetime
from foundation.oauth_client.provider_profile.rule_format import Place
from foundation.oauth_client.provider_profile.rules import seconds_from, seconds_until

MAX_SCOPES = 64 << 10  # characters of all of them
NOTHING = frozenset({"null", "none", "undefined", "nil"})  # of languages with typed nulls
# Members that name the scopes, in the order of preference: RFC 6749, HubSpot and Bitbucket, TikTok Shop.
SCOPES = ("scope", "scopes", "granted_scopes", "granted_scope")
# Lifetimes, as servers write them: seconds, a moment, or a duration. What can't be read in one way is None: a guess
# would end tokens that live, or keep dead ones.
MAX_LIFETIME = 10 * 365 * 86400
# Members that count seconds, in the order of preference; the first stands beside one in milliseconds (Zoho).
DURATIONS = (
    "expires_in_sec", "expires_in", "expire_in", "expires_in_seconds", "access_token_expires_in", "token_expires_in",
    "access_token_expire_in", "access_expires_in", "expires", "expire",
)  # fmt: skip
MOMENTS = (
    "expires_in", "expires_at", "expires_on", "expires", "expire_at", "expire_time", "expiry", "expiration",
    "expiration_date", "expiration_time", "valid_until", "access_token_expires_at", "token_expires_at", ".expires",
)  # fmt: skip
REFRESH_DURATIONS = (
    "refresh_expires_in", "refresh_token_expires_in", "x_refresh_token_expires_in", "refresh_token_expire_in",
    "refresh_expire_in", "re_expires_in", "refresh_token_validity_seconds", "refresh_token_expires",
)  # fmt: skip
REFRESH_MOMENTS = ("refresh_token_expires_at", "refresh_expires_at", "refresh_token_expires_on")
FIRST_MOMENT = 1_000_000_000  # a larger figure may be a moment since 1970
_ISO_DURATION = re.compile(
    r"P(?:(\d{1,5})W|(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9})(?:\.\d{1,9})?S)?)?)"
)
# 3600s, as protobuf writes durations; 1h and 7d, as libraries of Node.js do. Not 60m, which may be months.
_WITH_UNIT = re.compile(
    r"(\d{1,10}(?:\.\d{1,9})?) ?"
    r"(?:(s(?:ec(?:ond)?s?)?)|(min(?:ute)?s?)|(h(?:(?:ou)?rs?)?)|(d(?:ays?)?)|(w(?:eeks?)?))",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"(?:(\d{1,4})\.)?(\d{1,2}):(\d\d):(\d\d)(?:\.\d+)?")  # a TimeSpan of .NET
_WEEK, _DAY, _HOUR, _MINUTE = 7 * 86400, 86400, 3600, 60

Member = Callable[[str], object]


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
            seconds = read_lifetime(self.member)
            inside = self.member("access_token")
            if seconds is None and isinstance(inside, dict):
                seconds = read_lifetime(inside.get)
        return (self._layout.assumed_lifetime or None) if seconds is None else seconds

    def refresh_lifetime(self) -> int | None:
        if self._layout.refresh_lifetime:
            return self._lifetime_at(self._layout.refresh_lifetime) or None
        return read_refresh_lifetime(self.member)

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
                return min(seconds_left, MAX_LIFETIME)
        text = self._figure_at(lifetime)
        seconds = seconds_from(text, lifetime.unit) if text else None
        if seconds is not None and lifetime.most and seconds > lifetime.most:
            seconds /= 1000
        return None if seconds is None else seconds_of(seconds)


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
        return None  # GitHub Apps always answer ""
    return scopes if sum(map(len, scopes)) <= MAX_SCOPES else None


def read_lifetime(member: Member) -> int | None:
    """Seconds of the access token, from the members of a token response, by their usual names.

    Zero and -1 are how some servers say "never": no server issues a dead token. So they tell no lifetime.
    """
    for name in DURATIONS:
        if (seconds := seconds_of(member(name))) is not None:
            return seconds or None
    for name in MOMENTS:
        if (left := seconds_until(member(name))) is not None:
            return seconds_of(left)
    return None


def read_refresh_lifetime(member: Member) -> int | None:
    """Seconds of the refresh token, or None. Zero is how Keycloak says "never" (offline tokens)."""
    if seconds := next((each for name in REFRESH_DURATIONS if (each := seconds_of(member(name)))), None):
        return seconds
    moments = (seconds_until(member(name)) for name in REFRESH_MOMENTS)
    return next((seconds_of(left) for left in moments if left is not None), None)


def seconds_of(value: object) -> int | None:
    """Seconds of a figure, also as text, of a moment in place of a figure, or of a duration. None for anything else."""
    if isinstance(value, str):
        value = _of_text(value.strip())
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        seconds = float(value)
    except ValueError:
        return None
    except OverflowError:  # an integer beyond floats
        seconds = float("inf") if int(value) > 0 else 0.0
    if seconds != seconds:  # NaN
        return None
    if seconds >= FIRST_MOMENT and (left := seconds_until(value)) is not None and left < MAX_LIFETIME:
        seconds = left
    return int(min(max(seconds, 0.0), MAX_LIFETIME))


def _of_text(text: str) -> str | float:
    """The seconds of a duration; any other text as it is."""
    if (match := _ISO_DURATION.fullmatch(text)) and any(match.groups()):
        figures = (int(figure or 0) for figure in match.groups())
        return float(sum(figure * unit for figure, unit in zip(figures, (_WEEK, _DAY, _HOUR, _MINUTE, 1), strict=True)))
    if match := _CLOCK.fullmatch(text):
        figures = (int(figure or 0) for figure in match.groups())
        return float(sum(figure * unit for figure, unit in zip(figures, (_DAY, _HOUR, _MINUTE, 1), strict=True)))
    if match := _WITH_UNIT.fullmatch(text):
        units = zip(match.groups()[1:], (1, _MINUTE, _HOUR, _DAY, _WEEK), strict=True)
        return float(match[1]) * next(unit for word, unit in units if word)
    return text
