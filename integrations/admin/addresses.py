"""Form fields for addresses: refuse what the transport would refuse, with a message."""

from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from foundation.oauth_client import transport
from foundation.oauth_client.errors import OAuthError, Unreachable
from foundation.oauth_client.registration import origin
from integrations.models.registry.validation import PLACEHOLDER

__all__ = [
    "AddressField",
    "AddressInput",
    "BaseAddressField",
    "LinkField",
    "PageField",
    "check_address",
    "check_base",
    "origin",
]

SECONDS = 3.0  # for the name lookup; no connection is made
NOT_HTTPS = _("Enter an https:// address. Plain http works only for networks that OUTBOUND_ALLOW names.")
REFUSED = {
    "insecure_url": NOT_HTTPS,
    "blocked_address": _("This address is neither on the public internet nor in a network that OUTBOUND_ALLOW names."),
}
BAD = _("Enter a full https:// address: a host and a path, without user name, fragment (#) or spaces.")


def check_address(url: str) -> None:
    """Validate an address for calls. A host that can't be resolved now is accepted, unless it's plain http."""
    try:
        with transport.deadline(SECONDS):
            transport.check_url(url)
    except Unreachable:
        if urlsplit(url).scheme == "http":
            raise ValidationError(NOT_HTTPS, code="insecure_url") from None
    except OAuthError as error:
        raise ValidationError(REFUSED.get(error.code, BAD), code=error.code) from None


def check_base(url: str) -> None:
    """Validate an address that a path is appended to. It has no query, and may hold values of a person in braces."""
    check_address(PLACEHOLDER.sub("sample", url))
    if "?" in url:
        raise ValidationError(_("This address has no query (?)."), code="query")


def check_link(url: str) -> None:
    """Validate an address that people open. Keyrack never calls it, and it may have a fragment."""
    try:
        transport.check_spelling(url.partition("#")[0])
    except OAuthError:
        raise ValidationError(_("Enter a full web address, starting with https:// and a host."), code="link") from None


class AddressInput(forms.URLInput):
    """A URL input without the "Currently" link of the admin's widget."""

    def __init__(self) -> None:
        super().__init__(attrs={"class": "vURLField", "autocapitalize": "none", "spellcheck": "false"})


class AddressField(forms.CharField):
    default_validators = [check_address]


def check_page(url: str) -> None:
    """Validate the address of a sign-in page, which may stand behind a fragment (#/authorize)."""
    check_address(url.partition("#")[0])


class PageField(forms.CharField):
    default_validators = [check_page]


class LinkField(forms.CharField):
    default_validators = [check_link]


class BaseAddressField(AddressField):
    default_validators = [check_base]
