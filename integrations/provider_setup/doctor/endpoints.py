"""Each endpoint asked with values that nobody ever issued: the way it refuses them shows whether it knows Keyrack."""

import secrets
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import requests
from django.utils.translation import gettext as _

from foundation.oauth_client import answers, client, revocation, transport
from foundation.oauth_client.client import Registration
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused
from foundation.oauth_client.revocation import Ending
from foundation.oauth_client.revocation_requests import BEARER
from integrations.models.registry import ApplicationRegistry, GrantType, validation
from integrations.provider_setup.doctor.findings import Finding, Whose, fault, good, undecided, unreached

UNKNOWN_CLIENT = {
    "invalid_client", "unauthorized_client", "incorrect_client_credentials", "bad_client_secret", "invalid_client_id",
    "http_401",
}  # fmt: skip
BAD_REDIRECT = {"invalid_redirect_uri", "redirect_uri_mismatch", "bad_redirect_uri"}
AT_THE_DOOR = {"unauthorized_client", "invalid_scope", "invalid_request", "unsupported_response_type"}


def made_up() -> str:
    return secrets.token_urlsafe(32)


def tried(registry: ApplicationRegistry, registration: Registration) -> Iterator[Finding]:
    grants = sorted({profile.grant_type for profile in registry.profiles.all()} or {registry.default_grant_type})
    if GrantType.AUTHORIZATION_CODE in grants and registry.authorization_url:
        yield from authorization_endpoint(registry, registration)
    for grant in grants:
        yield token_endpoint(registry, registration, grant)
    if registry.refresh_url:
        yield refresh_endpoint(registration)
    if registry.token_revocation_url and not validation.wrong_dialect(registry):
        yield revocation_endpoint(registry, registration)
    if registry.token_introspection_url:
        yield introspection_endpoint(registration)
    if registry.userinfo_url:
        yield userinfo_endpoint(registration)


# The authorization endpoint -------------------------------------------------------------------------------------------


def authorization_endpoint(registry: ApplicationRegistry, registration: Registration) -> Iterator[Finding]:
    """As a browser of nobody in particular would come: most servers ask who it is before they look any closer."""
    profile = registry.profiles.filter(grant_type=GrantType.AUTHORIZATION_CODE).first()
    scopes = profile.scope_values() if profile else []
    try:
        asked = client.authorization_request(registration, redirect_uri=registry.redirect_url, scopes=scopes)
        response = transport.request("GET", asked.url, headers={"Accept": "text/html"})
    except OAuthError as error:
        yield unreached(_("Authorization URL"), error) or misread(_("Authorization URL"), error)
        return
    yield door(registry, response)


def door(registry: ApplicationRegistry, response: requests.Response) -> Finding:
    location = response.headers.get("Location", "")
    if 300 <= response.status_code < 400 and location.startswith(registry.redirect_url):
        return sent_back(location)
    if response.status_code < 400:
        told = _("Authorization URL: it answers. Whether it knows the Redirect URL shows at the first sign-in.")
        return good(told)
    if response.status_code in {400, 401, 403, 422}:
        return turned_away(response)
    error = answers.failure(response)
    return unreached(_("Authorization URL"), error) or misread(_("Authorization URL"), error)


def sent_back(location: str) -> Finding:
    """It knows client and Redirect URL, or it would not have come back by it."""
    code = parse_qs(urlsplit(location).query).get("error", [""])[0]
    if code in AT_THE_DOOR:
        told = _("Authorization URL: the server refuses the request (%(code)s). Look at grant type, scopes and PKCE.")
        return fault(Whose.ADMINISTRATOR, told % {"code": code})
    return good(_("Authorization URL: it answers, and knows the Client ID and the Redirect URL."))


def turned_away(response: requests.Response) -> Finding:
    if b"redirect" in response.content.lower():
        told = _("Authorization URL: the server does not know the Redirect URL. Register it there as it is shown here.")
        return fault(Whose.ADMINISTRATOR, told)
    told = _("Authorization URL: the request is refused (HTTP %(status)s). Compare Client ID and Redirect URL.")
    return fault(Whose.ADMINISTRATOR, told % {"status": response.status_code})


# The token endpoint ---------------------------------------------------------------------------------------------------


def token_endpoint(registry: ApplicationRegistry, registration: Registration, grant: str) -> Finding:
    """With a code that nobody issued: `invalid_grant` means that the server knew us before it looked at it."""
    try:
        asking_for(registry, registration, grant)()
    except Refused as error:
        told = _("Token URL: it answers, and knows Client ID and Client Secret (%(code)s for a made-up code).")
        return good(told % {"code": error.code})
    except OAuthError as error:
        return unreached(_("Token URL"), error) or disowned(error)
    if grant == GrantType.CLIENT_CREDENTIALS:
        return good(_("Token URL: it gives Keyrack a token of its own."))
    return fault(Whose.PROVIDER, _("Token URL: it gave a token for a code that nobody issued. Trust nothing it says."))


