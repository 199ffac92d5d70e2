"""Parse untrusted responses of an authorization server: a `TokenAnswer` or an `OAuthError`, and nothing else.

By the time we parse, the server may have issued tokens and rotated. To reject a usable token because another member
is odd (a lifetime of "abc", scopes as a list, NaN) would lose it for good, so odd members become None. Only what
could do harm is rejected. Opens no socket; stateless.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from requests import Response

from foundation.oauth_client import (
    error_answers,
    granted_members,
    json_pointers,
    response_bodies,
)
from foundation.oauth_client.errors import Unusable
from foundation.oauth_client.granted_members import Grant
from foundation.oauth_client.provider_profile import (
    STANDARD,
    ProviderProfile,
    Reply,
    Request,
    find_rule,
    reply_of,
    value_at,
)
from foundation.oauth_client.provider_profile.rule_format import Place

MAX_TOKEN_BYTES = 64 << 10
MAX_KEPT = 500  # characters
MOST_NAMES = 16  # of members, in a message

_A_NAME = re.compile(r"[A-Za-z_$.-]{1,40}(/[A-Za-z_$.-]{1,40})?")
# Schemes that need more than the token. Other names are the providers' own: "user" (Slack), "User Access Token" (eBay).
_NOT_BEARERS = frozenset({"mac", "dpop", "pop", "n_a"})
_AN_ERROR = re.compile(r"error\b\W* \w", re.IGNORECASE)  # in the place of a token (Casdoor)
_SECRET = re.compile(r"token|secret|password|assertion", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class TokenAnswer:
    """What a token endpoint granted. None: the server does not say. `claims` are the validated id token's."""

    access_token: str = field(repr=False)
    token_type: str
    refresh_token: str = field(default="", repr=False)
    expires_in: int | None = None
    refresh_expires_in: int | None = None
    scopes: tuple[str, ...] | None = None
    claims: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    unverified_id_token: str = field(default="", repr=False)
    unverified_base_url: str = ""  # of this person's API, according to the server
    kept: Mapping[str, str] = field(default_factory=dict, repr=False)  # values that calls need, by name
    said: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}), repr=False)  # all members

    def member_at(self, pointer: str) -> object:
        """Another member, such as the owner of the token. None if its name suggests a secret."""
        return None if _SECRET.search(pointer) else json_pointers.resolve(self.said, pointer)


def parse_token_answer(
    response: Response,
    *,
    grant_type: str = "",
    request: Request | None = None,
    token_path: str = "",
    base_url_path: str = "",
    scope_separator: str = " ",
    profile: ProviderProfile = STANDARD,
) -> TokenAnswer:
    """Parse the response of a token endpoint to a request of this grant type. `token_path` points to the tokens."""
    members = error_answers.members_of(response)
    grant = Grant(members, token_path, profile.token_answer, is_refresh=grant_type == "refresh_token")
    if is_error(response, members, grant, grant_type=grant_type, request=request, profile=profile):
        raise error_answers.error_from(response, grant_type=grant_type, request=request, profile=profile)
    if not members:
        raise Unusable("not_a_token_answer", "the answer is neither JSON nor a form")
    scheme = grant.member("token_type")
    if not isinstance(scheme, str | None) or (scheme or "").lower() in _NOT_BEARERS:
        raise Unusable("unsupported_token_type", "only bearer tokens can be used")
    access_token = grant.token("access_token")
    if not access_token:
        raise Unusable(
            "no_access_token",
            "the answer holds no access token; its members are %(members)s",
            members=_names_in(members),
        )
    return TokenAnswer(
        access_token=_secret(access_token, "access_token"),
        token_type="Bearer",  # noqa: S106  # the name of a scheme, not a password
        refresh_token=_optional_secret(grant.token("refresh_token"), "refresh_token"),
        expires_in=grant.lifetime(),
        refresh_expires_in=grant.refresh_lifetime(),
        scopes=granted_members.read_scopes(grant.scopes(), scope_separator),
        unverified_id_token=_text(grant.member("id_token") or members.get("id_token")),
        unverified_base_url=_text_at(members, base_url_path),
        kept=_kept_values(members, profile),
        said=members,
    )


