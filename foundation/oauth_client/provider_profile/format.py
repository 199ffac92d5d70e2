"""Provider profile: how one provider departs from the RFCs, as data that an administrator or a template supplies.

The classes are the format: their fields are the members of the JSON object, and what they leave out is as the RFCs
have it. Holds no secret. docs/provider-profiles.md explains it to administrators.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from foundation.oauth_client.provider_profile.rule_format import (
    Condition,
    ErrorBody,
    Part,
    Rule,
    Texts,
    Unit,
    Wait,
    texts,
)


class Authorization(Part, kw_only=True, frozen=True):
    """The authorization request. `names`: our parameter → theirs, or null to leave it out.

    `parameters` replace ours of the same name; they may hold {client_id}, {redirect_uri} and {scope}.
    """

    names: Mapping[str, str | None] = {}
    parameters: Mapping[str, str] = {}


class TokenRequest(Part, kw_only=True, frozen=True):
    """Token requests. `names` as above. Values may hold {client_id}, {redirect_uri} and {scope}; for a code, {state}.

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


class Lifetime(Part, kw_only=True, frozen=True):
    """Where a lifetime stands, and in which unit. `most`: seconds that are believable; more is read as milliseconds.

    `never`: figures by which the provider says that the token doesn't expire. `in_token`: the access token is a JWT,
    and its claim `exp` is the end. That is the provider's word to us, and proves nothing to anybody else.
    """

    at: Texts = ()
    unit: Unit = "seconds"
    most: int = 0
    never: int | tuple[int, ...] = ()
    in_token: bool = False


class TokenAnswer(Part, kw_only=True, frozen=True):
    """Members of a token response: our name → JSON pointers to theirs. `refresh`: where a refresh differs.

    `keep`: values of the response that calls need, by name; `assumed_lifetime`: seconds, where the provider tells none.
    """

    members: Mapping[str, Texts] = {}
    refresh: Mapping[str, Texts] = {}
    lifetime: Lifetime | None = None
    refresh_lifetime: Lifetime | None = None
    assumed_lifetime: int = 0
    keep: Mapping[str, str] = {}


class KeptParameter(Part, kw_only=True, frozen=True):
    """A parameter of the callback that calls need. `pattern`: what a value looks like, as a whole."""

    pattern: str = r"[A-Za-z0-9._-]{1,100}"


class Signature(Part, kw_only=True, frozen=True):
    """A keyed hash in the callback: HMAC-SHA256 of its other parameters, sorted by name, with the client secret.

    `parameter`: the one that holds it, in hexadecimal. `without`: parameters that it doesn't cover.
    """

    parameter: str
    without: tuple[str, ...] = ()


class Callback(Part, kw_only=True, frozen=True):
    """The authorization response. `code`: names of the parameter with the code. `scopes`: that of granted scopes,
    which counts if the token answer names none.

    `token_host`: the parameter that names the server where the code is to be redeemed, and tokens renewed and revoked.
    It is believed if the registry's *Hosts of that base URL* allow it. `posted`: the response comes by POST
    (response_mode=form_post). `signature`: without it, or with a wrong one, the code is not redeemed.
    """

    code: Texts = "code"
    scopes: str = "scope"
    keep: Mapping[str, KeptParameter] = {}
    token_host: str = ""
    posted: bool = False
    signature: Signature | None = None


class IdToken(Part, kw_only=True, frozen=True):
    """Exceptions for id tokens. `issuers`: also accepted; {tenantid} stands for the claim `tid`."""

    nonce: bool = True
    issuers: tuple[str, ...] = ()


