"""Probes of each endpoint with made-up values: how the server refuses them shows whether it knows our client."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import parse_qs, urlsplit

import requests
from django.utils.translation import gettext as _

from foundation.oauth_client import client, error_answers, error_codes, revocation, transport
from foundation.oauth_client.client import Registration
from foundation.oauth_client.dialects import BEARER
from foundation.oauth_client.errors import Misconfigured, OAuthError, Refused
from foundation.oauth_client.revocation import GrantTokens
from integrations.models.failures import field_behind
from integrations.models.registry import ApplicationRegistry, GrantType, validation
from integrations.provider_setup.doctor.findings import Finding, Whose, fault, good, judge_no_answer, undecided

UNKNOWN_CLIENT = error_codes.CLIENT_REFUSED | {"unauthorized_client", "http_401"}
REQUEST_REFUSED = (error_codes.ABOUT_SIGN_IN - error_codes.ABOUT_REDIRECT) | {"unauthorized_client"}


def make_up_value() -> str:
    return secrets.token_urlsafe(32)


def probe_endpoints(
    registry: ApplicationRegistry, registration: Registration, scopes: Sequence[str] | None = None
) -> Iterator[Finding]:
    grants = sorted({profile.grant_type for profile in registry.profiles.all()} or {registry.default_grant_type})
    if GrantType.AUTHORIZATION_CODE in grants and registry.authorization_url:
        yield from probe_authorization_endpoint(registry, registration, scopes)
    for grant in grants:
        yield probe_token_endpoint(registry, registration, grant)
    if registry.refresh_url:
        yield probe_refresh_endpoint(registration)
    if registry.token_revocation_url and not validation.wrong_dialect(registry):
        yield probe_revocation_endpoint(registry, registration)
    if registry.token_introspection_url:
        yield probe_introspection_endpoint(registration)
    if registry.userinfo_url:
        yield probe_userinfo_endpoint(registration)


# The authorization endpoint -------------------------------------------------------------------------------------------


def probe_authorization_endpoint(
    registry: ApplicationRegistry, registration: Registration, scopes: Sequence[str] | None
) -> Iterator[Finding]:
    """Send an authorization request without a session. Most servers show their sign-in page before they check it."""
    if scopes is None:
        profile = registry.profiles.filter(grant_type=GrantType.AUTHORIZATION_CODE).first()
        scopes = profile.scope_values() if profile else []
    try:
        request = client.authorization_request(registration, redirect_uri=registry.redirect_url, scopes=scopes)
        response = transport.request("GET", request.url, headers={"Accept": "text/html"})
    except OAuthError as error:
        yield judge_error(_("Authorization URL"), error, "authorization_url")
        return
    yield judge_authorization_response(registry, response)


def judge_authorization_response(registry: ApplicationRegistry, response: requests.Response) -> Finding:
    location = response.headers.get("Location", "")
    if 300 <= response.status_code < 400 and location.startswith(registry.redirect_url):
        return judge_redirect(location)
    if response.status_code < 400:
        return good(_("Authorization URL: it answers. The first sign-in will show whether it knows the Redirect URL."))
    if response.status_code in {400, 401, 403, 422}:
        return judge_refusal(response)
    error = error_answers.error_from(response)
    return judge_error(_("Authorization URL"), error, "authorization_url")


def judge_redirect(location: str) -> Finding:
    """Judge a redirect to us. It shows that the server knows client and Redirect URL (RFC 6749 §4.1.2.1)."""
    code = parse_qs(urlsplit(location).query).get("error", [""])[0]
    if code in REQUEST_REFUSED:
        message = _("Authorization URL: the server refuses the request (%(code)s). Check grant type, scopes and PKCE.")
        return fault(Whose.ADMINISTRATOR, message % {"code": code}, field=field_behind(code))
    return good(_("Authorization URL: it answers and knows the Client ID and the Redirect URL."))


def judge_refusal(response: requests.Response) -> Finding:
    if b"redirect" in response.content.lower():
        message = _(
            "Authorization URL: the server doesn’t know the Redirect URL. Register it there exactly as shown here."
        )
        return fault(Whose.ADMINISTRATOR, message, field="redirect_url")
    message = _(
        "Authorization URL: the server refuses the request (HTTP %(status)s). Compare Client ID and Redirect URL."
    )
    return fault(Whose.ADMINISTRATOR, message % {"status": response.status_code}, field="client_id")


# The token endpoint ---------------------------------------------------------------------------------------------------


def probe_token_endpoint(registry: ApplicationRegistry, registration: Registration, grant: str) -> Finding:
    """Redeem a made-up code. `invalid_grant` means that the server authenticated us before it looked at the code."""
    try:
        grant_request(registry, registration, grant)()
    except Refused as error:
        message = _("Token URL: it answers and knows Client ID and Client Secret (%(code)s for a made-up code).")
        return good(message % {"code": error.code})
    except OAuthError as error:
        return judge_no_answer(_("Token URL"), error, "token_url") or judge_token_error(error)
    if grant == GrantType.CLIENT_CREDENTIALS:
        return good(_("Token URL: it issues a token to Keyrack itself."))
    return fault(Whose.PROVIDER, _("Token URL: it issued a token for a made-up code. Don’t trust this server."))


def grant_request(registry: ApplicationRegistry, registration: Registration, grant: str) -> Callable[[], object]:
    if grant == GrantType.CLIENT_CREDENTIALS:
        profile = registry.profiles.filter(grant_type=grant).first()
        scopes = profile.scope_values() if profile else []
        return lambda: client.client_credentials(registration, scopes=scopes)
    if grant == GrantType.PASSWORD:  # a made-up username could exist, and its owner could be locked out
        return lambda: client.refresh(registration, refresh_token=make_up_value())
    verifier = make_up_value() if registration.pkce else ""
    return lambda: client.exchange(
        registration, code=make_up_value(), redirect_uri=registry.redirect_url, code_verifier=verifier
    )


def probe_refresh_endpoint(registration: Registration) -> Finding:
    label = _("Refresh URL")
    try:
        client.refresh(registration, refresh_token=make_up_value())
    except Refused as error:
        message = _("%(label)s: it answers (%(code)s for a made-up token).")
        return good(message % {"label": label, "code": error.code})
    except OAuthError as error:
        return judge_error(label, error, "refresh_url")
    return fault(
        Whose.PROVIDER, _("%(label)s: it renewed a made-up token. Don’t trust this server.") % {"label": label}
    )


def judge_token_error(error: OAuthError) -> Finding:
    names, cause = {"code": error.code}, {"field": field_behind(error.code), "words": error.reason}
    if error.code in UNKNOWN_CLIENT:
        message = _(
            "Token URL: the server rejects our client (%(code)s). Check Client ID, Client Secret and Send Credentials."
        )
        return fault(Whose.ADMINISTRATOR, message % names, **cause)
    if error.code in error_codes.ABOUT_REDIRECT:
        message = _("Token URL: the server doesn’t know the Redirect URL (%(code)s). Register it there.")
        return fault(Whose.ADMINISTRATOR, message % names, **cause)
    if isinstance(error, Misconfigured) and error.code != "invalid_request":
        message = _(
            "Token URL: the server says that our client is misconfigured (%(code)s). Check grant type and scopes."
        )
        return fault(Whose.ADMINISTRATOR, message % names, **cause)
    return judge_unclear_answer(_("Token URL"), error)


def judge_error(label: str, error: OAuthError, field: str) -> Finding:
    """The finding on an error that says nothing about our client. `field`: that of the endpoint's address."""
    return judge_no_answer(label, error, field) or judge_unclear_answer(label, error)


