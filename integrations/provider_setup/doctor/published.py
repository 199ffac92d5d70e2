"""Comparison of a registry with the server's published metadata (RFC 8414, OpenID discovery)."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from foundation.oauth_client import metadata
from foundation.oauth_client.errors import OAuthError, Unreachable
from foundation.oauth_client.metadata import Metadata
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


def compare_metadata(registry: ApplicationRegistry) -> Iterator[Finding]:
    if not registry.issuer:
        yield undecided(_("No Issuer is set, so there’s no published metadata to compare with."))
        return
    try:
        published = metadata.discover(registry.issuer)
    except OAuthError as error:
        yield unpublished(error)
        return
    differing = [*compare_addresses(registry, published), *compare_methods(registry, published)]
    yield from differing
    if not any(finding.is_fault for finding in differing):
        yield good(_("The set-up matches the server’s published metadata."))


def unpublished(error: OAuthError) -> Finding:
    names = {"code": error.code, "why": error.description or error.code}
    if isinstance(error, Unreachable):
        return fault(Whose.PROVIDER, _("Issuer: no answer where its metadata should be (%(code)s).") % names)
    if error.code == "issuer_mismatch":
        return fault(Whose.ADMINISTRATOR, _("Issuer: %(why)s. Enter it as the server spells it.") % names)
    if is_uncallable(error.code):
        return fault(Whose.ADMINISTRATOR, _("Issuer: Keyrack may not call this address (%(why)s).") % names)
    return undecided(_("The server publishes no readable metadata (%(why)s).") % names)


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
            yield undecided(message) if name == "userinfo_url" else fault(Whose.ADMINISTRATOR, message)
        elif address and not configured:
            message = _("%(label)s: not set; the server publishes %(there)s.")
            yield undecided(message % {"label": label, "there": address})


def compare_methods(registry: ApplicationRegistry, published: Metadata) -> Iterator[Finding]:
    offered = published.client_authentications
    if registry.send_credentials not in offered and set(offered) & set(ClientAuthentication.values):
        message = _("Send Credentials: the server accepts %(offered)s.")
        yield fault(Whose.ADMINISTRATOR, message % {"offered": ", ".join(offered)})
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