class Scopes(Part, kw_only=True, frozen=True):
    """Scopes by other names.

    `aliases`: scope → what the provider calls it in its answers. `implies`: scope → scopes that it includes.
    `shown_by_refresh_token`: granted if a refresh token came. `never_listed`: granted without being named.
    `prefixes`: a scope with one of these and the same without it are one. `ignore_case`: so are A and a.
    """

    aliases: Mapping[str, Texts] = {}
    implies: Mapping[str, Texts] = {}
    shown_by_refresh_token: tuple[str, ...] = ("offline_access",)
    never_listed: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    ignore_case: bool = False

    def missing(self, requested: Iterable[str], listed: Iterable[str], *, has_refresh_token: bool) -> set[str]:
        """Those of the requested scopes that were not granted, if the provider lists these."""
        named = {*listed, *self.never_listed, *(self.shown_by_refresh_token if has_refresh_token else ())}
        granted = {self.plain(scope) for scope in named}
        aliases = {ours: {self.plain(name) for name in texts(theirs)} for ours, theirs in self.aliases.items()}
        granted |= {self.plain(ours) for ours, theirs in aliases.items() if granted & theirs}
        implied = {self.plain(scope): {self.plain(each) for each in texts(of)} for scope, of in self.implies.items()}
        while more := {each for scope in granted for each in implied.get(scope, ())} - granted:
            granted |= more
        return {scope for scope in requested if self.plain(scope) not in granted}

    def our_name(self, scope: str, ours: Iterable[str]) -> str:
        """The name by which a scope is asked for, where the provider's answers have another. `ours`: all we know."""
        for name, theirs in self.aliases.items():
            if scope in texts(theirs):
                return name
        return next((name for name in ours if self.plain(name) == self.plain(scope)), scope)

    @property
    def has_spellings(self) -> bool:
        """Whether one scope may be spelled in several ways."""
        return bool(self.prefixes) or self.ignore_case

    def plain(self, scope: str) -> str:
        """One spelling for all of the same scope."""
        for prefix in self.prefixes:
            scope = scope.removeprefix(prefix)
        return scope.casefold() if self.ignore_case else scope


class Lookup(Part, kw_only=True, frozen=True):
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


class Exchange(Part, kw_only=True, frozen=True):
    """Exchange the access token for one that lives longer. Parameters may hold {access_token} and our credentials.

    Without `url`, at the token URL.
    """

    url: str = ""
    method: Literal["GET", "POST"] = "GET"
    parameters: Mapping[str, str] = {}


class SelfRenewal(Part, kw_only=True, frozen=True):
    """Renewal of an access token with itself, where there is no refresh token. `not_before`: seconds of its age.

    Without `url`, at the token URL.
    """

    url: str = ""
    method: Literal["GET", "POST"] = "GET"
    parameters: Mapping[str, str] = {}
    not_before: int = 0


class Limits(Part, kw_only=True, frozen=True):
    """Limits. `renewals` in `seconds` per sign-in; `wait`: where a 429 says how long, if not in Retry-After.

    Renewals ahead of callers: so many `ahead_at_once` by each worker, and `ahead_per_second` by all of them together.
    """

    renewals: int = 0
    seconds: int = 0
    ahead_at_once: int = 2
    ahead_per_second: int = 20
    wait: tuple[Wait, ...] = ()


class Calls(Part, kw_only=True, frozen=True):
    """What each call carries beside the token. Header and query values may hold {name} of a kept value.

    A query value may also hold {access_token_hmac}: HMAC-SHA256 of the access token with the client secret, in
    hexadecimal. Such a parameter goes with userinfo and lookups, too.
    """

    parameters: Mapping[str, str] = {}
    token_parameter: str = ""


class Paging(Part, kw_only=True, frozen=True):
    """How a list continues.

    `link`: the header Link. `next_url`: `next` leads to an address. `cursor`: `next` leads to a value for `parameter`.
    `last_row`: `next` leads to such a value in the last row of the page. `offset` and `page`: `parameter` counts rows
    (from 0) or pages (from 1), or from `first`. `more`: pointer to whether there is more.
    `next_header`: the header that holds the address or the cursor. `pages_header`: the one that counts all pages.
    """

    style: Literal["link", "next_url", "cursor", "last_row", "offset", "page", "none"]
    next: Texts = ()
    next_header: str = ""
    parameter: str = ""
    more: str = ""
    pages_header: str = ""
    first: int | None = None
    size_parameter: str = ""
    size: int = 0

    @property
    def start(self) -> int:
        """The position of the first page: `first`, else 0 for rows and 1 for pages."""
        return self.first if self.first is not None else int(self.style != "offset")


class ProviderProfile(Part, kw_only=True, frozen=True):
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
    # Name of a kept value → what the provider tells → what is kept. "*": anything else, also if nothing is told.
    value_maps: Mapping[str, Mapping[str, str]] = {}

    def addresses(self) -> list[str]:
        """URLs that receive a person's token. Placeholders may stand in their paths and queries only."""
        parts = (*self.lookups, self.exchange, self.self_renewal)
        return [part.url for part in parts if part and part.url]

    def kept_values(self) -> set[str]:
        """Names that the connection URL and headers of calls may hold in braces."""
        looked_up = {name for lookup in self.lookups for name in (lookup.name, *lookup.also)}
        return {*self.callback.keep, *self.token_answer.keep, *looked_up}

    def mapped(self, name: str, value: str) -> str:
        """What is kept of a value that the provider tells; "" if the map of this name doesn't have it."""
        if name not in self.value_maps:
            return value
        values = self.value_maps[name]
        return values.get(value, values.get("*", ""))


STANDARD = ProviderProfile()
