"""Comparison of a registry with the server's published metadata (RFC 8414, OpenID discovery)."""

from collections.abc import Iterator

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from foundation.oauth_client import metadata
from foundation.oauth_client.errors import OAuthError, Unreachable
from foundation.oauth_client.metadata import Demand, Metadata
from integrations.models.failures import is_uncallable
from integrations.models.registry import ApplicationRegistry, ClientAuthentication
from integrations.provider_setup.doctor.findings import Finding, Whose, fault, good, undecided

ADDRESSES = {
    "authorization_url": "authorization_url",
    "token_url": "token_url",
    "token_revocation_url": "revocation_url",
    "token_introspection_url": "introspection_url",
    "userinfo_url": "userinfo_url",
}
# What a server requires. Keyrack cannot do it, unless the sentence says what to set.
DEMANDS = {
    Demand.CLIENT_AUTHENTICATION: gettext_lazy(
        "The server accepts clients only with keys or certificates (%(methods)s), which Keyrack can’t do. "
        "Ask the provider for a client with a secret."
    ),
    Demand.PUSHED_REQUESTS: gettext_lazy(
        "The server requires pushed authorization requests (PAR, RFC 9126), which Keyrack can’t do. "
        "Ask the provider to switch it off for this client."
    ),
    Demand.SIGNED_REQUESTS: gettext_lazy(
        "The server requires signed authorization requests (JAR, RFC 9101), which Keyrack can’t do."
    ),
    Demand.DPOP: gettext_lazy(
        "The server binds access tokens to a key (DPoP, RFC 9449). Keyrack can use bearer tokens only."
    ),
    Demand.BOUND_TOKENS_OFFERED: gettext_lazy(
        "The server can bind tokens to a key or certificate (DPoP, mutual TLS). Keyrack uses bearer tokens: don’t "
        "require it for this client."
    ),
    Demand.RESPONSE_MODE: gettext_lazy(
        "The server sends the authorization response neither in the query nor by POST. Keyrack can’t read it elsewhere."
    ),
    Demand.POSTED_RESPONSE: gettext_lazy(
        "The server sends the authorization response by POST only. Set this in Provider’s ways: "
        '{"callback": {"posted": true}}'
    ),
    Demand.RESPONSE_TYPE: gettext_lazy(
        "The server doesn’t offer the response type “code”, and Keyrack knows no other."
    ),
    Demand.GRANT_TYPE: gettext_lazy(
        "The server offers none of the grant types that Keyrack knows (authorization code, password, client "
        "credentials)."
    ),
    Demand.ENCRYPTED_ID_TOKEN: gettext_lazy(
        "The server encrypts id tokens, which Keyrack can’t read. Leave out the scope openid, or ask the provider to "
        "switch it off for this client."
    ),
    Demand.CODE_CHALLENGE_METHOD: gettext_lazy(
        "The server knows neither S256 nor plain as code challenge method. Turn PKCE required off if it refuses them."
    ),
}
SETTABLE = frozenset({Demand.BOUND_TOKENS_OFFERED, Demand.POSTED_RESPONSE, Demand.CODE_CHALLENGE_METHOD})


def compare_metadata(registry: ApplicationRegistry) -> Iterator[Finding]:
    if not registry.issuer:
        yield undecided(_("No Issuer is set, so there’s no published metadata to compare with."))
        return
    try:
        published = metadata.discover(issuer_of_tenant(registry))
    except OAuthError as error:
        yield judge_missing_metadata(error)
        return
    differing = [
        *compare_issuer(registry, published),
        *list_demands(registry, published),
        *compare_addresses(registry, published),
        *compare_methods(registry, published),
    ]
    yield from differing
    if not any(finding.is_fault for finding in differing):
        yield good(_("The set-up matches the server’s published metadata."))


def issuer_of_tenant(registry: ApplicationRegistry) -> str:
    """Return the issuer; one that holds {tenantid} with the tenant of the registry's URLs."""
    return metadata.fill_tenant(registry.issuer, registry.token_url, registry.authorization_url)


