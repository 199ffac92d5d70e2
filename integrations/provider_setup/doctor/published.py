"""What a server says about itself (RFC 8414, OpenID discovery), beside what is set up here."""

from collections.abc import Iterator

from django.utils.translation import gettext as _

from foundation.oauth_client import metadata
from foundation.oauth_client.errors import OAuthError, Unreachable
from foundation.oauth_client.metadata import Metadata
from integrations.models.registry import ApplicationRegistry, ClientAuthentication
from integrations.provider_setup.doctor.findings import Finding, Whose, fault, good, undecided

ADDRESSES = {
    "authorization_url": "authorization_url",
    "token_url": "token_url",
    "token_revocation_url": "revocation_url",
    "token_introspection_url": "introspection_url",
    "userinfo_url": "userinfo_url",
}


def compared(registry: ApplicationRegistry) -> Iterator[Finding]:
    if not registry.issuer:
        yield undecided(_("No Issuer is set, so that there is nothing published to compare with."))
        return
    try:
        found = metadata.discover(registry.issuer)
    except OAuthError as error:
        yield unpublished(error)
        return
    differing = [*addresses(registry, found), *ways(registry, found)]
    yield from differing
    if not any(finding.is_fault for finding in differing):
        yield good(_("It is set up as the server says about itself."))


def unpublished(error: OAuthError) -> Finding:
    names = {"code": error.code, "why": error.description or error.code}
    if isinstance(error, Unreachable):
        return fault(Whose.PROVIDER, _("Issuer: no answer where its metadata should be (%(code)s).") % names)
    if error.code == "issuer_mismatch":
        return fault(Whose.ADMINISTRATOR, _("Issuer: %(why)s. Enter it as the server spells it.") % names)
    if error.code in {"blocked_address", "insecure_url", "bad_url"}:
        return fault(Whose.ADMINISTRATOR, _("Issuer: Keyrack may not call this address (%(why)s).") % names)
    return undecided(_("The server publishes no metadata that could be read (%(why)s).") % names)


def addresses(registry: ApplicationRegistry, found: Metadata) -> Iterator[Finding]:
    """One that is set and not published is the administrator's own knowledge; one that differs is a mistake.

    But for whose account it is an API may have an address that tells more.
    """
    for ours, theirs in ADDRESSES.items():
        here, there = getattr(registry, ours), getattr(found, theirs)
        label = str(ApplicationRegistry._meta.get_field(ours).verbose_name)  # type: ignore[union-attr]  # a column
        if there and here and here != there:
            told = _("%(label)s: set is %(here)s, the server publishes %(there)s.") % {
                "label": label,
                "here": here,
                "there": there,
            }
            yield undecided(told) if ours == "userinfo_url" else fault(Whose.ADMINISTRATOR, told)
        elif there and not here:
            told = _("%(label)s: none is set; the server publishes %(there)s.")
            yield undecided(told % {"label": label, "there": there})


def ways(registry: ApplicationRegistry, found: Metadata) -> Iterator[Finding]:
    offered = found.client_authentications
    if registry.send_credentials not in offered and set(offered) & set(ClientAuthentication.values):
        told = _("Send Credentials: the server accepts %(offered)s.")
        yield fault(Whose.ADMINISTRATOR, told % {"offered": ", ".join(offered)})
    methods = found.code_challenge_methods
    if registry.pkce_required and methods and registry.code_challenge_method not in methods:
        told = _("Code challenge method: the server knows %(methods)s.")
        yield fault(Whose.ADMINISTRATOR, told % {"methods": ", ".join(methods)})
    if "S256" in methods and not registry.pkce_required:
        yield undecided(_("PKCE is off, and the server knows it: turn it on."))
    if found.names_issuer and not registry.names_issuer:
        yield undecided(_("The server promises to name itself in each answer: tick Issuer in authorization responses."))
    if registry.names_issuer and not found.names_issuer:
        told = _("Issuer in authorization responses is ticked, and the server does not promise it.")
        yield fault(Whose.ADMINISTRATOR, told)
    asked = {scope for profile in registry.profiles.all() for scope in profile.scope_values()}
    if found.scopes and (unknown := sorted(asked - set(found.scopes))):
        yield undecided(_("The server does not list these scopes: %(scopes)s.") % {"scopes": ", ".join(unknown)})