def judge_unclear_answer(label: str, error: OAuthError) -> Finding:
    message = _("%(label)s: it answers, but the answer doesn’t show whether it knows our client (%(code)s).")
    return undecided(message % {"label": label, "code": error.code})


# The others -----------------------------------------------------------------------------------------------------------


def probe_revocation_endpoint(registry: ApplicationRegistry, registration: Registration) -> Finding:
    label, token = _("Token Revocation URL"), make_up_value()
    dialect = revocation.dialect_of(registry.revocation_request)
    ending = GrantTokens(refresh_token=token, access_token=token, account_id="0")
    try:
        revocation.revoke(registration, ending, dialect.send[0], dialect)
    except Refused as error:
        return good(_("%(label)s: it answers (%(code)s for a made-up token).") % {"label": label, "code": error.code})
    except OAuthError as error:
        names_no_token = dialect.body in {"form", "json"} and dialect.client_authentication != BEARER
        if names_no_token and error.code in UNKNOWN_CLIENT:
            message = _("%(label)s: the server rejects our client (%(code)s), so no token could be revoked.")
            return fault(Whose.ADMINISTRATOR, message % {"label": label, "code": error.code}, field="client_secret")
        if error.status in {404, 410, 422} and "{" in registry.token_revocation_url:
            return judge_unclear_answer(label, error)  # the URL contains the token, so a 404 may be about that
        return judge_no_answer(label, error, "token_revocation_url") or judge_unclear_answer(label, error)
    return good(_("%(label)s: it answers, as it should for a token it doesn’t know.") % {"label": label})


def probe_introspection_endpoint(registration: Registration) -> Finding:
    label = _("Token Introspection URL")
    try:
        introspection = client.introspect(registration, make_up_value())
    except OAuthError as error:
        if error.code in UNKNOWN_CLIENT:
            message = _("%(label)s: the server doesn’t let our client introspect (%(code)s).")
            return undecided(message % {"label": label, "code": error.code})
        return judge_no_answer(label, error, "token_introspection_url") or judge_unclear_answer(label, error)
    if introspection.active:
        return fault(Whose.PROVIDER, _("%(label)s: it calls a made-up token active.") % {"label": label})
    return good(_("%(label)s: it answers and knows Client ID and Client Secret.") % {"label": label})


def probe_userinfo_endpoint(registration: Registration) -> Finding:
    label = _("Userinfo URL")
    try:
        client.userinfo(registration, make_up_value())
    except OAuthError as error:
        if error.status in {400, 401, 403}:
            return good(_("%(label)s: it answers and asks for a token.") % {"label": label})
        return judge_no_answer(label, error, "userinfo_url") or judge_unclear_answer(label, error)
    return undecided(_("%(label)s: it answers even without a valid token.") % {"label": label})


def probe_api(url: str) -> Iterator[Finding]:
    """Call the connection's base URL. Any answer below 500 will do: no resource is expected there."""
    label = _("Connection URL")
    try:
        response = transport.request("GET", url, headers={"Accept": "application/json"})
    except OAuthError as error:
        yield judge_no_answer(label, error, "connection_url") or judge_unclear_answer(label, error)
        return
    if response.status_code >= 500:
        message = _("%(label)s: the server has a problem (HTTP %(status)s).")
        names = {"label": label, "status": response.status_code}
        yield fault(Whose.PROVIDER, message % names, field="connection_url")
        return
    yield good(_("%(label)s: the server answers.") % {"label": label})