def asking_for(registry: ApplicationRegistry, registration: Registration, grant: str) -> Callable[[], object]:
    if grant == GrantType.CLIENT_CREDENTIALS:
        profile = registry.profiles.filter(grant_type=grant).first()
        scopes = profile.scope_values() if profile else []
        return lambda: client.client_credentials(registration, scopes=scopes)
    if grant == GrantType.PASSWORD:  # not with a made-up user: that would count against somebody
        return lambda: client.refresh(registration, refresh_token=made_up())
    verifier = made_up() if registration.pkce else ""
    return lambda: client.exchange(
        registration, code=made_up(), redirect_uri=registry.redirect_url, code_verifier=verifier
    )


def refresh_endpoint(registration: Registration) -> Finding:
    label = _("Refresh URL")
    try:
        client.refresh(registration, refresh_token=made_up())
    except Refused as error:
        told = _("%(label)s: it answers (%(code)s for a made-up token).")
        return good(told % {"label": label, "code": error.code})
    except OAuthError as error:
        return unreached(label, error) or misread(label, error)
    return fault(Whose.PROVIDER, _("%(label)s: it renewed a made-up token. Trust nothing it says.") % {"label": label})


def disowned(error: OAuthError) -> Finding:
    names = {"code": error.code}
    if error.code in UNKNOWN_CLIENT:
        told = _("Token URL: we are not accepted (%(code)s). Look at Client ID, Client Secret, Send Credentials.")
        return fault(Whose.ADMINISTRATOR, told % names)
    if error.code in BAD_REDIRECT:
        told = _("Token URL: the server does not know the Redirect URL (%(code)s). Register it there.")
        return fault(Whose.ADMINISTRATOR, told % names)
    if isinstance(error, Misconfigured) and error.code != "invalid_request":
        told = _("Token URL: the server says that we are set up wrongly (%(code)s). Look at grant type and scopes.")
        return fault(Whose.ADMINISTRATOR, told % names)
    return misread(_("Token URL"), error)


def misread(label: str, error: OAuthError) -> Finding:
    told = _("%(label)s: it answers, but not so that one could tell whether it knows us (%(code)s).")
    return undecided(told % {"label": label, "code": error.code})


# The others -----------------------------------------------------------------------------------------------------------


def revocation_endpoint(registry: ApplicationRegistry, registration: Registration) -> Finding:
    label, nobodys = _("Token Revocation URL"), made_up()
    dialect = revocation.dialect_of(registry.revocation_request)
    ending = Ending(refresh_token=nobodys, access_token=nobodys, account_id="0")
    try:
        revocation.revoke(registration, ending, dialect.send[0], dialect)
    except Refused as error:
        return good(_("%(label)s: it answers (%(code)s for a made-up token).") % {"label": label, "code": error.code})
    except OAuthError as error:
        names_no_token = dialect.body in {"form", "json"} and dialect.client_authentication != BEARER
        if names_no_token and error.code in UNKNOWN_CLIENT:
            told = _("%(label)s: the server does not accept us (%(code)s), so that nothing could be revoked.")
            return fault(Whose.ADMINISTRATOR, told % {"label": label, "code": error.code})
        if error.status in {404, 410, 422} and "{" in registry.token_revocation_url:
            return misread(label, error)  # it may well be the token that is not there
        return unreached(label, error) or misread(label, error)
    return good(_("%(label)s: it answers as a server does that has never heard of the token.") % {"label": label})


def introspection_endpoint(registration: Registration) -> Finding:
    label = _("Token Introspection URL")
    try:
        found = client.introspect(registration, made_up())
    except OAuthError as error:
        if error.code in UNKNOWN_CLIENT:
            told = _("%(label)s: the server does not let us ask (%(code)s).")
            return undecided(told % {"label": label, "code": error.code})
        return unreached(label, error) or misread(label, error)
    if found.active:
        return fault(Whose.PROVIDER, _("%(label)s: it calls a made-up token active.") % {"label": label})
    return good(_("%(label)s: it answers, and knows Client ID and Client Secret.") % {"label": label})


def userinfo_endpoint(registration: Registration) -> Finding:
    label = _("Userinfo URL")
    try:
        client.userinfo(registration, made_up())
    except OAuthError as error:
        if error.status in {400, 401, 403}:
            return good(_("%(label)s: it answers, and wants a token.") % {"label": label})
        return unreached(label, error) or misread(label, error)
    return undecided(_("%(label)s: it answers without a proper token, too.") % {"label": label})


def api(url: str) -> Iterator[Finding]:
    """The server that calls go to. Nothing is asked of it, so that any word of its own will do."""
    label = _("Connection URL")
    try:
        response = transport.request("GET", url, headers={"Accept": "application/json"})
    except OAuthError as error:
        yield unreached(label, error) or misread(label, error)
        return
    if response.status_code >= 500:
        told = _("%(label)s: the server is in trouble (HTTP %(status)s).")
        yield fault(Whose.PROVIDER, told % {"label": label, "status": response.status_code})
        return
    yield good(_("%(label)s: the server answers.") % {"label": label})
