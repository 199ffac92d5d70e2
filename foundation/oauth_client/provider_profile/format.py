"""Provider profile: how one provider departs from the RFCs, as data that an administrator or a template supplies.

The classes are the format: their fields are the members of the JSON object, and what they leave out is as the RFCs
have it. Holds no secret. docs/provider-profiles.md explains it to administrators.
"""

from collections.abc import Iterable, Mapping
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


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Place(_Part, kw_only=True, frozen=True):
    """Where a value stands in a response: a JSON pointer (RFC 6901; several: the first that is there), or a header.

    With `pattern`, the first group of the regular expression is the value.
    """

    at: Texts = ()
    header: str = ""
    pattern: str = ""


class Condition(_Part, kw_only=True, frozen=True):
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


class Wait(_Part, kw_only=True, frozen=True):
    """How long to wait: at a place in the response, in `unit`, or a fixed number of seconds."""

    at: Texts = ()
    header: str = ""
    pattern: str = ""
    unit: Unit = "seconds"
    seconds: int = 0


class Rule(_Part, kw_only=True, frozen=True):
    """What a response means. `when` is joined by "and"; `request`: the kinds of request (default: token requests).

    At the API: `renewing_helps` is whether a new access token can cure it, `repeatable` whether the provider has done
    nothing, so that a POST may be sent again. `scopes` and `claims`: what the provider asks the person for.
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


class ErrorBody(_Part, kw_only=True, frozen=True):
    """Where the code and the text stand in an error body, at any status. JSON pointers; the first that is there."""

    code: Texts = ()
    text: Texts = ()


class Authorization(_Part, kw_only=True, frozen=True):
    """The authorization request. `names`: our parameter → theirs, or null to leave it out.

    `parameters` replace ours of the same name; they may hold {client_id}, {redirect_uri} and {scope}.
    """

    names: Mapping[str, str | None] = {}
    parameters: Mapping[str, str] = {}


class TokenRequest(_Part, kw_only=True, frozen=True):
    """Token requests. `names` as above. Values may hold {client_id}, {redirect_uri} and {scope}.

    `parameters` go with every one, the others with one kind of request alone; "" leaves a parameter out.
    """

    method: Literal["POST", "GET"] = "POST"
    body: Literal["form", "json", "query"] = "form"
    names: Mapping[str, str | None] = {}
    parameters: Mapping[str, str] = {}
    code_parameters: Mapping[str, str] = {}
    refresh_parameters: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    client_id_beside_basic: bool = False
    redirect_uri: str = ""


class Lifetime(_Part, kw_only=True, frozen=True):
    """Where a lifetime stands, and in which unit. `most`: seconds that are believable; more is read as milliseconds."""

    at: Texts
    unit: Unit = "seconds"
    most: int = 0


class TokenAnswer(_Part, kw_only=True, frozen=True):
    """Members of a token response: our name → JSON pointers to theirs. `refresh`: where a refresh differs.

    `keep`: values of the response that calls need, by name; `assumed_lifetime`: seconds, where the provider tells none.
    """

    members: Mapping[str, Texts] = {}
    refresh: Mapping[str, Texts] = {}
    lifetime: Lifetime | None = None
    refresh_lifetime: Lifetime | None = None
    assumed_lifetime: int = 0
    keep: Mapping[str, str] = {}


class KeptParameter(_Part, kw_only=True, frozen=True):
    """A parameter of the callback that calls need. `pattern`: what a value looks like, as a whole."""

    pattern: str = r"[A-Za-z0-9._-]{1,100}"


class Callback(_Part, kw_only=True, frozen=True):
    """The authorization response. `code`: names of the parameter with the code. `scopes`: that of granted scopes,
    which counts if the token answer names none.

    `token_host`: the parameter that names the server where the code is to be redeemed, and tokens renewed and revoked.
    It is believed if the registry's *Hosts of that base URL* allow it. `posted`: the response comes by POST
    (response_mode=form_post).
    """

    code: Texts = "code"
    scopes: str = "scope"
    keep: Mapping[str, KeptParameter] = {}
    token_host: str = ""
    posted: bool = False


class IdToken(_Part, kw_only=True, frozen=True):
    """Exceptions for id tokens. `issuers`: also accepted; {tenantid} stands for the claim `tid`."""

    nonce: bool = True
    issuers: tuple[str, ...] = ()


class Scopes(_Part, kw_only=True, frozen=True):
    """Scopes by other names.

    `aliases`: scope → what the provider calls it in its answers. `implies`: scope → scopes that it includes.
    `shown_by_refresh_token`: granted if a refresh token came. `never_listed`: granted without being named.
    """

    aliases: Mapping[str, Texts] = {}
    implies: Mapping[str, Texts] = {}
    shown_by_refresh_token: tuple[str, ...] = ("offline_access",)
    never_listed: tuple[str, ...] = ()

    def granted(self, listed: Iterable[str], *, has_refresh_token: bool) -> set[str]:
        """All scopes that were granted, if the provider lists these."""
        granted = {*listed, *self.never_listed}
        granted |= {scope for scope, names in self.aliases.items() if granted & {*texts(names)}}
        if has_refresh_token:
            granted |= {*self.shown_by_refresh_token}
        while implied := {one for scope in granted for one in texts(self.implies.get(scope, ()))} - granted:
            granted |= implied
        return granted


class Lookup(_Part, kw_only=True, frozen=True):
    """A request after the sign-in, with the new access token, for a value that calls need: a site, tenant, data centre.

    `rows`: JSON pointer to the list of choices ("": the response itself). `value` and `label`: pointers in a row; ""
    is the row itself. `where`: conditions on a row. `title`: what the person is asked to choose. `also`: further values
    of the chosen row, by name.
    """

    name: str
    url: str
    method: Literal["GET", "POST"] = "GET"
    headers: Mapping[str, str] = {}
    rows: str = ""
    value: str
    label: Texts = ()
    title: str = ""
    where: tuple[Condition, ...] = ()
    also: Mapping[str, str] = {}


class Exchange(_Part, kw_only=True, frozen=True):
    """Exchange the access token for one that lives longer. Parameters may hold {access_token} and our credentials.

    Without `url`, at the token URL.
    """

    url: str = ""
    method: Literal["GET", "POST"] = "GET"
    parameters: Mapping[str, str] = {}


class SelfRenewal(_Part, kw_only=True, frozen=True):
    """Renewal of an access token with itself, where there is no refresh token. `not_before`: seconds of its age.

    Without `url`, at the token URL.
    """

    url: str = ""
    method: Literal["GET", "POST"] = "GET"
    parameters: Mapping[str, str] = {}
    not_before: int = 0


class Limits(_Part, kw_only=True, frozen=True):
    """Limits. `renewals` in `seconds` per sign-in; `wait`: where a 429 says how long, if not in Retry-After."""

    renewals: int = 0
    seconds: int = 0
    wait: tuple[Wait, ...] = ()


class Calls(_Part, kw_only=True, frozen=True):
    """What each call carries beside the token. Header and query values may hold {name} of a kept value."""

    parameters: Mapping[str, str] = {}
    token_parameter: str = ""


class Paging(_Part, kw_only=True, frozen=True):
    """How a list continues.

    `link`: the header Link. `next_url`: `next` leads to an address. `cursor`: `next` leads to a value for `parameter`.
    `offset` and `page`: `parameter` counts rows or pages, from `first`. `more`: pointer to whether there is more.
    """

    style: Literal["link", "next_url", "cursor", "offset", "page", "none"]
    next: Texts = ()
    parameter: str = ""
    more: str = ""
    first: int = 1
    size_parameter: str = ""
    size: int = 0


class ProviderProfile(_Part, kw_only=True, frozen=True):
    """How one provider departs from the RFCs. An empty profile departs in nothing."""

    rules: tuple[Rule, ...] = ()
    default_rules: bool = True
    error: ErrorBody = ErrorBody()
    authorization: Authorization = Authorization()
    callback: Callback = Callback()
    token_request: TokenRequest = TokenRequest()
    token_answer: TokenAnswer = TokenAnswer()
    id_token: IdToken = IdToken()
    scopes: Scopes = Scopes()
    lookups: tuple[Lookup, ...] = ()
    exchange: Exchange | None = None
    self_renewal: SelfRenewal | None = None
    limits: Limits = Limits()
    calls: Calls = Calls()
    paging: Paging | None = None

    def addresses(self) -> list[str]:
        """URLs that receive a person's token. Placeholders may stand in their paths and queries only."""
        parts = (*self.lookups, self.exchange, self.self_renewal)
        return [part.url for part in parts if part and part.url]

    def kept_values(self) -> set[str]:
        """Names that the connection URL and headers of calls may hold in braces."""
        looked_up = {name for lookup in self.lookups for name in (lookup.name, *lookup.also)}
        return {*self.callback.keep, *self.token_answer.keep, *looked_up}


STANDARD = ProviderProfile()


def texts(value: Texts) -> tuple[str, ...]:
    """One text or several, as several."""
    return (value,) if isinstance(value, str) else value