def is_error(
    response: Response,
    members: Mapping[str, object],
    grant: Grant,
    *,
    grant_type: str,
    request: Request | None,
    profile: ProviderProfile,
) -> bool:
    """Whether the response grants nothing. Some servers report an error with status 200.

    An error that is no text, such as {"code": "ok"}, does not count beside an access token.
    """
    reply = reply_of(response, members)
    rule = find_rule(profile, request or error_answers.REQUESTS.get(grant_type, "code"), reply)
    if rule:
        return rule.means != "success"
    if not error_answers.succeeded(response):
        return True
    error = members.get("error")
    if grant.token("access_token") and not (isinstance(error, str) and error_answers.names_error(error)):
        return any(members.get(name, True) is False for name in ("ok", "success"))
    return bool(error_answers.error_code(members, profile) or _says_no(reply, grant_type, request, profile))


def _says_no(reply: Reply, grant_type: str, request: Request | None, profile: ProviderProfile) -> bool:
    """Whether a successful status without a token holds a refusal in the provider's own words."""
    return error_answers.rule_for(reply, request or error_answers.REQUESTS.get(grant_type), profile) is not None


def _names_in(members: Mapping[str, object]) -> str:
    """Names of the members, also of those one level down, by which an administrator finds where the tokens stand."""
    nested = {f"{name}/{inner}" for name, value in members.items() if isinstance(value, dict) for inner in value}
    names = [name for name in (*members, *sorted(nested)) if _A_NAME.fullmatch(name)]
    return ", ".join(names[:MOST_NAMES]) or "not readable"


def _kept_values(members: Mapping[str, object], profile: ProviderProfile) -> dict[str, str]:
    places = profile.token_answer.keep
    values = {
        name: profile.mapped(name, value_at(Place(at=pointer), Reply(document=members)))
        for name, pointer in places.items()
    }
    return {name: value for name, value in values.items() if value and value.isprintable() and len(value) <= MAX_KEPT}


def _text_at(members: Mapping[str, object], pointer: str) -> str:
    """The address at the pointer. Some servers name only the host."""
    value = json_pointers.resolve(members, pointer) if pointer else ""
    text = value if isinstance(value, str) else ""
    return f"https://{text}" if text and "://" not in text else text


def parse_document(
    response: Response, *, request: Request | None = None, profile: ProviderProfile = STANDARD
) -> Mapping[str, object]:
    """The JSON object of a response that grants no tokens: metadata, userinfo, introspection."""
    if not error_answers.succeeded(response):
        raise error_answers.error_from(response, request=request, profile=profile)
    members = response_bodies.json_body(response)
    if not isinstance(members, dict):
        raise Unusable("not_json", "the answer is not a JSON object")
    return members


def _text(value: object) -> str:
    return "" if value is None else str(value) if isinstance(value, str | int | float) else "unreadable"


def _secret(value: object, name: str) -> str:
    """A token that can be sent in a header. RFC 6749 demands ASCII, but some servers use other printable characters."""
    if not isinstance(value, str) or not value or _AN_ERROR.match(value):
        raise Unusable("no_" + name, "the answer holds no such token")
    if (
        not value.isprintable()
        or value != value.strip()
        or "\N{REPLACEMENT CHARACTER}" in value
        or len(value.encode("utf-8")) > MAX_TOKEN_BYTES
    ):
        raise Unusable("malformed_" + name, "the token cannot be sent in a header")
    return value


def _optional_secret(value: object, name: str) -> str:
    is_none = (
        value is None
        or value is False
        or (isinstance(value, str) and value.strip().lower() in {"", *granted_members.NOTHING})
    )
    return "" if is_none else _secret(value, name)
