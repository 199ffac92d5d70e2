"""The button Fill from metadata: copies what an issuer publishes into the form of an application registry."""

from collections.abc import Iterator, Sequence
from itertools import islice

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

from foundation.oauth_client import metadata, transport
from foundation.oauth_client.errors import OAuthError, Unreachable
from foundation.oauth_client.metadata import Metadata
from integrations.admin.addresses import check_address
from integrations.models.registry import ClientAuthentication, CodeChallengeMethod, OAuthEntityScope
from integrations.provider_setup import doctor

OFFERED_AT_MOST = 200
QUOTED_LENGTH = 60  # characters of typed text in an error message
SECONDS = 25.0  # a browser is waiting


def fill_in(request: HttpRequest) -> QueryDict:
    """Return the form's data, with the values that the issuer publishes."""
    typed = request.POST.copy()
    address = typed.get("issuer", "").strip()
    if not address:
        messages.error(request, _("Enter the Issuer first."))
        return typed
    address = metadata.fill_tenant(address, typed.get("token_url", ""), typed.get("authorization_url", ""))
    try:
        published = read_metadata(address)
    except ValidationError as error:
        messages.error(request, error.message)
        return typed
    copy_metadata(typed, published)
    message = _("Filled in from %(issuer)s. Check the form and save it.") % {"issuer": address}
    if published.issuer != address:
        message += f" {issuer_sentence(address, published)}"
    for sentence in describe_shortcomings(published):
        messages.warning(request, sentence)
    typed["found_scopes"] = " ".join(new_scopes(published, typed))
    messages.info(request, f"{message} {scopes_sentence(published.scopes)}".rstrip())
    return typed


def name_of_server(issuer: str) -> str:
    """Return the host of an issuer, as a first name that the administrator replaces."""
    return issuer.partition("://")[2].partition("/")[0].partition(":")[0]


def issuer_sentence(address: str, published: Metadata) -> str:
    """Return a sentence on an issuer that isn't spelled like the address: of many tenants, or of another place."""
    if metadata.TENANT in published.issuer:
        return _("The issuer is %(issuer)s: each person’s tenant is accepted.") % {"issuer": published.issuer}
    return _("The issuer is %(issuer)s, according to this document.") % {"issuer": published.issuer}


def describe_shortcomings(published: Metadata) -> Iterator[str]:
    """Sentences on what the document leaves out, and on what the server requires and Keyrack can't do."""
    if not published.token_url:
        yield _(
            "The document names no token endpoint, where codes become tokens. Take the Token URL from the provider’s "
            "documentation."
        )
    for demand in published.demands:
        yield doctor.describe_demand(demand, published)


def scopes_sentence(scopes: Sequence[str]) -> str:
    """Return a sentence on the scopes. Limited, because a message is stored until it is shown."""
    if not scopes:
        return ""
    names = {"count": len(scopes), "scopes": ", ".join(scopes[:OFFERED_AT_MOST])}
    if len(scopes) > OFFERED_AT_MOST:
        return _("It names %(count)d scopes, the first of which are: %(scopes)s.") % names
    return _("It names these scopes: %(scopes)s.") % names


def new_scopes(published: Metadata, typed: QueryDict) -> list[str]:
    """Return valid scopes that are in no row of the form yet."""
    typed_scopes = {value for name, value in typed.items() if name.startswith("scopes-") and name.endswith("-scope")}
    scopes = (scope for scope in dict.fromkeys(published.scopes) if scope not in typed_scopes and is_scope(scope))
    return list(islice(scopes, OFFERED_AT_MOST))


def is_scope(text: str) -> bool:
    try:
        OAuthEntityScope(name=text[:100], scope=text).clean_fields(exclude=["registry"])
    except ValidationError:
        return False
    return True


def read_scopes(text: str) -> list[str]:
    """Return the scopes of a text, each once. Raises `ValidationError` with the first that is not one."""
    scopes = list(dict.fromkeys(text.split()))
    for scope in scopes:
        if "," in scope:
            raise ValidationError(
                _("Separate scopes by spaces, not by commas: “%(scope)s”.") % {"scope": scope[:QUOTED_LENGTH]}
            )
        if not is_scope(scope):
            raise ValidationError(_("“%(scope)s” isn’t a scope (RFC 6749 §3.3).") % {"scope": scope[:QUOTED_LENGTH]})
    return scopes


def read_metadata(address: str) -> Metadata:
    """Return what a server publishes about itself. Raises `ValidationError` with a sentence for the administrator."""
    check_address(address)
    try:
        with transport.deadline(SECONDS):
            return metadata.discover(address)
    except OAuthError as error:
        raise ValidationError(metadata_error(address, error)) from None


def metadata_error(issuer: str, error: OAuthError) -> str:
    names = {"issuer": issuer, "description": error.describe(_)}
    if error.status == 0 and isinstance(error, Unreachable):
        return _("No answer from %(issuer)s (%(code)s). Nothing was filled in.") % {**names, "code": error.code}
    if error.code == "issuer_mismatch":
        message = _(
            "Nothing was filled in, because %(description)s. Enter the Issuer as the server spells it. If that other "
            "name is right and has no metadata of its own, enter the address of the document as Issuer."
        )
        return message % names
    if error.code == "no_token_endpoint":
        message = _(
            "Nothing was filled in from %(issuer)s: %(description)s. Take the URLs from the provider’s documentation."
        )
        return message % names
    message = _(
        "There’s no readable metadata at %(issuer)s: %(description)s. If the provider’s documentation names the "
        "address of the document itself, enter it as Issuer."
    )
    return message % names


def copy_metadata(typed: QueryDict, published: Metadata) -> None:
    """Copy published values into the form's data. Keeps the safer choice if the server supports both."""
    values = {
        "issuer": published.issuer,
        "authorization_url": published.authorization_url,
        "token_url": published.token_url,
        "token_revocation_url": published.revocation_url,
        "token_introspection_url": published.introspection_url,
        "userinfo_url": published.userinfo_url,
        "names_issuer": "on" if published.names_issuer else "",
    }
    for name, value in values.items():
        if value:
            typed[name] = value
    if CodeChallengeMethod.S256 in published.code_challenge_methods:
        typed["pkce_required"], typed["code_challenge_method"] = "on", str(CodeChallengeMethod.S256)
    elif CodeChallengeMethod.PLAIN in published.code_challenge_methods:
        typed["code_challenge_method"] = str(CodeChallengeMethod.PLAIN)
    if typed.get("send_credentials") not in published.client_authentications:
        supported = [method for method in ClientAuthentication.values if method in published.client_authentications]
        typed["send_credentials"] = supported[0] if supported else typed.get("send_credentials", "")
