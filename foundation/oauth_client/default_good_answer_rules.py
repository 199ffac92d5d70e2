"""Errors that only the body of an answer with status 200 tells: of GraphQL, of Slack, of many others. Data."""

from typing import Any

from foundation.oauth_client.default_call_words import (
    CODES_OF_DEAD_ACCESS,
    LIMIT_CODES,
    LIMIT_TEXTS,
    NO_SCOPE_CODE,
    NO_SCOPE_TEXTS,
    REFUSED_CODE,
    REFUSED_NUMBER,
    SOMETHING_INVALID,
    TEXTS_OF_DEAD_ACCESS,
)
from foundation.oauth_client.provider_profile.parsing import convert_profile

# At these places alone. Beside "data" or "id" they may be about something else.
_CODES_IN_GOOD_ANSWERS = (
    "/error", "/error/code", "/error/type", "/error/status", "/error/reason", "/error/error", "/error/errors/0/reason",
    "/errors/0/extensions/code", "/errors/0/extensions/type", "/errors/0/code", "/errors/0/type", "/errors/0/error",
    "/errors/0/reason", "/errors/0/error_type", "/errors/0", "/error_code", "/errors/0/extensions/classification",
    "/response_code", "/errcode", "/sub_code",
)  # fmt: skip
# Sentences there. They count beside a code alone, because a body may quote anything.
_TEXTS_IN_GOOD_ANSWERS = (
    "/error/message", "/error/error_msg", "/error_description", "/error_message", "/errmsg", "/msg", "/message",
    "/errors/0/message", "/error_msg", "/response_message",
)  # fmt: skip
_CODE_NUMBERS = (
    "/code", "/errcode", "/error_code", "/error/error_code", "/error/code", "/errors/0/code", "/error",
    "/response_code",
)  # fmt: skip
_NOTHING_ELSE: tuple[dict[str, Any], ...] = (
    {"at": "/data", "absent": True},
    {"at": "/id", "absent": True},
    {"at": ("/ok", "/success"), "equals": True, "absent": True},
)
_OF_GOOD_ANSWERS: tuple[tuple[str, dict[str, Any]], ...] = (
    (NO_SCOPE_CODE, {"means": "scope_missing", "renewing_helps": False}),
    *((pattern, {"means": "wait"}) for pattern in LIMIT_CODES),
    *((pattern, {"means": "token_over"}) for pattern in CODES_OF_DEAD_ACCESS),
)
_PASSES = r"^(internal_error|fatal_error|service_unavailable|request_timeout|team_added_to_org)$"
# As Slack has it: {"ok": false, "error": "token_revoked"}.
_NOT_OK: list[dict[str, Any]] = [
    {"request": "call", "status": 200, "when": [{"at": "/ok", "equals": False}, {"at": "/error", "matches": code}]}
    | meaning
    for code, meaning in (*_OF_GOOD_ANSWERS, (_PASSES, {"means": "temporary"}))
]
_LIKE_A_401: list[dict[str, Any]] = [
    {"request": "call", "status": 200, "when": [*_NOTHING_ELSE, {"at": _CODES_IN_GOOD_ANSWERS, "matches": code}]}
    | meaning
    for code, meaning in (*_OF_GOOD_ANSWERS, (REFUSED_CODE, {"means": "token_over"}))
]
_BY_NUMBER: list[dict[str, Any]] = [
    {
        "request": "call",
        "status": 200,
        "when": [
            *_NOTHING_ELSE[:2],
            {"at": ("/ok", "/success"), "absent": True},
            {"at": "/error/code", "matches": REFUSED_NUMBER},
        ],
        "means": "token_over",
    }
]
_IN_WORDS: list[dict[str, Any]] = [
    {
        "request": "call",
        "status": 200,
        "when": [
            *_NOTHING_ELSE,
            {"at": _CODE_NUMBERS, "matches": r"^-?[1-9]\d*$|^[A-Za-z]"},
            {"at": _TEXTS_IN_GOOD_ANSWERS, "matches": pattern},
        ],
    }
    | meaning
    for patterns, meaning in ((LIMIT_TEXTS, {"means": "wait"}), (TEXTS_OF_DEAD_ACCESS, {"means": "token_over"}))
    for pattern in patterns
]
_FAILED = (
    {"at": ("/success", "/ok"), "equals": False},
    {"at": ("/is_error", "/has_error", "/has_errors"), "equals": True},
    {"at": ("/status", "/result"), "matches": r"^(fail(ed|ure)?|error)$"},
    {"at": "/status", "matches": r"^[4-9]\d\d$"},
)
_NOT_A_SUCCESS: list[dict[str, Any]] = [
    {
        "request": "call",
        "status": 200,
        "when": [
            *_NOTHING_ELSE[:2],
            failed,
            {"at": (*_TEXTS_IN_GOOD_ANSWERS, "/error", "/errors/0"), "matches": pattern},
        ],
    }
    | meaning
    for failed in _FAILED
    for patterns, meaning in ((LIMIT_TEXTS, {"means": "wait"}), (TEXTS_OF_DEAD_ACCESS, {"means": "token_over"}))
    for pattern in patterns
]
# And a code beside it, where a good answer has the number of a success. An invalid token has to be told in words, too.
_FAILED_WITH_A_CODE: list[dict[str, Any]] = [
    {
        "request": "call",
        "status": 200,
        "when": [
            *_NOTHING_ELSE[:2],
            _FAILED[0],
            {"at": ("/code", "/error_code"), "matches": code},
            {"at": "/code", "matches": SOMETHING_INVALID, "absent": True},
        ],
    }
    | meaning
    for code, meaning in (*_OF_GOOD_ANSWERS, (REFUSED_CODE, {"means": "token_over"}))
]
# A status that stands in the body alone.
_STATUSES_IN_BODIES = (
    "/status", "/status_code", "/errors/0/status", "/errors/0/extensions/status", "/errors/0/extensions/status_code",
    "/errors/0/extensions/http/status",
)  # fmt: skip
_STATUS_IN_BODY: list[dict[str, Any]] = [
    {
        "request": "call",
        "status": 200,
        "when": [*_NOTHING_ELSE, {"at": _STATUSES_IN_BODIES, "equals": (number, str(number))}],
        "means": meaning,
    }
    for number, meaning in ((401, "token_over"), (429, "wait"))
] + [
    {
        "request": "call",
        "status": 200,
        "when": [*_NOTHING_ELSE, {"at": "/code", "equals": (number, str(number))}, {"at": _TEXTS_IN_GOOD_ANSWERS}],
        "means": meaning,
    }
    for number, meaning in ((401, "token_over"), (429, "wait"))
]
_RIGHTS = r"^(forbidden|(access|permission)_?denied|un_?authori[sz]ed)$"
_A_RIGHT = {"at": "/errors/0/extensions/code", "matches": _RIGHTS}
_NO_SCOPE_IN_WORDS: list[dict[str, Any]] = [
    {
        "request": "call",
        "status": 200,
        "when": [*_NOTHING_ELSE, _A_RIGHT, {"at": "/errors/0/message", "matches": pattern}],
        "means": "scope_missing",
        "renewing_helps": False,
    }
    for pattern in NO_SCOPE_TEXTS
]
# These say no more than a 401 without a reason: worth a renewal, but not the provider's word about this token.
LIKE_A_401 = convert_profile(
    {"rules": [*_LIKE_A_401, *_BY_NUMBER, *_IN_WORDS, *_NOT_A_SUCCESS, *_FAILED_WITH_A_CODE, *_STATUS_IN_BODY]}
).rules
RULES: tuple[dict[str, Any], ...] = (
    *_NOT_OK, *_NO_SCOPE_IN_WORDS, *_LIKE_A_401, *_BY_NUMBER, *_IN_WORDS, *_NOT_A_SUCCESS, *_FAILED_WITH_A_CODE,
    *_STATUS_IN_BODY,
)  # fmt: skip
