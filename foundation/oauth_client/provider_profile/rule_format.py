"""Rules of a provider profile, and places in a response: the parts of the format that say what an answer means."""

from typing import Literal, TypeAlias

import msgspec

Request: TypeAlias = Literal[
    "code", "refresh", "password", "client_credentials", "exchange",
    "callback", "call", "userinfo", "introspection", "revocation",
]  # fmt: skip
Meaning: TypeAlias = Literal[
    "sign_in_over",  # this grant or refresh token is dead: the person must sign in again
    "person_must_act",  # at the provider: consent, a checkpoint, a second step, claims
    "second_step",  # the password is right, but the provider wants a second factor
    "wrong_password",
    "declined",  # the person said no, or closed the provider's page
    "sign_in_page_over",  # the session of the provider's sign-in page has ended
    "refused_by_policy",  # the provider or the person's organization doesn't allow it
    "administrator_must_consent",  # at the provider, before people can sign in
    "registration_wrong",  # only an administrator can mend it
    "plan_ended",  # the plan or the payment of the account at the provider
    "wait",  # a rate limit or a quota
    "temporary",
    "keep_token",  # renewing now is refused, and the current token stays
    "unsure",  # not final at the first word
    "token_over",  # at the API: the access token has expired or was revoked
    "scope_missing",
    "not_found",
    "already_gone",  # in response to a revocation
    "success",  # looks like an error and is none
]
Unit: TypeAlias = Literal["seconds", "milliseconds", "epoch_seconds", "epoch_milliseconds", "date"]
Scalar: TypeAlias = str | int | float | bool | None
Texts: TypeAlias = str | tuple[str, ...]

TOKEN_REQUESTS: tuple[Request, ...] = ("code", "refresh", "password", "client_credentials", "exchange")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Place(Part, kw_only=True, frozen=True):
    """Where a value stands in a response: a JSON pointer (RFC 6901; several: the first that is there), or a header.

    With `pattern`, the first group of the regular expression is the value.
    """

    at: Texts = ()
    header: str = ""
    pattern: str = ""


class Condition(Part, kw_only=True, frozen=True):
    """One condition on a response. Without `equals` and `matches`, the value only has to be there.

    `at`: JSON pointers, one of which must lead to such a value. `header`: the name of a header. `text`: the whole body.
    `equals`: one value or several. `matches`: a regular expression that is searched for, regardless of case.
    """

    at: Texts = ()
    header: str = ""
    text: bool = False
    equals: Scalar | tuple[Scalar, ...] = ()
    matches: str = ""
    absent: bool = False


class Wait(Part, kw_only=True, frozen=True):
    """How long to wait: at a place in the response, in `unit`, or a fixed number of seconds."""

    at: Texts = ()
    header: str = ""
    pattern: str = ""
    unit: Unit = "seconds"
    seconds: int = 0


class Rule(Part, kw_only=True, frozen=True):
    """What a response means. `when` is joined by "and"; `request`: the kinds of request (default: token requests).

    At the API: `renewing_helps` is whether a new access token can cure it, `repeatable` whether the provider has done
    nothing, so that a POST may be sent again. `scopes` and `claims`: what the provider asks the person for.
    `ambiguous`: a wrong registration is answered in the same way, so that is ruled out before a second sign-in ends.
    """

    means: Meaning
    request: Request | tuple[Request, ...] = TOKEN_REQUESTS
    status: int | tuple[int, ...] = ()
    when: tuple[Condition, ...] = ()
    wait: Wait | None = None
    scopes: Place | None = None
    claims: Place | None = None
    renewing_helps: bool = True
    repeatable: bool = True
    ambiguous: bool = False


class ErrorBody(Part, kw_only=True, frozen=True):
    """Where the code and the text stand in an error body, at any status. JSON pointers; the first that is there.

    `text_header`: the header with the text, where the body has none.
    """

    code: Texts = ()
    text: Texts = ()
    text_header: str = ""


def texts(value: Texts) -> tuple[str, ...]:
    """One text or several, as several."""
    return (value,) if isinstance(value, str) else value
