"""What providers commonly answer beside RFC 6749: where codes and texts stand, and rules that hold for any provider.

Data in the format of a provider profile. A profile's own rules come first, and `"default_rules": false` turns the rules
here off. They act on a provider's own words only; nothing here ends a sign-in because a status or a word is unknown.
"""

from collections.abc import Iterable

from foundation.oauth_client import json_pointers
from foundation.oauth_client.provider_profile.format import ProviderProfile, texts
from foundation.oauth_client.provider_profile.parsing import parse_profile

# JSON pointers, in the order of preference. The first place is RFC 6749's; the others count if they hold a known code.
CODE_PLACES = (
    "/error", "/error/code", "/error/type", "/error/status", "/error/error", "/error/reason", "/errors/0/errorType",
    "/errors/0/code", "/errors/0/type", "/errors/0/reason", "/errors/0/extensions/code", "/error_code", "/errorCode",
    "/errcode", "/code", "/status", "/type", "/reason", "/category", "/name", "/error_type", "/0/errorCode",
)  # fmt: skip
TEXT_PLACES = (
    "/error_description", "/message", "/error/message", "/error/error_description", "/errors/0/message",
    "/errors/0/detail", "/errors/0/error_description", "/errmsg", "/error_message", "/errorMessage", "/error_msg",
    "/detail", "/description", "/error/detail", "/msg", "/title", "/Error/Message", "/0/message", "/errors/0",
    "/errorDescription", "/reason", "/error",
)  # fmt: skip

_DEAD_GRANT = (
    r"\b(invalid|expired|revoked|unknown|inactive|bad)[ _]+refresh[ _]?token\b"
    r"|\brefresh[ _]?token\b.{0,20}?\b(is |was |has |been |already |either )*"
    r"(invalid|expired|revoked|inactive|unknown|not (found|valid)|does not exist|no longer valid)\b"
    r"|\btoken (has been|was|is) (expired or revoked|revoked)\b"
)
_TOO_MANY = r"\b(too many (requests|attempts|calls|refresh)|rate.?limit|throttl|quota (is )?exceeded|made too many)"
_TOO_EARLY = r"\b(access[ _]?token|token) (has |is )?(not|n't) (yet )?expired\b"

RULES = parse_profile(
    {
        "rules": [
            {
                "request": "refresh",
                "when": [{"at": TEXT_PLACES, "matches": _TOO_EARLY}],
                "status": (400, 401, 403, 409),
                "means": "keep_token",
            },
            {
                "when": [{"at": TEXT_PLACES, "matches": _TOO_MANY}],
                "status": (200, 400, 401, 403),
                "means": "wait",
            },
            {
                "request": "password",
                "when": [
                    {"at": CODE_PLACES, "equals": ("interaction_required", "mfa_required", "MFA_REQUIRED")},
                ],
                "means": "second_step",
            },
            {
                # A 401 says no, whatever the code: ServiceNow calls it server_error.
                "request": "refresh",
                "status": 401,
                "when": [{"at": "/error_description", "equals": "access_denied"}],
                "means": "sign_in_over",
            },
            {
                "request": "password",
                "status": 401,
                "when": [{"at": "/error_description", "equals": "access_denied"}],
                "means": "wrong_password",
            },
            {
                "request": "refresh",
                "status": (200, 400, 401, 403, 404, 422),
                "when": [{"at": TEXT_PLACES, "matches": _DEAD_GRANT}],
                "means": "sign_in_over",
            },
        ]
    }
)


def code_places(profile: ProviderProfile) -> Iterable[str]:
    return (*texts(profile.error.code), *CODE_PLACES)


def text_places(profile: ProviderProfile) -> Iterable[str]:
    return (*texts(profile.error.text), *TEXT_PLACES)


def text_in(document: object, profile: ProviderProfile) -> str:
    """The provider's own sentence in an error body; "" if there is none. Not masked: never to be shown or logged."""
    for pointer in text_places(profile):
        value = json_pointers.resolve(document, pointer)
        if isinstance(value, str) and value.strip():
            return value
    return ""