def judge_missing_metadata(error: OAuthError) -> Finding:
    names = {"code": error.code, "why": error.describe(_)}
    if isinstance(error, Unreachable) and error.status != 403:
        message = _("Issuer: no answer where its metadata should be (%(why)s).")
        return fault(Whose.PROVIDER, message % names, field="issuer")
    if error.code == "issuer_mismatch":
        message = _("Issuer: %(why)s. Enter it as the server spells it.")
        return fault(Whose.ADMINISTRATOR, message % names, field="issuer")
    if is_uncallable(error.code):
        message = _("Issuer: Keyrack may not call this address (%(why)s).")
        return fault(Whose.ADMINISTRATOR, message % names, field="issuer")
    return undecided(_("The server publishes no readable metadata (%(why)s).") % names)


def compare_issuer(registry: ApplicationRegistry, published: Metadata) -> Iterator[Finding]:
    """Yield a finding if the server serves many tenants: id tokens name the person's, seldom the one in the issuer."""
    issuers = (registry.issuer, *registry.readable_profile.id_token.issuers)
    if published.issuer not in issuers:
        message = _(
            "Issuer: set to %(here)s, so id tokens of other tenants are refused. The server publishes %(there)s: enter "
            "this if people of several tenants sign in."
        )
        yield undecided(message % {"here": registry.issuer, "there": published.issuer})


def list_demands(registry: ApplicationRegistry, published: Metadata) -> Iterator[Finding]:
    """Yield what the server requires and Keyrack can't do, unless the registry is set up for it."""
    for demand in published.demands:
        if demand is Demand.POSTED_RESPONSE and registry.readable_profile.callback.posted:
            continue
        if demand is Demand.CODE_CHALLENGE_METHOD:
            continue  # the comparison says so
        message = describe_demand(demand, published)
        yield undecided(message) if demand in SETTABLE else fault(Whose.ADMINISTRATOR, message)


def describe_demand(demand: Demand, published: Metadata) -> str:
    return str(DEMANDS[demand]) % {"methods": ", ".join(published.client_authentications)}


def compare_addresses(registry: ApplicationRegistry, published: Metadata) -> Iterator[Finding]:
    """Yield a fault for each address that differs from the published one. One that isn't published may still be right.

    A different Userinfo URL is no fault: an API may have an address that tells more about the account.
    """
    for name, published_name in ADDRESSES.items():
        configured, address = getattr(registry, name), getattr(published, published_name)
        label = str(ApplicationRegistry._meta.get_field(name).verbose_name)  # type: ignore[union-attr]  # a column
        if address and configured and configured != address:
            message = _("%(label)s: set to %(here)s, but the server publishes %(there)s.") % {
                "label": label,
                "here": configured,
                "there": address,
            }
            yield undecided(message) if name == "userinfo_url" else fault(Whose.ADMINISTRATOR, message, field=name)
        elif address and not configured:
            message = _("%(label)s: not set; the server publishes %(there)s.")
            yield undecided(message % {"label": label, "there": address})


def compare_methods(registry: ApplicationRegistry, published: Metadata) -> Iterator[Finding]:
    offered = published.client_authentications
    if registry.send_credentials not in offered and set(offered) & set(ClientAuthentication.values):
        message = _("Send Credentials: the server accepts %(offered)s.")
        yield fault(Whose.ADMINISTRATOR, message % {"offered": ", ".join(offered)}, field="send_credentials")
    methods = published.code_challenge_methods
    if registry.pkce_required and methods and registry.code_challenge_method not in methods:
        message = _("Code challenge method: the server supports %(methods)s.")
        yield fault(Whose.ADMINISTRATOR, message % {"methods": ", ".join(methods)})
    if "S256" in methods and not registry.pkce_required:
        yield undecided(_("PKCE is off, but the server supports it. Turn it on."))
    if published.names_issuer and not registry.names_issuer:
        yield undecided(_("The server names itself in each answer. Tick Issuer in authorization responses."))
    if registry.names_issuer and not published.names_issuer:
        message = _("Issuer in authorization responses is ticked, but the server does not promise it.")
        yield fault(Whose.ADMINISTRATOR, message)
    scopes = {scope for profile in registry.profiles.all() for scope in profile.scope_values()}
    if published.scopes and (unknown := sorted(scopes - set(published.scopes))):
        yield undecided(_("The server doesn’t list these scopes: %(scopes)s.") % {"scopes": ", ".join(unknown)})
